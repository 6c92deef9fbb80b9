/** Calls of workers reach main together, and always get an answer. */
import { expect, test } from 'vitest';
import { callsOf, WorkerCalls, type WorkerCallsMessage } from '../../../src/http/heartbeats/worker-calls.ts';
import { COMMAND_WITHIN_MS, MAX_WORKER_CALLS } from '../../../src/http/http-limits.ts';
import type { RelayedAnswer, RelayedCall } from '../../../src/rpc/relayed-calls.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

function newCalls(maxBytes = 1000) {
  const clock = new FakeClock();
  const sent: WorkerCallsMessage[] = [];
  return { clock, sent, calls: new WorkerCalls(clock, maxBytes, (message) => sent.push(message)) };
}

function heartbeats(bytes = 10): RelayedCall {
  return {
    type: 'heartbeats',
    caller: { address: '' },
    intervalMs: 0,
    bytes: new Uint8Array(bytes),
    ends: [],
    unread: 0,
    tooLarge: 0,
  };
}

const accepted = (count: number): RelayedAnswer => ({ type: 'heartbeats', accepted: count, notes: [] });

test('what comes in one turn goes as one message, and each gets its own answer', async () => {
  const { calls, sent } = newCalls();
  const answers = [calls.run(heartbeats()), calls.run(heartbeats()), calls.run(heartbeats())];
  expect(sent).toEqual([]);
  await turn();
  expect(sent.map((message) => message.calls.length)).toEqual([3]);
  const later = calls.run(heartbeats());
  await turn();
  expect(sent.map(({ id }) => id)).toEqual([1, 2]);
  calls.answered({ id: 2, answers: [accepted(4)] });
  calls.answered({ id: 1, answers: [accepted(1), accepted(2), accepted(3)] });
  expect(await Promise.all([...answers, later])).toEqual([1, 2, 3, 4].map(accepted));
});

test('a main that does not answer is unavailable, and a late answer is nothing', async () => {
  const { calls, clock } = newCalls();
  const answer = calls.run(heartbeats());
  await turn();
  clock.advance(COMMAND_WITHIN_MS);
  expect(await answer).toMatchObject({ type: 'refused', code: 'unavailable' });
  calls.answered({ id: 1, answers: [accepted(1)] });
  calls.answered({ id: 7, answers: [] });
});

test('the bytes of all calls go together, and come apart again', async () => {
  const { calls, sent } = newCalls();
  const farewell: RelayedCall = { type: 'farewell', caller: { address: '' }, workerId: 'a', instanceId: '' };
  const given = [heartbeats(3), farewell, heartbeats(0), heartbeats(5)].map((call, index) =>
    call.type === 'farewell' ? call : { ...call, bytes: call.bytes.map((_, at) => 10 * index + at) },
  );
  for (const call of given) void calls.run(call);
  await turn();
  expect(callsOf(sent[0] as WorkerCallsMessage)).toEqual(given);
});

test('what waits is limited in number and in bytes, until it is answered', async () => {
  const { calls, sent } = newCalls(100);
  const first = calls.run(heartbeats(60));
  expect(() => calls.run(heartbeats(41))).toThrow('too many heartbeats are waiting for the master');
  void calls.run(heartbeats(40));
  await turn();
  expect(() => calls.run(heartbeats(1))).toThrow('too many');
  calls.answered({ id: 1, answers: [accepted(1), accepted(1)] });
  await first;
  for (let n = 0; n < MAX_WORKER_CALLS; n++) void calls.run(heartbeats(0));
  expect(() => calls.run(heartbeats(0))).toThrow('too many');
  await turn();
  expect(sent[1]?.calls.length).toBe(MAX_WORKER_CALLS);
});
