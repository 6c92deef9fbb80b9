/**
 * Reads workers one after another, from the rings and the database together:
 *
 * | a worker's values come from                    | if                                                              |
 * |------------------------------------------------|-----------------------------------------------------------------|
 * | its ring alone                                 | the ring reaches back to the beginning of the range             |
 * | the database, then what only its ring has      | it does not: samples from `durable.next` on, of the same run of |
 * |                                                | the master, or all if the database has none of the range        |
 * | what its ring has                              | the database does not answer: the rest is a gap                 |
 */
import { setImmediate } from 'node:timers/promises';
import type { Durable, HistoryReader } from '../backend.ts';
import { HistoryError } from '../history-error.ts';
import type { BucketColumns, Gap, MetricKey, Tier } from '../samples.ts';
import type { Budget } from './budget.ts';
import type { AnswerGap } from './gaps.ts';
import { bucketMs, type TimeRange } from './plan.ts';
import type { RingSamples, Rings } from './rings.ts';

/** Takes the values of one worker, in the order of receipt. Column n belongs to key n of the request; undefined: no values. */
export interface WorkerSink {
  /** Only the first `count` count, and those of them within the range. */
  samples(at: Float64Array, columns: readonly (Float64Array | undefined)[], count: number): void;
  buckets(start: Float64Array, columns: readonly (BucketColumns | undefined)[]): void;
}

/** Why an answer may lack what the database has. */
export interface Degraded {
  readonly code: HistoryError['kind'];
  /** Readable text, without passwords. */
  readonly detail: string;
}

export interface Sources {
  readonly rings: Rings;
  /** @throws HistoryError */
  readonly reader: () => Promise<HistoryReader>;
  readonly budget: Budget;
}

export interface ReadRequest {
  readonly workerIds: readonly string[];
  readonly keys: readonly MetricKey[];
  readonly range: TimeRange;
  readonly tier: Tier;
  /** Whether the rest is of no use; checked between parts. */
  readonly isEnough?: () => boolean;
}

export interface WorkerTaker {
  /** The worker's values follow. May be called again for the same worker: then what came before is void. */
  begin(workerId: string): WorkerSink;
  /** The worker is complete. @param gaps found while reading */
  end(workerId: string, gaps: readonly (Gap | AnswerGap)[]): void;
}

/** How many workers are read before the event loop gets a turn: some ms. */
const WORKERS_PER_TURN = 50;
/** If no ring of so many reaches back to the beginning, others hardly do: their copies would be in vain. */
const RINGS_TRIED = 8;

/**
 * The range whose samples make up the same buckets as the tier's: whole ones at both ends, so that a value does not depend on
 * whether it was stored yet.
 */
export function readRange({ fromMs, toMs }: TimeRange, tier: Tier): TimeRange {
  const length = bucketMs(tier);
  return { fromMs: Math.floor(fromMs / length) * length, toMs: Math.ceil(toMs / length) * length };
}

/**
 * @returns why the answer lacks what only the database has; undefined: it lacks nothing
 * @throws QueryProblem if the budget is used up
 */
export async function readWorkers(
  sources: Sources,
  request: ReadRequest,
  taker: WorkerTaker,
): Promise<Degraded | undefined> {
  const { rings, budget } = sources;
  const range = readRange(request.range, request.tier);
  const rest: string[] = [];
  let inTurn = 0;
  const turn = async () => {
    budget.check();
    if (++inTurn % WORKERS_PER_TURN === 0) await setImmediate();
  };
  for (const workerId of request.workerIds) {
    await turn();
    const isVain = rest.length >= RINGS_TRIED && rest.length === inTurn - 1;
    const samples = isVain ? undefined : rings.read(workerId, request.keys);
    if (samples === undefined || samples.count === 0 || (samples.at[0] as number) > range.fromMs) rest.push(workerId);
    else {
      feed(taker.begin(workerId), samples, request, budget);
      taker.end(workerId, []);
    }
  }
  if (rest.length === 0) return undefined;

  const done = new Set<string>();
  try {
    await fromDatabase(sources, { ...request, range, workerIds: rest }, taker, done);
    return undefined;
  } catch (error) {
    budget.check();
    if (request.isEnough?.() === true) return undefined;
    if (!(error instanceof HistoryError)) throw error;
    for (const workerId of rest) {
      if (done.has(workerId)) continue;
      await turn();
      const samples = rings.read(workerId, request.keys);
      const sink = taker.begin(workerId);
      if (samples !== undefined) feed(sink, samples, request, budget);
      const untilMs = samples === undefined || samples.count === 0 ? range.toMs : (samples.at[0] as number);
      taker.end(workerId, [{ fromMs: range.fromMs, toMs: untilMs, reason: 'database_away', lost: 0 }]);
    }
    return { code: error.kind, detail: error.message };
  }
}

