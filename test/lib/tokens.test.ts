import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type API_SCOPES,
  apiTokenLine,
  bearerToken,
  hashOfToken,
  newToken,
  parseApiTokens,
  TokenTable,
} from '../../src/lib/tokens.ts';
import { workerTokenLine } from '../../src/model/identity.ts';
import { ANY_CHARACTER } from '../support/any-character.ts';

test('a token has 256 bits, can stand in a header, and never comes twice', () => {
  const tokens = Array.from({ length: 100 }, newToken);
  expect(new Set(tokens).size).toBe(100);
  for (const token of tokens) expect(token).toMatch(/^plt_[A-Za-z0-9_-]{43}$/);
  expect(hashOfToken('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
});

test('a table finds each of its tokens and nothing else', () => {
  const tokens = Array.from({ length: 50 }, newToken);
  const table = new TokenTable(tokens.map((token, i) => [hashOfToken(token), i] as const));
  expect(table.size).toBe(50);
  expect(tokens.map((token) => table.find(token))).toEqual(tokens.map((_, i) => i));
  expect(table.findHash(hashOfToken(tokens[7] as string))).toBe(7);
  for (const wrong of ['', newToken(), `${tokens[0]} `, (tokens[0] as string).slice(0, -1), 'x'.repeat(100_000)]) {
    expect(table.find(wrong)).toBeUndefined();
  }
  for (const wrong of ['', '00', hashOfToken(newToken())]) expect(table.findHash(wrong)).toBeUndefined();
});

test.each([
  ['Bearer abc', 'abc'],
  ['bearer  a.b_c ', 'a.b_c'],
  ['Bearer', undefined],
  ['Bearer ', undefined],
  ['Bearer a b', undefined],
  ['Basic abc', undefined],
  ['xBearer abc', undefined],
])('%j carries %s', (authorization, token) => expect(bearerToken(authorization)).toBe(token));

const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,20}$/);
const scopes = fc.constantFrom(['read'], ['read', 'operate']) as fc.Arbitrary<(typeof API_SCOPES)[number][]>;
/** Whole seconds of years with four digits. */
const expiresUnixMs = fc.option(
  fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) / 1000 }).map((atS) => atS * 1000),
  { nil: undefined },
);
const apiTokens = fc
  .uniqueArray(fc.record({ name, scopes, expiresUnixMs }), { selector: ({ name }) => name })
  .map((tokens) => tokens.map((token) => ({ ...token, hash: hashOfToken(token.name) })));

test('API tokens that are written as lines are read again, whatever stands between them', () => {
  fc.assert(
    fc.property(apiTokens, fc.constantFrom('\n', '\n\n', '\n# a comment\n', '  \r\n'), (tokens, between) => {
      expect(parseApiTokens(tokens.map(apiTokenLine).join(between), 'file')).toEqual(tokens);
    }),
  );
});

test('a name has one token that lasts, and others that expire', () => {
  const line = (secret: string, expiry = '') => `ops read ${expiry}sha256:${hashOfToken(secret)}`;
  const text = [line('new'), line('old', 'expires:2026-12-24 '), line('older', 'expires:2026-12-23T12:00+01:00 ')];
  expect(parseApiTokens(text.join('\n'), 'file').map((token) => token.expiresUnixMs)).toEqual([
    undefined,
    Date.UTC(2026, 11, 24),
    Date.UTC(2026, 11, 23, 11),
  ]);
});

/** The parser of lines before tokens could expire, in short. */
function parsedBefore(line: string, words: number): boolean {
  const parts = line.trim().split(/\s+/);
  return /^sha256:[0-9a-f]{64}$/.test(parts.pop() as string) && parts.length === words;
}

test('a master that knows of no expiry refuses a line that has one, and takes all others', () => {
  fc.assert(
    fc.property(apiTokens, (tokens) => {
      for (const token of tokens) {
        expect(parsedBefore(apiTokenLine(token), 2)).toBe(token.expiresUnixMs === undefined);
        const worker = workerTokenLine({ kind: 'worker', id: token.name }, token.hash, token.expiresUnixMs);
        expect(parsedBefore(worker, 1)).toBe(token.expiresUnixMs === undefined);
      }
    }),
  );
});

test('who may operate may read', () => {
  const [token] = parseApiTokens(`ops operate sha256:${hashOfToken('x')}`, 'file');
  expect(token?.scopes).toEqual(['read', 'operate']);
});

test.each([
  ['a read', 'file:3: expected "<name> <scope>'],
  [`a read sha256:${'A'.repeat(64)}`, 'file:3: expected "<name> <scope>'],
  [`a read b sha256:${'a'.repeat(64)}`, 'file:3: expected "<name> <scope>'],
  [`a write sha256:${'a'.repeat(64)}`, 'file:3: expected the scopes read or operate'],
  [`ä read sha256:${'a'.repeat(64)}`, 'file:3: expected a name'],
  [`ops read sha256:${'a'.repeat(64)}`, 'file: expected each name only once, but ops occurs twice without an expiry'],
  [
    `ops read expires:2026-12-24 sha256:${hashOfToken('x')}`,
    'file: expected each token only once, but one of ops occurs twice',
  ],
  [`a read expires:soon sha256:${'a'.repeat(64)}`, 'file:3: expected "expires:2026-12-24T18:00:00Z" before the hash'],
  [`a read expires:2026-02-30 sha256:${'a'.repeat(64)}`, 'file:3: expected "expires:'],
  [`a expires:2026-12-24 read sha256:${'a'.repeat(64)}`, 'file:3: expected "<name> <scope>'],
  [
    `b operate sha256:${hashOfToken('x')}`,
    'file: expected a different token for each name, but ops and b have the same',
  ],
])('%s is an error that names the line', (line, message) => {
  const text = `# tokens\nops read sha256:${hashOfToken('x')}\n${line}\n`;
  expect(() => parseApiTokens(text, 'file')).toThrow(message);
});

test('no text makes it fail in another way, and no error tells what stands there', () => {
  fc.assert(
    fc.property(fc.string({ unit: ANY_CHARACTER }), (text) => {
      try {
        parseApiTokens(`${text} plt_secret`, 'file');
      } catch (error) {
        expect(error).toMatchObject({ code: 'bad_setting', message: expect.not.stringContaining('plt_secret') });
      }
    }),
  );
});
