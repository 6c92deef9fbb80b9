import { expect, test } from 'vitest';
import {
  EXPIRY_LOOK_EVERY_MS,
  EXPIRY_WARNING_MS,
  ExpiryWatch,
  watchedApiTokens,
  watchedWorkerTokens,
} from '../../src/app/expiry-watch.ts';
import { hashOfToken } from '../../src/lib/tokens.ts';
import { tokenOf } from '../../src/model/identity.ts';
import { FakeClock } from '../support/fake-clock.ts';

const NOW_UNIX_MS = Date.parse('2026-11-26T12:00:00Z');
const DAY_MS = 24 * 3_600_000;

/** A clock whose wall can be set. */
class SettableClock extends FakeClock {
  shiftMs = 0;

  override wallMs(): number {
    return super.wallMs() + this.shiftMs;
  }
}

function start() {
  const clock = new SettableClock(NOW_UNIX_MS);
  const lines: string[] = [];
  let ends = 0;
  const logger = { warn: (line: string) => void lines.push(line) };
  const watch = new ExpiryWatch({ clock, logger: logger as never, onExpired: () => ends++ });
  watch.start();
  return { clock, watch, told: () => lines.splice(0), ends: () => ends };
}

function worker(id: string, secret: string, expiresUnixMs?: number) {
  return tokenOf(hashOfToken(secret), [{ kind: 'worker', id }], expiresUnixMs);
}

test('a token is told of a week before it expires, and when it has, once each', () => {
  const { clock, watch, told, ends } = start();
  const expiresUnixMs = NOW_UNIX_MS + 30 * DAY_MS;
  watch.set('workers', watchedWorkerTokens([worker('a', 'x', expiresUnixMs), worker('b', 'y')]));
  clock.advance(30 * DAY_MS - EXPIRY_WARNING_MS - 1000);
  expect(told()).toEqual([]);
  clock.advance(1000);
  expect(told()).toEqual([
    'tokens expire within 7 days: the token of a (2026-12-26T12:00:00Z); "pulselane token rotate" makes new ones',
  ]);
  clock.advance(EXPIRY_WARNING_MS - 1000);
  expect([told(), ends()]).toEqual([[], 0]);
  clock.advance(1000);
  expect([told(), ends()]).toEqual([['tokens have expired: the token of a (2026-12-26T12:00:00Z)'], 1]);
  // The same file, read again.
  watch.set('workers', watchedWorkerTokens([worker('a', 'x', expiresUnixMs), worker('b', 'y')]));
  clock.advance(DAY_MS);
  expect([told(), ends()]).toEqual([[], 1]);
});

test('one that another takes the place of is told of only when it has expired', () => {
  const { clock, watch, told } = start();
  watch.set(
    'API',
    watchedApiTokens([
      { name: 'ops', scopes: ['read'], hash: hashOfToken('old'), expiresUnixMs: NOW_UNIX_MS + 3_600_000 },
      { name: 'ops', scopes: ['read'], hash: hashOfToken('new') },
    ]),
  );
  expect(told()).toEqual([]);
  clock.advance(3_600_000);
  expect(told()).toEqual(['tokens have expired: the API token ops (2026-11-26T13:00:00Z)']);
});

test('many that expire together are one line', () => {
  const { watch, told } = start();
  const tokens = Array.from({ length: 1000 }, (_, n) => worker(`w${n}`, `${n}`, NOW_UNIX_MS));
  watch.set('workers', watchedWorkerTokens(tokens));
  const [line, ...others] = told();
  expect(others).toEqual([]);
  expect(line).toMatch(/^tokens have expired: the token of w0 \([^)]+\), .* and 995 more$/);
});

test('a clock that is set forward or back is followed', () => {
  const { clock, watch, told, ends } = start();
  watch.set('workers', watchedWorkerTokens([worker('a', 'x', NOW_UNIX_MS + 30 * DAY_MS)]));
  clock.shiftMs = 31 * DAY_MS;
  clock.advance(EXPIRY_LOOK_EVERY_MS);
  expect([told().length, ends()]).toEqual([1, 1]);
  clock.shiftMs = 0;
  clock.advance(EXPIRY_LOOK_EVERY_MS);
  expect([told(), ends()]).toEqual([[], 1]);
  clock.shiftMs = 31 * DAY_MS;
  clock.advance(EXPIRY_LOOK_EVERY_MS);
  expect([told().length, ends()]).toEqual([1, 2]);
});
