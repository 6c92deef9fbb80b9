/** A live client that cannot be served fails with each look: the log has a line now and then, and others are served. */
import { expect, it } from 'vitest';
import { POLL_MS, SERVE_FAILURES_LOG_MS } from '../../src/http/http-limits.ts';
import type { LiveSocket } from '../../src/http/live/socket-client.ts';
import { newApp } from './support.ts';

function socketOf(send: () => void): LiveSocket {
  return { bufferedAmount: 0, send, ping() {}, close() {}, terminate() {}, on() {} };
}

it('says at once that a client could not be served, then now and then how often', () => {
  const { clock, fleet, live, logged } = newApp();
  fleet.register('a');
  let served = 0;
  live.add(
    socketOf(() => {
      throw new Error('no such socket');
    }),
    undefined,
  );
  live.add(
    socketOf(() => served++),
    undefined,
  );
  const failures = () => logged.filter((line) => line.includes('could not be served'));
  const looks = 3 * Math.ceil(SERVE_FAILURES_LOG_MS / POLL_MS);
  for (let look = 0; look < looks; look++) {
    fleet.beat('a');
    clock.advance(POLL_MS);
  }
  expect(served).toBe(1 + looks);
  expect(failures()).toHaveLength(4);
  expect(failures()[0]).toMatch(/^error .*\(WebSocket\) could not be served: no such socket$/);
  expect(failures()[1]).toContain(`served (${looks / 3} times since the last such line): `);
  live.stop();
});
