/**
 * A processor that does harm with its time, or later than it was asked to, as the first task's id of a heartbeat says; and
 * nothing for any other.
 */
import { readFile } from 'node:fs';
import process from 'node:process';
import { parentPort } from 'node:worker_threads';

/** @type {string[]} */
const queue = [];
/** Whatever loops here was begun for nobody. */
setInterval(() => {
  for (const item of queue.splice(0)) while (item === 'poison');
}, 5);

function forEver() {
  for (;;);
}

/** @param {number} ms */
function busy(ms) {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** @type {Record<string, () => unknown>} */
const acts = {
  'busy for long': () => busy(250),
  'sleep for long': () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 250),
  'busy in timers': () => void setTimeout(() => busy(250), 1),
  'endless promises': () =>
    void (async () => {
      for (;;) await undefined;
    })(),
  'endless microtasks': () => {
    const again = () => queueMicrotask(again);
    again();
  },
  'endless ticks': () => {
    const again = () => process.nextTick(again);
    again();
  },
  'loop in a timer': () => void setTimeout(forEver, 1),
  'loop in an immediate': () => void setImmediate(forEver),
  'loop in an answer': () => readFile('/proc/self/stat', forEver),
  'exit later': () => void setTimeout(() => process.exit(0), 1),
  'really exit later': () => void setTimeout(() => /** @type {any} */ (process).reallyExit(0), 1),
  'close the port': () => parentPort?.close(),
  'remove all listeners': () => {
    parentPort?.removeAllListeners();
    process.removeAllListeners();
    setTimeout(() => {
      throw new Error('nobody listens');
    }, 1);
  },
  'put it into a queue': () => void queue.push('poison'),
};

/** @param {any} heartbeat */
export default function late(heartbeat) {
  acts[heartbeat.runningTasks[0]?.taskId]?.();
}
