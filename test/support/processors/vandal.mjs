/**
 * A processor that replaces a builtin of its realm with each heartbeat that says so in its metrics, after it has put back
 * the one before: `kind` says by what, `target` which one. It derives two metrics from every heartbeat, and how many builtins
 * it knows. What it needs itself it has taken before.
 */
import * as asyncHooks from 'node:async_hooks';
import * as buffer from 'node:buffer';
import * as events from 'node:events';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import * as timers from 'node:timers';
import * as util from 'node:util';
import * as v8 from 'node:v8';
import * as vm from 'node:vm';
import * as workerThreads from 'node:worker_threads';

const { defineProperty, deleteProperty, getOwnPropertyDescriptor, getPrototypeOf, ownKeys } = Reflect;
const withoutPrototype = (
  (setPrototypeOf) => (/** @type {object} */ object) =>
    setPrototypeOf(object, null)
)(Object.setPrototypeOf);
const syncExports = syncBuiltinESMExports;
const require = createRequire(import.meta.url);
const MODULES = ['async_hooks', 'buffer', 'events', 'timers', 'util', 'v8', 'vm', 'worker_threads'].map((name) =>
  require(`node:${name}`),
);

/** Whatever can be reached from the globals, from Node's modules and from what the syntax makes. */
const ROOTS = [
  globalThis,
  ...MODULES,
  asyncHooks,
  buffer,
  events,
  timers,
  util,
  v8,
  vm,
  workerThreads,
  getPrototypeOf(function* () {}),
  getPrototypeOf(async () => {}),
  getPrototypeOf(async function* () {}),
  [][Symbol.iterator](),
  new Map().entries(),
  new Set().values(),
  ''[Symbol.iterator](),
  'a'.matchAll(/a/g),
  (function* () {})(),
  (async function* () {})(),
  new Int8Array(),
  Promise.resolve(),
  Buffer.alloc(0),
  workerThreads.parentPort,
  setImmediate(() => {}),
  setTimeout(() => {}, 0),
  new asyncHooks.AsyncLocalStorage(),
];

/** @typedef {{ holder: object, key: PropertyKey, before: PropertyDescriptor | undefined }} Target */
/** @type {Target[]} */
const targets = [];
const seen = new Set();
/** @param {unknown} value */
function isObject(value) {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}
const queue = ROOTS.filter(isObject);
for (let holder = queue.shift(); holder !== undefined; holder = queue.shift()) {
  if (seen.has(holder) || util.types.isProxy(holder) || util.types.isModuleNamespaceObject(holder)) continue;
  seen.add(holder);
  queue.push(...[getPrototypeOf(holder)].filter(isObject));
  for (const key of ownKeys(holder)) {
    const before = getOwnPropertyDescriptor(holder, key);
    if (before === undefined) continue;
    queue.push(...[before.value, before.get, before.set].filter(isObject));
    const isPatchable = before.configurable === true || before.writable === true;
    if (isPatchable && (typeof before.value === 'function' || before.get !== undefined))
      targets.push({ holder, key, before });
  }
}
const builtins = targets.length;

/** Names that everything then inherits: those of our messages, records and answers, and those that the language reads. */
const NAMES = [
  'reject',
  'metrics',
  'then',
  'type',
  'slot',
  'occupant',
  'memory',
  'message',
  'frames',
  'workerId',
  'cause',
  'reason',
  'value',
  'get',
  'set',
  'done',
  'next',
  'return',
  'length',
  'name',
  'toJSON',
  'toString',
  'constructor',
  'transfer',
  'signal',
  'async',
  '0',
  '1',
  'taskId',
  'status',
  'progress',
  'startedAtUnixMs',
  'gpus',
  'runningTasks',
  'external_memory',
  Symbol.iterator,
  Symbol.toPrimitive,
  Symbol.species,
  Symbol.hasInstance,
  Symbol.toStringTag,
  Symbol.isConcatSpreadable,
];
for (const holder of [
  Object.prototype,
  Array.prototype,
  Function.prototype,
  Map.prototype,
  Promise.prototype,
  String.prototype,
]) {
  for (const key of NAMES) targets.push({ holder, key, before: getOwnPropertyDescriptor(holder, key) });
}

/** By what it is replaced: something that throws, that makes no sense, that makes some, or a plain value. */
const KINDS = [
  () => {
    throw new Error('replaced');
  },
  () => 'nonsense',
  /** @this {unknown} @param {unknown} first */
  function (first) {
    return first ?? this;
  },
  'polluted',
];

/** @param {Target} target @param {number} kind */
function patch({ holder, key, before }, kind) {
  /** @type {any} */
  const by = KINDS[kind];
  const isGot = typeof by === 'function' && (before === undefined || before.get !== undefined);
  // An array's elements that are set by a function of all objects' end the lane: Node's own hooks do not stand that.
  if (isGot && (key === '0' || key === '1')) return;
  /** @type {any} */
  const replaced = isGot ? { get: by, set: by, configurable: true } : { value: by };
  if (!isGot && (before === undefined || before.configurable === true)) {
    replaced.writable = true;
    replaced.configurable = true;
  }
  try {
    defineProperty(holder, key, withoutPrototype(replaced));
    syncExports();
  } catch {
    // A few cannot be.
  }
}

/** @param {Target} target */
function putBack({ holder, key, before }) {
  if (before === undefined) deleteProperty(holder, key);
  else defineProperty(holder, key, before);
}
for (const { before } of targets) if (before !== undefined) withoutPrototype(before);

/** @type {Target | undefined} */
let patched;

/** @param {any} heartbeat */
export default function vandal(heartbeat) {
  const { metrics, cpuUsage } = heartbeat;
  if (metrics.kind !== undefined) {
    if (patched !== undefined) putBack(patched);
    patched = targets[metrics.target];
    if (patched !== undefined) patch(patched, metrics.kind);
    if (metrics.target === -2)
      for (let index = 0; index < builtins; index++) patch(/** @type {Target} */ (targets[index]), metrics.kind);
  }
  return {
    __proto__: null,
    metrics: { __proto__: null, derived: cpuUsage / 3, 'a "név"': -1.5, targets: targets.length },
  };
}
