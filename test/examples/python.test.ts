import { execFileSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { describeWith } from '../support/debian.ts';
import { testExampleWorker } from './example-worker.ts';

const WORKER = fileURLToPath(new URL('../../examples/python/worker.py', import.meta.url));

describeWith('python3-grpcio')('the example worker in Python', () => {
  /** Runs Python with the worker as a module and a clock of its own; what it prints is JSON. */
  function withClock(code: string): unknown {
    const clock = `
import json, sys, threading, types
sys.path.insert(0, ${JSON.stringify(dirname(WORKER))})
import worker
now = 0.0
worker.time = types.SimpleNamespace(monotonic=lambda: now, time=lambda: now)
def wait(seconds):
    global now
    now += seconds
`;
    return JSON.parse(execFileSync('/usr/bin/python3', ['-B', '-c', clock + code], { encoding: 'utf8' }));
  }

  test('measures no CPU usage over a moment, in which it sees mostly itself', () => {
    const usages = withClock(`
times = (0, 0)
worker.Machine._cpu_times = staticmethod(lambda: times)
machine, seen = worker.Machine(), []
for now, times in [(0.1, (10, 10)), (1.0, (25, 100)), (1.1, (35, 110)), (2.0, (75, 200))]:
    seen.append(machine.usages()["cpu_usage"])
print(json.dumps(seen))`);
    expect(usages).toEqual([0, 25, 25, 50]);
  });

  test('waits before its first heartbeat until there is a CPU usage', () => {
    const connectedAt = withClock(`
one = worker.Worker(worker.options_of([]))
one._stopping.wait = wait
def connect():
    one.stop()
    print(json.dumps(now))
    raise OSError(1, "no", "file")
one._channel = connect
one.run()`);
    expect(connectedAt).toBe(0.5);
  });

  test('keeps its pace, however long a heartbeat takes to make', () => {
    const gaps = withClock(`
one, sent = worker.Worker(worker.options_of([])), []
one._stopping.wait = wait
def heartbeat():
    sent.append(now)
    wait(0.125)
one._heartbeat = heartbeat
heartbeats = one._heartbeats(threading.Event())
for _ in range(4):
    next(heartbeats)
print(json.dumps([after - before for before, after in zip(sent, sent[1:])]))`);
    expect(gaps).toEqual([5, 5, 5]);
  });

  testExampleWorker(() => ({ file: '/usr/bin/python3', args: ['-B', WORKER], dashes: '--' }));
});
