/** A processor that does what the first task's id of a heartbeat says, and nothing for any other. */
import { execFileSync } from 'node:child_process';
import { parentPort, workerData } from 'node:worker_threads';

/** @type {unknown[]} */
const kept = [];

/** @type {Record<string, (heartbeat: any) => unknown>} */
const acts = {
  throw() {
    throw new Error('as the heartbeat says');
  },
  'reject later'() {
    Promise.reject(new Error('a promise that nobody awaits'));
  },
  'throw later'() {
    setTimeout(() => {
      throw new Error('a timer');
    }, 1);
  },
  loop() {
    for (;;);
  },
  exit() {
    process.exit(3);
  },
  'leak heap'() {
    for (;;) kept.push({ a: kept.length, b: `b${kept.length}` });
  },
  'leak heap slowly'() {
    for (let i = 0; i < 20_000; i++) kept.push({ a: i, b: `b${i}` });
  },
  'leak buffers'() {
    for (;;) kept.push(Buffer.alloc(1024 ** 2, 1));
  },
  'leak buffers slowly'() {
    kept.push(Buffer.alloc(4 * 1024 ** 2, 1));
  },
  'wait in the system'() {
    execFileSync('sleep', ['5']);
  },
  'wait in the system for long'() {
    execFileSync('sleep', ['8']);
  },
  'end the process'() {
    process.kill(process.pid, 'SIGKILL');
  },
  'allocate far too much'() {
    kept.push('x'.repeat(2 ** 27).split(''));
  },
  'speak for the lane'() {
    const memory = new SharedArrayBuffer(2 ** 20);
    const crash = { type: 'failed', cause: 'crash', reason: 'forged' };
    for (let row = 0; row < 12; row++) {
      parentPort?.postMessage({ type: 'grown', slot: row, occupant: 1, memory });
      parentPort?.postMessage({ type: 'left', slot: row });
      parentPort?.postMessage({ ...crash, slot: row, occupant: 1 });
    }
    for (const nonsense of [null, undefined, 0, 'ready', {}, [], { type: 'toString' }])
      parentPort?.postMessage(nonsense);
    return { metrics: { found: Reflect.ownKeys(workerData).length } };
  },
  derive: ({ cpuUsage, memoryUsage }) => ({ metrics: { load: cpuUsage + memoryUsage } }),
  'derive nonsense': () => ({ metrics: { load: Number.NaN } }),
  'derive a text': () => ({ metrics: 'much' }),
  'answer later': async () => ({ metrics: {} }),
  'answer a number': () => 5,
  reject: ({ workerId }) => ({ reject: `${workerId} is not wanted` }),
  'change it'(heartbeat) {
    heartbeat.cpuUsage = 99;
    heartbeat.runningTasks[0].taskId = 'changed';
    heartbeat.metrics.load = 99;
  },
};

/** @param {any} heartbeat */
export default function faulty(heartbeat) {
  return acts[heartbeat.runningTasks[0]?.taskId]?.(heartbeat);
}
