/**
 * A custom processor in its lane: code of the operator's that looks at each heartbeat, may derive metrics from it, and
 * may reject it. It is trusted code with bugs: whatever it throws, now or later, ends this lane and no other, and is
 * charged to the worker for whom it ran.
 */
import { messageOf } from '../lib/errors.ts';
import { shortText } from '../lib/foreign-text.ts';
import type { FaultCause } from '../model/lanes.ts';
import type { HeartbeatProcessor, ProcessedHeartbeat } from '../model/processor.ts';
import type { Account, Owner } from './account.ts';
import type { DecodedHeartbeat } from './decode.ts';
import type { OffHeap } from './off-heap.ts';

/** What a processor failed at, and for whom. */
export interface ProcessorFault<Owner> {
  readonly cause: FaultCause;
  readonly reason: string;
  /** Undefined if it cannot be told. */
  readonly owner: Owner | undefined;
}

export interface ProcessorHostOptions<O extends Owner> {
  readonly processor: HeartbeatProcessor;
  readonly offHeap: OffHeap<O>;
  /** For whom it runs, also in what it put off. */
  readonly account: Account<O>;
  /** Says so and ends the thread. */
  readonly onFault: (fault: ProcessorFault<O>) => never;
}

/** Names in messages are cut to this: a metric's name may be of any length. */
const SHOWN_NAME_LENGTH = 64;
/** Derived metrics of one heartbeat; as many as a heartbeat may bring itself would let one answer fill the heap. */
const MAX_DERIVED_METRICS = 10_000;

/** @throws Error in words for people if the module does not load or has no function as its default export. */
export async function loadProcessor(url: string): Promise<HeartbeatProcessor> {
  let module: { default?: unknown };
  try {
    module = await import(url);
  } catch (error) {
    throw new Error(`processor ${url} cannot be loaded: ${messageOf(error)}`);
  }
  if (typeof module.default !== 'function') {
    throw new Error(`processor ${url}: its default export is ${kindOf(module.default)}, expected a function`);
  }
  return module.default as HeartbeatProcessor;
}

export class ProcessorHost<O extends Owner> {
  readonly #options: ProcessorHostOptions<O>;

  constructor(options: ProcessorHostOptions<O>) {
    this.#options = options;
    const fail = (error: unknown) => {
      options.onFault({
        cause: 'crash',
        reason: `the processor threw: ${messageOf(error)}`,
        owner: options.account.owner,
      });
    };
    process.on('uncaughtException', fail);
    process.on('unhandledRejection', fail);
  }

  /**
   * Runs the processor and adds the metrics that it derives to the heartbeat.
   * @returns why the heartbeat is rejected; undefined if it is not.
   */
  run(heartbeat: DecodedHeartbeat, owner: O): string | undefined {
    const { processor, account, offHeap, onFault } = this.#options;
    let answer: unknown;
    try {
      answer = account.run(
        owner,
        (copy) => {
          const given = processor(copy);
          offHeap.check();
          return given;
        },
        processedOf(heartbeat),
      );
    } catch (error) {
      onFault({ cause: 'crash', reason: `the processor threw: ${messageOf(error)}`, owner });
    }
    return applyAnswer(heartbeat, answer);
  }
}

/** A copy: what a processor does to it changes nothing else. */
function processedOf(heartbeat: DecodedHeartbeat): ProcessedHeartbeat {
  const { metrics, runningTasks, gpus, ...scalars } = heartbeat;
  return {
    ...scalars,
    runningTasks: runningTasks.map((task) => ({ ...task })),
    gpus: gpus.map((gpu) => ({ ...gpu })),
    metrics: Object.assign(Object.create(null), Object.fromEntries(metrics)),
  };
}

function applyAnswer(heartbeat: DecodedHeartbeat, answer: unknown): string | undefined {
  if (answer === undefined || answer === null) return undefined;
  if (typeof answer !== 'object') return `the processor answered ${kindOf(answer)}, expected an object or undefined`;
  if ('then' in answer) return 'the processor answered a promise, expected an object or undefined at once';
  const { metrics, reject } = answer as { metrics?: unknown; reject?: unknown };
  if (reject !== undefined) {
    return typeof reject === 'string'
      ? `processor: ${shortText(reject)}`
      : `the processor’s reject is ${kindOf(reject)}, expected a string`;
  }
  if (metrics === undefined) return undefined;
  if (typeof metrics !== 'object' || metrics === null) {
    return `the processor’s metrics are ${kindOf(metrics)}, expected an object of numbers`;
  }
  const entries = Object.entries(metrics);
  if (entries.length > MAX_DERIVED_METRICS) {
    return `the processor derived ${entries.length} metrics; at most ${MAX_DERIVED_METRICS} are allowed`;
  }
  for (const [name, value] of entries) {
    if (typeof value !== 'number' || !Number.isFinite(value)) {
      const shown = typeof value === 'number' ? value : kindOf(value);
      return `the processor’s metrics[${JSON.stringify(name.slice(0, SHOWN_NAME_LENGTH))}] is ${shown}, expected a finite number`;
    }
  }
  for (const [name, value] of entries) heartbeat.metrics.set(name, value as number);
  return undefined;
}

function kindOf(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  return `a ${typeof value}`;
}
