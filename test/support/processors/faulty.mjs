/** A processor that does what the first task's id of a heartbeat says, and nothing for any other. */
import { execFileSync } from 'node:child_process';
import { parentPort, workerData } from 'node:worker_threads';

/** @type {unknown[]} */
const kept = [];
/** @type {(() => void) | undefined} */
let unseen;

/** Of a memory that is no export: 4 MiB more of it with each call, written to. */
function newUnseen() {
  // (module (memory 0) (func (export "f") (memory.fill (i32.shl (memory.grow (i32.const 64)) (i32.const 16))
  //   (i32.const 1) (i32.const 0x400000))))
  const bytes = [
    [0, 97, 115, 109, 1, 0, 0, 0],
    [1, 4, 1, 96, 0, 0],
    [3, 2, 1, 0],
    [5, 3, 1, 0, 0],
    [7, 5, 1, 1, 102, 0, 0],
    [10, 22, 1, 20, 0, 0x41, 0xc0, 0, 0x40, 0, 0x41, 16, 0x74, 0x41, 1, 0x41, 0x80, 0x80, 0x80, 2, 0xfc, 11, 0, 0x0b],
  ].flat();
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(bytes)));
  return /** @type {{ f: () => void }} */ (exports).f;
}

/** Node's types know nothing of its memory. @type {any} */
const { WebAssembly } = globalThis;

/** @returns {never} */
function forEver() {
  for (;;);
}

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
  'throw 20 MB'() {
    throw new Error('x'.repeat(20_000_000));
  },
  'throw what has no text'() {
    throw {
      get message() {
        for (;;);
      },
      toString() {
        for (;;);
      },
    };
  },
  'answer and throw': () => ({
    get metrics() {
      throw new Error('a getter of the answer');
    },
  }),
  'answer and loop': () => new Proxy({}, { has: forEver, getOwnPropertyDescriptor: forEver }),
  'inherit an answer': () => Object.create({ metrics: { load: 1 }, reject: 'inherited' }),
  'answer a thenable': () => Object.create(Object.create({ ['th' + 'en']: () => {} })),
  'reject at length': () => ({ reject: 'é'.repeat(10_000_000) }),
  'derive long names': () => ({ metrics: { ['n'.repeat(262_145)]: 1 } }),
  'derive names of any length up to the bound': () => ({ metrics: { ['n'.repeat(262_144)]: 1 } }),
  'derive too many': () => ({ metrics: Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [i, 1])) }),
  loop: forEver,
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
  'take WebAssembly memory'() {
    kept.push(new WebAssembly.Memory({ initial: 128, maximum: 128 }));
  },
  'grow WebAssembly memory'() {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 65_536 });
    kept.push(memory);
    for (;;) memory.grow(64);
  },
  'grow the memory of a module'() {
    // (module (memory (export "m") 128))
    const bytes = [0, 97, 115, 109, 1, 0, 0, 0, 5, 4, 1, 0, 128, 1, 7, 5, 1, 1, 109, 2, 0];
    kept.push(new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(bytes))));
  },
  'grow memory that nobody sees'() {
    unseen ??= newUnseen();
    unseen();
  },
  'take shared memory'() {
    kept.push(new SharedArrayBuffer(8 * 1024 ** 2));
  },
  'grow shared memory'() {
    const memory = new SharedArrayBuffer(1024, { maxByteLength: 1024 ** 3 });
    kept.push(memory);
    for (;;) memory.grow(memory.byteLength + 4 * 1024 ** 2);
  },
  'take and drop shared memory'() {
    for (let i = 0; i < 40; i++) new SharedArrayBuffer(1024 ** 2).slice(0);
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
