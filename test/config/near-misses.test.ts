import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nearMisses, slipsBetween } from '../../src/config/near-misses.ts';
import { agentOptions, clientOptions, masterOptions } from '../../src/config/options.ts';

const known = new Set([agentOptions, clientOptions].flatMap((table) => Object.values(table).map(({ env }) => env)));
const missesOf = (...names: string[]) => {
  const dotenv = Object.fromEntries(names.map((name) => [name, 'x']));
  return nearMisses(masterOptions, known, { environment: {}, dotenv });
};

test.each([
  ['API_TOKEN_FILE', 'API_TOKENS_FILE'],
  ['WORKER_TOKENS_FLIE', 'WORKER_TOKENS_FILE'],
  ['TLS_CLIENTCA', 'TLS_CLIENT_CA'],
  ['TLS_CRT', 'TLS_CERT'],
  ['REQUIRE_AUTHH', 'REQUIRE_AUTH'],
  ['http_port', 'HTTP_PORT'],
])('%s is nearly %s', (given, meant) => {
  expect(missesOf(given)).toEqual([`${given} (in .env) is not a setting and is ignored; did you mean ${meant}?`]);
});

test('does not warn of settings, or of variables of other commands and programs', () => {
  expect(missesOf(...Object.values(masterOptions).map(({ env }) => env), ...known)).toEqual([]);
  const others = [
    'MONGODB_USERNAME',
    'MONGODB_PASSWORD',
    'MONGODB_URI',
    'FRONTEND_URL',
    'FILE_STORAGE_DIR',
    'JWT_SECRET',
  ];
  expect(missesOf(...others, 'PATH', 'HTTP_PROXY', 'SMTP_PORT', 'HTTP_HOST', 'WORKER_IP', 'SSL_CERT', 'PORT')).toEqual(
    [],
  );
  expect(nearMisses(masterOptions, known, { environment: { TLS_CRT: 'x' }, dotenv: {} })).toEqual([
    'TLS_CRT (in the environment) is not a setting and is ignored; did you mean TLS_CERT?',
  ]);
});

test('slips are counted', () => {
  const name = fc.string({ unit: fc.constantFrom('A', 'B', '_'), maxLength: 12 });
  fc.assert(
    fc.property(name, name, fc.nat(11), (a, b, at) => {
      expect(slipsBetween(a, a)).toBe(0);
      expect(slipsBetween(a, b)).toBe(slipsBetween(b, a));
      expect(slipsBetween(a, b) === 0).toBe(a === b);
      expect(slipsBetween(a, `${a.slice(0, at)}C${a.slice(at)}`)).toBe(1);
      expect(slipsBetween(`${a}CD${b}`, `${a}DC${b}`)).toBe(1);
      expect(slipsBetween(`${a}C${b}`, `${a}D${b}`)).toBe(2);
    }),
  );
});
