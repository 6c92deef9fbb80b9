/** The examples of docs/alert-receivers.md, through the parser of the rule file. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseRules } from '../../src/alerts/rules/parse-rules.ts';
import { RECEIVER_KINDS } from '../../src/alerts/rules/receivers/target.ts';
import { CertificateAuthority } from '../support/certificates.ts';
import { blocksOf, DOCS } from '../support/doc-pages.ts';

let authority: CertificateAuthority;
beforeAll(async () => {
  authority = await CertificateAuthority.create();
});
afterAll(() => authority.remove());

/** What would be in the secret files. */
function secretIn(path: string): string {
  if (path.endsWith('-url')) return 'https://chat.example.org/services/T000/B000/XXXX';
  if (path.endsWith('.pem')) return authority.pem;
  return 'r'.repeat(32);
}

const blocks = blocksOf('test:receivers', 'yaml');

test.each(blocks.map((block, index) => [index + 1, block] as const))('example %i', (_, block) => {
  const context = { path: '/etc/pulselane/rules.yaml', allowsCommands: true, readFile: secretIn };
  const { problems, rules } = parseRules(block, context);
  expect(problems).toBeUndefined();
  expect(rules?.receivers.length).toBeGreaterThan(0);
});

test('each kind has an example', () => {
  const context = { path: undefined, allowsCommands: true, readFile: secretIn };
  const targets = blocks
    .flatMap((block) => parseRules(block, context).rules?.receivers ?? [])
    .flatMap((one) => one.targets);
  expect(new Set(targets.map(({ kind }) => kind))).toEqual(new Set(Object.keys(RECEIVER_KINDS)));
});

test('each field that may be in a file is named', () => {
  const text = DOCS.find(({ path }) => path === 'docs/alert-receivers.md')?.text ?? '';
  const fields = Object.values(RECEIVER_KINDS).flatMap(({ inFiles }) => inFiles.map((name) => `${name}_file`));
  for (const field of new Set(fields)) expect(text, field).toContain(`\`${field}\``);
});