/** @param done gets the workers that are complete */
async function fromDatabase(
  { rings, reader, budget }: Sources,
  request: ReadRequest,
  taker: WorkerTaker,
  done: Set<string>,
): Promise<void> {
  const { workerIds, keys, range, tier } = request;
  let current:
    | { readonly workerId: string; readonly sink: WorkerSink; readonly durable: Durable | undefined }
    | undefined;
  /** Up to when the database has samples of the present worker. */
  let readUntilMs = range.fromMs;
  const gaps = new Map<string, Gap[]>();
  const take = (workerId: string, durable: Durable | undefined): WorkerSink => {
    if (current?.workerId !== workerId) {
      finish();
      current = { workerId, sink: taker.begin(workerId), durable };
      readUntilMs = range.fromMs;
    }
    return current.sink;
  };
  const finish = () => {
    if (current === undefined) return;
    const { workerId, sink, durable } = current;
    current = undefined;
    const from = durable?.bootId === rings.bootId ? durable.next : undefined;
    const samples = rings.read(workerId, keys, from);
    if (samples !== undefined) feed(sink, samples, request, budget);
    const found: (Gap | AnswerGap)[] = [...(gaps.get(workerId) ?? [])];
    // They are on their way to the database.
    if (samples !== undefined && from !== undefined && samples.lost > 0) {
      const untilMs = samples.count > 0 ? (samples.at[0] as number) : range.toMs;
      found.push({
        fromMs: Math.min(readUntilMs, untilMs),
        toMs: untilMs,
        reason: 'database_away',
        lost: samples.lost,
      });
    }
    done.add(workerId);
    taker.end(workerId, found);
  };
  const gap = (found: Gap) => {
    if (found.workerId !== undefined) gaps.set(found.workerId, [...(gaps.get(found.workerId) ?? []), found]);
  };
  const isCancelled = () => budget.isOver || request.isEnough?.() === true;
  const wanted = { workerIds, keys, ...range };
  const database = await reader();
  if (tier === 'raw') {
    const part = (
      run: { workerId: string; at: Float64Array; columns: ReadonlyMap<MetricKey, Float64Array> },
      durable: Durable,
    ) => {
      budget.read(run.at.length * keys.length);
      take(run.workerId, durable).samples(
        run.at,
        keys.map((key) => run.columns.get(key)),
        run.at.length,
      );
      readUntilMs = run.at.at(-1) ?? readUntilMs;
    };
    await database.samples(wanted, { part, gap }, isCancelled);
  } else {
    const part = (
      run: { workerId: string; start: Float64Array; columns: ReadonlyMap<MetricKey, BucketColumns> },
      durable: Durable,
    ) => {
      budget.read(run.start.length * keys.length);
      take(run.workerId, durable).buckets(
        run.start,
        keys.map((key) => run.columns.get(key)),
      );
      readUntilMs = (run.start.at(-1) ?? readUntilMs) + bucketMs(tier);
    };
    await database.buckets({ ...wanted, tier }, { part, gap }, isCancelled);
  }
  budget.check();
  if (request.isEnough?.() === true) return;
  finish();
  // The database has nothing of the others in this range.
  for (const workerId of workerIds) {
    if (done.has(workerId)) continue;
    take(workerId, undefined);
    finish();
  }
}

function feed(sink: WorkerSink, samples: RingSamples, { keys }: ReadRequest, budget: Budget): void {
  budget.read(samples.count * keys.length);
  sink.samples(
    samples.at,
    keys.map((key) => samples.column(key)),
    samples.count,
  );
}
