import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const compose = readFileSync(new URL('../../deploy/compose.yaml', import.meta.url), 'utf8');
const readme = readFileSync(new URL('../../deploy/README.md', import.meta.url), 'utf8');

const used = Array.from(
  compose.matchAll(/\{ source: ([\w.-]+), uid: "1000", gid: "1000", mode: 0400 \}/g),
  ([, name]) => name as string,
);
const declared = Array.from(
  compose.matchAll(/^ {2}([\w.-]+):\n {4}file: secrets\/\1$/gm),
  ([, name]) => name as string,
);

test('each secret is given to user 1000 alone, and is a file of its own', () => {
  expect(used.toSorted()).toEqual(declared.toSorted());
  expect(used).toHaveLength((compose.match(/source:/g) ?? []).length);
});

test('each setting that names a secret names one that its service is given', () => {
  const named = Array.from(compose.matchAll(/\/run\/secrets\/([\w.-]+)/g), ([, name]) => name as string);
  expect(named.toSorted()).toEqual(used.toSorted());
});

test('the page makes each of them, and opens them to nobody else', () => {
  for (const name of declared.filter((name) => !/\.(crt|key)$/.test(name))) expect(readme).toContain(`/s/${name}`);
  expect(readme).toContain('deploy/make-certificates.sh deploy/secrets master master');
  expect(readme).not.toMatch(/chmod (-R )?[0-7]*[4-7]\b/);
});

test('nothing is encrypted or authenticated less than it could be', () => {
  for (const setting of ['TLS_CERT', 'TLS_KEY', 'API_TOKENS_FILE', 'WORKER_TOKENS_FILE', 'MASTER_TLS_CA']) {
    expect(compose).toContain(`${setting}: /run/secrets/`);
  }
  expect(compose).toContain('REQUIRE_AUTH: "true"');
});
