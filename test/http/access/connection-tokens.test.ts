import { Socket } from 'node:net';
import { expect, test } from 'vitest';
import { ConnectionTokens } from '../../../src/http/access/connection-tokens.ts';
import type { Timer } from '../../../src/lib/clock.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const DAY_MS = 24 * 3_600_000;

class WatchedClock extends FakeClock {
  longestMs = 0;
  shiftMs = 0;

  override wallMs(): number {
    return super.wallMs() + this.shiftMs;
  }

  override after(delayMs: number, fn: () => void): Timer {
    this.longestMs = Math.max(this.longestMs, delayMs);
    return super.after(delayMs, fn);
  }
}

function hold(expiresInMs: number | undefined, sessionInS?: number) {
  const clock = new WatchedClock(0);
  const ends: string[] = [];
  const tokens = new ConnectionTokens(clock, (_, end) => ends.push(end));
  const session = sessionInS === undefined ? undefined : { name: 'a', expiresUnixS: sessionInS };
  const socket = new Socket();
  tokens.note(socket, { hash: 'h', expiresUnixMs: expiresInMs, session });
  return { clock, tokens, ends, socket };
}

test('a connection is told of the end of its token, however far that is, by timers that Node can keep', () => {
  const { clock, ends } = hold(60 * DAY_MS);
  clock.advance(60 * DAY_MS - 1);
  expect(ends).toEqual([]);
  clock.advance(1);
  expect(ends).toEqual(['token_expired']);
  expect(clock.longestMs).toBeLessThan(2 ** 31);
});

test('what ends first is told: the session or its token', () => {
  for (const [expiresInMs, sessionInS, end] of [
    [5000, 10, 'token_expired'],
    [20_000, 10, 'session_over'],
    [undefined, 10, 'session_over'],
  ] as const) {
    const { clock, ends } = hold(expiresInMs, sessionInS);
    clock.advance(60_000);
    expect(ends).toEqual([end]);
  }
});

test('an expiry that is set, moved or taken away later holds; a closed connection is forgotten', () => {
  const { clock, tokens, ends, socket } = hold(undefined);
  tokens.setTokens(new Map([['h', 5000]]));
  tokens.setTokens(new Map([['h', 8000]]));
  clock.advance(7999);
  expect(ends).toEqual([]);
  tokens.setTokens(new Map([['h', undefined]]));
  clock.advance(DAY_MS);
  expect([ends, clock.pending]).toEqual([[], 0]);
  expect(tokens.setTokens(new Map())).toEqual([socket]);
  tokens.setTokens(new Map([['h', 2 * DAY_MS]]));
  socket.emit('close');
  expect([tokens.size, clock.pending]).toEqual([0, 0]);
});

test('a wall clock that is set forward ends it within a minute', () => {
  const { clock, ends } = hold(10 * DAY_MS);
  clock.shiftMs = 11 * DAY_MS;
  clock.advance(60_000);
  expect(ends).toEqual(['token_expired']);
});
