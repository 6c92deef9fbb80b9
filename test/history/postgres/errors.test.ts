import { expect, test } from 'vitest';
import { historyErrorOf } from '../../../src/history/postgres/errors.ts';

const fromServer = (code: string, message = 'it says so') =>
  Object.assign(new Error(message), { code, severity: 'ERROR' });
const fromNode = (code: string, message: string = code) => Object.assign(new Error(message), { code });

test.each([
  ['53100', 'full'],
  ['25006', 'read_only'],
  ['28P01', 'refused'],
  ['28000', 'refused'],
  ['3D000', 'refused'],
  ['42501', 'refused'],
  ['55P03', 'busy'],
  ['57014', 'busy'],
  ['40P01', 'busy'],
  ['57P01', 'away'],
  ['57P03', 'away'],
  ['53300', 'away'],
  ['08006', 'away'],
  ['XX001', 'damaged'],
  ['23514', 'failed'],
  ['22P02', 'failed'],
  ['42P01', 'refused'],
  ['42703', 'refused'],
  ['53200', 'away'],
  ['58030', 'away'],
  ['XX000', 'away'],
])('SQLSTATE %s means %s', (code, kind) => {
  const error = historyErrorOf(fromServer(code), 'db:5432/fleet', undefined);
  expect(error).toMatchObject({ kind, message: 'PostgreSQL at db:5432/fleet: it says so' });
});

test.each([
  [fromNode('ECONNREFUSED'), 'away'],
  [fromNode('ENOTFOUND', 'getaddrinfo ENOTFOUND db'), 'away'],
  [new Error('Connection terminated unexpectedly'), 'away'],
  [new Error('timeout expired'), 'away'],
  [
    Object.assign(new AggregateError([fromNode('ECONNREFUSED'), fromNode('EHOSTUNREACH')]), { code: 'ECONNREFUSED' }),
    'away',
  ],
  [fromNode('DEPTH_ZERO_SELF_SIGNED_CERT', 'self-signed certificate'), 'refused'],
  [fromNode('EACCES', 'connect EACCES /run/.s.PGSQL.5432'), 'refused'],
  [new RangeError('Invalid time value'), 'failed'],
])('%s means %s', (cause, kind) => {
  expect(historyErrorOf(cause, 'db:5432/fleet', undefined).kind).toBe(kind);
});

test('a password is masked where the text is cut, too', () => {
  const cause = fromServer('XX000', `${'x'.repeat(297)}hunter2`);
  expect(historyErrorOf(cause, 'db:5432/fleet', 'hunter2').message).not.toContain('hun');
});

test('nothing of it contains the password, and no line is long', () => {
  const cause = fromServer('XX000', `cannot use hunter2 ${'x'.repeat(10_000)}`);
  const error = historyErrorOf(Object.assign(cause, { detail: 'hunter2' }), 'db:5432/fleet', 'hunter2');
  expect(error.message).toMatch(/: cannot use \*{8} x+$/);
  expect(error.message.length).toBeLessThan(400);
  expect(JSON.stringify({ ...error, cause: error.cause })).not.toContain('hunter2');
});
