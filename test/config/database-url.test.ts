import { userInfo } from 'node:os';
import fc from 'fast-check';
import { parse } from 'pg-connection-string';
import { expect, test } from 'vitest';
import { withCredentials } from '../../src/config/database-environment.ts';
import { databaseAddress, databaseUrl, formatDatabase } from '../../src/config/database-url.ts';

test.each([
  ['postgres://pulselane:secret@db.example:5433/fleet', 'db.example:5433/fleet'],
  ['postgresql://db.example/fleet', 'db.example:5432/fleet'],
  ['POSTGRES://db.example/fleet', 'db.example:5432/fleet'],
  ['postgres://pulselane@[::1]:5433/fleet?sslmode=verify-full', '[::1]:5433/fleet'],
  ['postgres://%2Fvar%2Frun%2Fpostgresql/fleet', '/var/run/postgresql:5432/fleet'],
  ['postgres:///fleet?host=/var/run/postgresql&port=5433', '/var/run/postgresql:5433/fleet'],
  ['postgres://pulselane@/fleet?host=/var/run/postgresql', '/var/run/postgresql:5432/fleet'],
  ['postgres:///', 'localhost:5432/'],
  ['postgres://pulselane@db.example', 'db.example:5432/pulselane'],
  ['postgres://u:p%40s%2Fs%23@db/a%20b', 'db:5432/a b'],
  ['postgres://u:se@cret@db/fleet', 'db:5432/fleet'],
])('%s is shown as %s', (text, shown) => {
  expect(databaseUrl.parse(text)).toBe(text);
  expect(formatDatabase(databaseAddress(text))).toBe(shown);
});

const SPECIAL = /in the user and the password, write \/ as %2F/;

test.each([
  ['hunter2', /^a URL such as postgres:\/\/user:password@host:5432\/database$/],
  ['hunter2@db/fleet', /^a URL such as/],
  ['mysql://u:hunter2@db/fleet', /; a URL that begins with mysql:\/\/ is not supported$/],
  ['mongodb+srv://u:hunter2@db/fleet', /; a URL that begins with mongodb\+srv:\/\/ is not supported$/],
  ['postgres://u:hunter2#x@db/fleet', SPECIAL],
  ['postgres://u:hunter2/x@db/fleet', SPECIAL],
  ['postgres://u:2/hunter2@db/fleet', SPECIAL],
  ['postgres://u:2?hunter2@db/fleet', SPECIAL],
  ['postgres://u:hunter2%@db/fleet', SPECIAL],
  ['postgres://u:hunter2%ff@db/fleet%ff', SPECIAL],
  ['postgres://u:hunter2 x@db/fleet', SPECIAL],
  ['postgres://u:hunter2@db:99999/fleet', /^a port from 1 to 65535$/],
  ['postgres://db:99999', /^a port from 1 to 65535$/],
  ['postgres://u:99999/hunter2@db/fleet', SPECIAL],
  ['postgres://u:99999?hunter2@db/fleet', SPECIAL],
  ['postgres://u:99999#hunter2@db/fleet', SPECIAL],
  ['postgres://u@db/fleet?nonsense=1', /^after the \? only host, port, user, password, sslmode, /],
  ['postgres://u:hunter2@db:0/fleet', /^a port from 1 to 65535$/],
  ['postgres://u:hunter2@db/fleet?port=x', /^a port from 1 to 65535$/],
  ['postgres://u:hunter2@a,b/fleet', /^a URL with one host; several hosts are not supported$/],
  [
    'postgres://u:hunter2@db/fleet?sslmode=allow',
    /^sslmode as one of disable, prefer, require, verify-ca, verify-full, no-verify$/,
  ],
])('%s is refused, without a word of the password', (text, expected) => {
  const refused = () => databaseUrl.parse(text);
  expect(refused).toThrow(expected);
  expect(refused).not.toThrow(/hunter2/);
});

test('the shown address is the one that the driver connects to, whatever user and password are', () => {
  const part = fc.string({ minLength: 1, unit: 'grapheme' });
  const port = fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined });
  fc.assert(
    fc.property(
      part,
      part,
      fc.domain(),
      port,
      fc.stringMatching(/^[a-z][a-z0-9_-]*$/),
      (user, password, host, port, name) => {
        const account = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`;
        const text = `postgres://${account}@${host}${port === undefined ? '' : `:${port}`}/${name}`;
        const driver = parse(text);
        expect(databaseAddress(text)).toEqual({
          user: driver.user,
          host: driver.host,
          port: Number(driver.port || 5432),
          database: driver.database,
        });
        expect(driver.password).toBe(password);
      },
    ),
  );
});

test('user and password come from the environment if the URL has none, and as the driver reads them', () => {
  const environment = { PGUSER: 'ann', PGPASSWORD: "p@s/s?w#o%r'd &=+ü" };
  const read = (url: string) => {
    const text = withCredentials(url, environment);
    databaseAddress(text);
    const { user, password } = parse(text);
    return [user, password];
  };
  const { PGUSER: user, PGPASSWORD: password } = environment;
  expect(read('postgres://db/fleet')).toEqual([user, password]);
  expect(read('postgres://bob@db/fleet?sslmode=disable')).toEqual(['bob', password]);
  expect(read('postgres://bob@/fleet?host=/tmp')).toEqual(['bob', password]);
  expect(read('postgres:///fleet?user=bob')).toEqual(['bob', password]);
  expect(read('postgres://bob:own@db/fleet')).toEqual(['bob', 'own']);
  expect(read('postgres://db/fleet?user=bob&password=own')).toEqual(['bob', 'own']);
  expect(withCredentials('postgres://bob@db', {})).toBe('postgres://bob@db');
  expect(databaseAddress(withCredentials('postgres://db', {})).user).toBe(userInfo().username);
});

test('no text makes it fail otherwise than by saying what it expects', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.webUrl(),
        fc.string().map((rest) => `postgres://${rest}`),
      ),
      (text) => {
        try {
          databaseUrl.parse(text);
        } catch (error) {
          expect((error as Error).message).toMatch(/^a (URL|port)|^sslmode as|^after the \? only/);
        }
      },
    ),
  );
});
