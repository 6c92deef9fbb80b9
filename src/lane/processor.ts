/**
 * Runs a custom processor in its lane: the operator's code, called with each heartbeat, which may derive metrics or
 * reject it. The code is trusted but may have bugs: whatever it throws, now or asynchronously, ends only this lane, and
 * is charged to the worker for whom it ran.
 *
 * Processor and lane run in two realms (realm.ts). The processor gets copies that are objects of its own realm. Of its
 * answer, only own properties are read. Reading them may run its code (getters, proxies), so it counts as running it.
 */
import { types } from 'node:util';
import { messageOf } from '../lib/errors.ts';
import { shortText } from '../lib/foreign-text.ts';
import { kindOf } from '../lib/kind-of.ts';
import type { FaultCause } from '../model/lanes.ts';
import type { HeartbeatProcessor, ProcessedHeartbeat } from '../model/processor.ts';
import type { Account, Owner } from './account.ts';
import type { DecodedHeartbeat } from './decode.ts';

/** A failure of the processor, and the worker for whom it ran. */
export interface Fault<O extends Owner> {
  readonly cause: FaultCause;
  readonly reason: string;
  /** Undefined if unknown. */
  readonly owner: O | undefined;
}

/** The realm in which the processor runs. */
export interface ForeignRealm {
  readonly objectPrototype: object;
  /** Returns a shallow copy that is an object of that realm. */
  copyOf<T extends object>(object: T): T;
  readonly arrayPrototype: object;
}

export interface ProcessorHostOptions<O extends Owner> {
  readonly realm: ForeignRealm;
  /** Tracks for whom the processor runs, including asynchronous work. */
  readonly account: Account<O>;
  /** Checks the memory outside the heap after each answer. */
  readonly offHeap: { check(): void };
  /** Reports the fault and ends the thread. */
  readonly onFault: (fault: Fault<O>) => never;
}

/** Derived metrics; a string says why the heartbeat is rejected; undefined: neither. */
export type ProcessorReply = readonly (readonly [name: string, value: number])[] | string | undefined;

/** Metric names of any length are cut to this in messages. */
const SHOWN_NAME_LENGTH = 64;
/**
 * Maximum number of derived metrics per heartbeat. As many as a heartbeat itself may have would let one answer fill the
 * heap.
 */
const MAX_DERIVED_METRICS = 10_000;
/**
 * Maximum total size of the derived names of one heartbeat, in UTF-8: 26 bytes per metric at the maximum number. The
 * names are in the worker's record, twice in shared memory, and in every answer that includes it. The largest heartbeat
 * holds at most 16 times as much.
 */
const MAX_DERIVED_NAME_BYTES = 256 * 1024;
/** Maximum length of the prototype chain of an answer; real ones are far shorter. */
const MAX_PROTOTYPES = 16;

export class ProcessorHost<O extends Owner> {
  readonly #options: ProcessorHostOptions<O>;

  constructor(options: ProcessorHostOptions<O>) {
    this.#options = options;
  }

  /** Handles an uncaught exception or an unhandled rejection. */
  failed(thrown: unknown): never {
    return this.#threw(thrown, this.#options.account.owner);
  }

  /**
   * Runs the processor and adds its derived metrics to the heartbeat.
   * @returns why the heartbeat is rejected; undefined if it is not
   */
  run(processor: HeartbeatProcessor, heartbeat: DecodedHeartbeat, owner: O): string | undefined {
    const { realm, account, offHeap } = this.#options;
    const work = (processed: ProcessedHeartbeat) => {
      const answer = answerIn(processor(processed), realm.objectPrototype);
      offHeap.check();
      return answer;
    };
    let answer: ProcessorReply;
    try {
      answer = account.run(owner, work, processedOf(heartbeat, realm));
    } catch (error) {
      this.#threw(error, owner);
    }
    if (answer === undefined || typeof answer === 'string') return answer;
    for (const [name, value] of answer) heartbeat.metrics.set(name, value);
    return undefined;
  }

  #threw(thrown: unknown, owner: O | undefined): never {
    return this.#options.onFault({ cause: 'crash', reason: `the processor threw: ${messageOf(thrown)}`, owner });
  }
}

/**
 * Copies the heartbeat into the processor's realm, so that changes to the copy or its prototypes affect nothing else.
 */
function processedOf(
  heartbeat: DecodedHeartbeat,
  realm: Pick<ForeignRealm, 'copyOf' | 'arrayPrototype'>,
): ProcessedHeartbeat {
  const { metrics, runningTasks, endedTasks, gpus, ...scalars } = heartbeat;
  const copies = <T extends object>(items: readonly T[]): T[] =>
    Object.setPrototypeOf(
      items.map((item) => realm.copyOf(item)),
      realm.arrayPrototype,
    );
  const named: Record<string, number> = Object.create(null);
  for (const [name, value] of metrics) named[name] = value;
  return realm.copyOf({
    ...scalars,
    runningTasks: copies(runningTasks),
    endedTasks: copies(endedTasks),
    gpus: copies(gpus),
    metrics: named,
  });
}

function answerIn(answer: unknown, objectPrototype: object): ProcessorReply {
  if (answer === undefined || answer === null) return undefined;
  if (typeof answer !== 'object') return `the processor returned ${kindOf(answer)}, expected an object or undefined`;
  if (isThenable(answer, objectPrototype)) {
    return 'the processor returned a promise, expected an object or undefined; it must be synchronous';
  }
  const reject = ownMember(answer, 'reject');
  if (reject !== undefined) {
    return typeof reject === 'string'
      ? `processor: ${shortText(reject)}`
      : `the processor’s reject is ${kindOf(reject)}, expected a string`;
  }
  const metrics = ownMember(answer, 'metrics');
  if (metrics === undefined) return undefined;
  if (typeof metrics !== 'object' || metrics === null) {
    return `the processor’s metrics are ${kindOf(metrics)}, expected an object of numbers`;
  }
  return metricsIn(metrics);
}

function metricsIn(metrics: object): ProcessorReply {
  const names = Object.keys(metrics);
  if (names.length > MAX_DERIVED_METRICS) {
    return `the processor returned ${names.length} metrics; at most ${MAX_DERIVED_METRICS} are allowed`;
  }
  let nameBytes = 0;
  for (const name of names) nameBytes += Buffer.byteLength(name);
  if (nameBytes > MAX_DERIVED_NAME_BYTES) {
    return `the names of the processor’s metrics take ${nameBytes} bytes; at most ${MAX_DERIVED_NAME_BYTES} are allowed`;
  }
  const derived: [string, number][] = [];
  for (const name of names) {
    const value = (metrics as Readonly<Record<string, unknown>>)[name];
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      const shown = typeof value === 'number' ? value : kindOf(value);
      return `the processor’s metrics[${JSON.stringify(name.slice(0, SHOWN_NAME_LENGTH))}] is ${shown}, expected a finite number`;
    }
    derived.push([name, value]);
  }
  return derived;
}

/** Ignores inherited members. */
function ownMember(object: object, name: string): unknown {
  return Object.hasOwn(object, name) ? (object as Readonly<Record<string, unknown>>)[name] : undefined;
}

/** Detects promises and other thenables. A `then` added to Object.prototype does not count. */
function isThenable(answer: object, objectPrototype: object): boolean {
  if (types.isPromise(answer)) return true;
  let holder: object | null = answer;
  for (let depth = 0; depth < MAX_PROTOTYPES && holder !== null && holder !== objectPrototype; depth++) {
    if (Object.hasOwn(holder, 'then')) return true;
    holder = Object.getPrototypeOf(holder) as object | null;
  }
  return false;
}
