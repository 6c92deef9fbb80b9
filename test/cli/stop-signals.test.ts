import { afterEach, expect, test } from 'vitest';
import { StopSignals } from '../../src/cli/stop-signals.ts';
import { FakeClock } from '../support/fake-clock.ts';

afterEach(() => {
  process.removeAllListeners('SIGTERM');
  process.removeAllListeners('SIGINT');
});

/** Delivers as the system would, without ending the test's own process. */
const deliver = (signal: 'SIGINT' | 'SIGTERM') => process.emit(signal, signal);

test('the first signal asks for an end, a second one makes it', async () => {
  const exits: number[] = [];
  const clock = new FakeClock();
  const signals = new StopSignals((code) => exits.push(code), clock);
  const first = signals.first();
  deliver('SIGTERM');
  expect(await first).toBe('SIGTERM');
  expect(exits).toEqual([]);
  clock.advance(1000);
  deliver('SIGINT');
  expect(exits).toEqual([130]);
});

test('one wish that comes twice, directly and through npm, is one', () => {
  const exits: number[] = [];
  const clock = new FakeClock();
  void new StopSignals((code) => exits.push(code), clock).first();
  deliver('SIGTERM');
  clock.advance(50);
  deliver('SIGTERM');
  expect(exits).toEqual([]);
});

test('an internal error asks for an end, and is no signal', async () => {
  const crashed = new StopSignals(() => {}, new FakeClock());
  expect(crashed.crashed()).toBe(false);
  const signals = new StopSignals(() => {}, new FakeClock());
  const [cause, signal] = [signals.first(), signals.firstSignal()];
  expect(signals.crashed()).toBe(true);
  expect([await cause, await signal]).toEqual(['an internal error', undefined]);
  const ended = new StopSignals(() => {}, new FakeClock());
  const first = ended.firstSignal();
  deliver('SIGINT');
  expect(await first).toBe('SIGINT');
});

test('after an end asked for at the prompt, already the first signal makes it', () => {
  const exits: number[] = [];
  const signals = new StopSignals((code) => exits.push(code), new FakeClock());
  void signals.first();
  signals.stopping();
  deliver('SIGTERM');
  expect(exits).toEqual([143]);
});
