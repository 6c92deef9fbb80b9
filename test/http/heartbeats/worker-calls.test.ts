/** Calls of workers reach main together, and always get an answer. */
import { expect, test } from 'vitest';
import { WorkerCallTurns } from '../../../src/http/heartbeats/worker-call-turns.ts';
import {
  callsOf,
  type SentCall,
  WorkerCalls,
  type WorkerCallsMessage,
} from '../../../src/http/heartbeats/worker-calls.ts';
import { COMMAND_WITHIN_MS, MAX_WORKER_CALLS, WORKER_CALLS_TURN_MS } from '../../../src/http/http-limits.ts';
import { silentLogger } from '../../../src/lib/logging.ts';
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

test('what a stuck main has not answered counts on after its time-out', async () => {
  const { calls, clock } = newCalls(100);
  const late = calls.run(heartbeats(60));
  await turn();
  clock.advance(COMMAND_WITHIN_MS);
  expect(await late).toMatchObject({ code: 'unavailable' });
  expect(() => calls.run(heartbeats(41))).toThrow('too many');
  calls.answered({ id: 1, answers: [accepted(1)] });
  void calls.run(heartbeats(41));
});

test('main answers calls in their order, for a bounded time in each turn, and an error ends only its own call', async () => {
  const clock = new FakeClock();
  const done: string[] = [];
  /** In `unread` steps; each takes as long as a turn may. */
  function* answering(call: RelayedCall): Generator<void, RelayedAnswer> {
    if (call.type === 'farewell') throw new Error('a bug');
    for (let step = 0; step < call.unread; step++) {
      clock.advance(WORKER_CALLS_TURN_MS);
      done.push(`step ${call.tooLarge}`);
      yield;
    }
    return accepted(call.tooLarge);
  }
  const turns = new WorkerCallTurns({ answering, clock, logger: silentLogger });
  const call = (tooLarge: number, unread: number) => ({ ...heartbeats(0), tooLarge, unread, length: 0 }) as SentCall;
  const farewell: RelayedCall = { type: 'farewell', caller: { address: '' }, workerId: 'a', instanceId: '' };
  const take = (id: number, calls: SentCall[]) =>
    turns.take({ id, calls, bytes: new Uint8Array() }, (answers) => done.push(`${id}: ${JSON.stringify(answers)}`));
  take(1, [call(1, 2), farewell]);
  take(2, [call(2, 1)]);
  take(3, []);
  const after: string[][] = [];
  for (let turns = 0; turns < 4; turns++) {
    await turn();
    after.push(done.splice(0));
  }
  const failed = { type: 'refused', code: 'internal', detail: 'internal error' };
  expect(after).toEqual([
    ['step 1'],
    ['step 1'],
    [`1: ${JSON.stringify([accepted(1), failed])}`, 'step 2'],
    [`2: ${JSON.stringify([accepted(2)])}`, '3: []'],
  ]);
});
