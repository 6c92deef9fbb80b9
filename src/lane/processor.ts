/**
 * A custom processor in its lane: code of the operator's that looks at each heartbeat, may derive metrics from it, and
 * may reject it. It is trusted code with bugs: whatever it throws, now or later, ends this lane and no other, and is
 * charged to the worker for whom it ran.
 *
 * Processor and lane are in two realms (realm.ts). It is handed copies that look like objects of its own realm, and of
 * what it answers only the object's own members count. Reading those may run its code (getters, proxies), so it is part of
 * running it.
 */
import { types } from 'node:util';
import { messageOf } from '../lib/errors.ts';
import { shortText } from '../lib/foreign-text.ts';
import type { FaultCause } from '../model/lanes.ts';
import type { HeartbeatProcessor, ProcessedHeartbeat } from '../model/processor.ts';
import type { Account, Owner } from './account.ts';
import type { DecodedHeartbeat } from './decode.ts';
import { kindOf } from './kind-of.ts';

/** What a processor failed at, and for whom. */
export interface Fault<O extends Owner> {
  readonly cause: FaultCause;
  readonly reason: string;
  /** Undefined if it cannot be told. */
  readonly owner: O | undefined;
}

/** The realm that the processor runs in. */
export interface ForeignRealm {
  readonly objectPrototype: object;
  /** A shallow copy that is an object of that realm. */
  copyOf<T extends object>(object: T): T;
  readonly arrayPrototype: object;
}

export interface ProcessorHostOptions<O extends Owner> {
  readonly realm: ForeignRealm;
  /** For whom it runs, also in what it put off. */
  readonly account: Account<O>;
  /** The thread's memory outside the heap, looked at after each answer. */
  readonly offHeap: { check(): void };
  /** Says so and ends the thread. */
  readonly onFault: (fault: Fault<O>) => never;
}

/** Derived metrics, or why the heartbeat is rejected; undefined: neither. */
export type ProcessorReply = readonly (readonly [name: string, value: number])[] | string | undefined;

/** Names in messages are cut to this: a metric's name may be of any length. */
const SHOWN_NAME_LENGTH = 64;
/** Derived metrics of one heartbeat; as many as a heartbeat may bring itself would let one answer fill the heap. */
const MAX_DERIVED_METRICS = 10_000;
/**
 * All names of one answer together, in UTF-8: 26 bytes for each of the most metrics. They stand in the worker's record, twice
 * in shared memory, and in every answer that shows it; a heartbeat of the largest size brings 16 times as much at most.
 */
const MAX_DERIVED_NAME_BYTES = 256 * 1024;
/** Classes within classes of an answer; nobody's have as many. */
const MAX_PROTOTYPES = 16;

export class ProcessorHost<O extends Owner> {
  readonly #options: ProcessorHostOptions<O>;

  constructor(options: ProcessorHostOptions<O>) {
    this.#options = options;
  }

  /** Something was thrown, or rejected, that nobody caught. */
  failed(thrown: unknown): never {
    return this.#threw(thrown, this.#options.account.owner);
  }

  /**
   * Runs the processor and adds the metrics that it derives to the heartbeat.
   * @returns why the heartbeat is rejected; undefined if it is not.
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

/** A copy of the processor's realm: what it does to it, or to its prototypes, changes nothing else. */
function processedOf(
  heartbeat: DecodedHeartbeat,
  realm: Pick<ForeignRealm, 'copyOf' | 'arrayPrototype'>,
): ProcessedHeartbeat {
  const { metrics, runningTasks, gpus, ...scalars } = heartbeat;
  const copies = <T extends object>(items: readonly T[]): T[] =>
    Object.setPrototypeOf(
      items.map((item) => realm.copyOf(item)),
      realm.arrayPrototype,
    );
  const named: Record<string, number> = Object.create(null);
  for (const [name, value] of metrics) named[name] = value;
  return realm.copyOf({ ...scalars, runningTasks: copies(runningTasks), gpus: copies(gpus), metrics: named });
}

function answerIn(answer: unknown, objectPrototype: object): ProcessorReply {
  if (answer === undefined || answer === null) return undefined;
  if (typeof answer !== 'object') return `the processor answered ${kindOf(answer)}, expected an object or undefined`;
  if (isThenable(answer, objectPrototype)) {
    return 'the processor answered a promise, expected an object or undefined at once';
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
    return `the processor derived ${names.length} metrics; at most ${MAX_DERIVED_METRICS} are allowed`;
  }
  let nameBytes = 0;
  for (const name of names) nameBytes += Buffer.byteLength(name);
  if (nameBytes > MAX_DERIVED_NAME_BYTES) {
    return `the processor’s names of metrics take ${nameBytes} bytes; at most ${MAX_DERIVED_NAME_BYTES} are allowed`;
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

/** What every object inherits is no answer. */
function ownMember(object: object, name: string): unknown {
  return Object.hasOwn(object, name) ? (object as Readonly<Record<string, unknown>>)[name] : undefined;
}

/** Also one of a class that is no Promise. A `then` that somebody gave to all objects says nothing. */
function isThenable(answer: object, objectPrototype: object): boolean {
  if (types.isPromise(answer)) return true;
  let holder: object | null = answer;
  for (let depth = 0; depth < MAX_PROTOTYPES && holder !== null && holder !== objectPrototype; depth++) {
    if (Object.hasOwn(holder, 'then')) return true;
    holder = Object.getPrototypeOf(holder) as object | null;
  }
  return false;
}
