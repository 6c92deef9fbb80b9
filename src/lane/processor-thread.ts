/**
 * The thread of a lane with a processor. The processor is loaded and runs in the thread's main realm; the lane runs in
 * a realm of its own (realm.ts). Everything that the lane needs of the main realm is captured before foreign code is
 * loaded, as a variable or an own property, since foreign code may replace what is inherited from a prototype.
 */
import { AsyncLocalStorage, createHook } from 'node:async_hooks';
import * as buffer from 'node:buffer';
import { openSync, readSync } from 'node:fs';
import { types } from 'node:util';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { compileFunction, constants, createContext, runInNewContext } from 'node:vm';
import { receiveMessageOnPort } from 'node:worker_threads';
import { takeThreadStart } from '../lib/thread-start.ts';
import { watchAllocations } from './foreign-constructors.ts';
import { loadProcessor } from './load-processor.ts';
import type { LaneThreadData } from './messages.ts';
import type { laneIn, Outside, RealmLane } from './realm.ts';

/** realm.ts as a script, inserted by the bundler. */
declare const REALM_SCRIPT: string;

type ProcessorThreadData = LaneThreadData & {
  readonly [Name in 'processor' | 'ledger']: NonNullable<LaneThreadData[Name]>;
};

const { port, data } = takeThreadStart<ProcessorThreadData>();
keepWhatNodeUses();
const lane = newRealm().laneIn(captured());
let isLoaded = false;
// A failure before loading is a failure to start: the thread ends with the error.
const fail = (thrown: unknown) => {
  if (!isLoaded) throw thrown;
  lane.failed(thrown);
};
process.setUncaughtExceptionCaptureCallback(fail);
process.on('unhandledRejection', fail);
// The port has no listener, so this keeps the event loop alive.
port.ref();
void serveWith(data.processor.url, lane);

/** Not awaited by the module: a rejection ends the thread anyway, with a clearer message. */
async function serveWith(url: string, { begin }: RealmLane): Promise<void> {
  const processor = await loadProcessor(url);
  isLoaded = true;
  begin(processor);
}

function newRealm(): { laneIn: typeof laneIn } {
  const context = createContext(constants.DONT_CONTEXTIFY);
  const script = compileFunction(REALM_SCRIPT, ['require', 'module', 'performance'], {
    filename: 'lane/realm',
    parsingContext: context,
  });
  // Copies, since foreign code may replace exports of Node's modules.
  const { Buffer: NodeBuffer, isUtf8 } = buffer;
  const { isProxy, isPromise } = types;
  /** A constructor, called with `new`. */
  function OwnLocalStorage() {
    return withOwn(new AsyncLocalStorage(), ['run', 'getStore', 'enterWith']);
  }
  const modules: Readonly<Record<string, unknown>> = {
    'node:async_hooks': { AsyncLocalStorage: OwnLocalStorage, createHook },
    'node:fs': { openSync, readSync },
    'node:v8': { setFlagsFromString },
    'node:vm': { runInNewContext },
    'node:buffer': { Buffer: NodeBuffer, isUtf8 },
    'node:util': { types: { isProxy, isPromise } },
  };
  const module: { exports?: unknown } = {};
  const now = performance.now.bind(performance);
  script((name: string) => modules[name], module, { now });
  return module.exports as { laneIn: typeof laneIn };
}

function captured(): Outside {
  const { hrtime } = process;
  const receive = receiveMessageOnPort;
  const heapStatistics = getHeapStatistics;
  const later = setImmediate;
  const { rss } = process.memoryUsage;
  const ownPort = withOwn(port, ['postMessage']);
  return {
    bell: data.bell,
    ledger: data.ledger,
    allowance: data.allowance,
    publications: data.publications,
    applyTimes: data.applyTimes,
    lane: data.lane,
    offHeapBytes: data.processor.offHeapBytes,
    objectPrototype: Object.prototype,
    copyOf: (object) => ({ ...object }),
    arrayPrototype: Array.prototype,
    post: (message) => ownPort.postMessage(message),
    receive: () => receive(ownPort),
    later: (turn) => {
      later(turn);
    },
    residentBytes: () => rss(),
    hrtime: () => hrtime(),
    watchAllocations: (note, noteExports) => watchAllocations({ note, noteExports }),
    externalBytes: () => heapStatistics().external_memory,
  };
}

/** Copies the named methods from the object's prototype to the object itself. */
function withOwn<T extends object>(object: T, names: readonly (keyof T)[]): T {
  for (const name of names) Object.defineProperty(object, name, { value: object[name] });
  return object;
}

/**
 * Node's internal code tolerates replaced builtins, with two exceptions that run here: AsyncLocalStorage copies maps,
 * and async hooks use an array as a stack of resources. Replacing these two methods throws a TypeError.
 */
function keepWhatNodeUses(): void {
  keep(Object.getPrototypeOf(new Map().entries()), 'next');
  keep(Array.prototype, 'pop');
}

function keep(prototype: object, name: string): void {
  Object.defineProperty(prototype, name, { writable: false, configurable: false });
}
