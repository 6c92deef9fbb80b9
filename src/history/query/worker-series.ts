/** The history of one worker: a series per metric. */
import type { Directory } from '../../reading/directory.ts';
import type { KnownWorker } from '../backend.ts';
import type { Gap, MetricKey, Tier } from '../samples.ts';
import { gapFacts, gapFactsHere, gapsOf, lastSeenBefore, orDegraded, silencesOf, stateOf } from './facts.ts';
import type { AnswerGap } from './gaps.ts';
import type { LastSeen } from './last-seen.ts';
import { type Plan, planOf, type Reach, type StepWish, stepsIn, type TimeRange } from './plan.ts';
import { type Degraded, readRange, readWorkers, type Sources, type WorkerSink } from './read-workers.ts';
import { type Point, Steps, samplePoint } from './steps.ts';

export interface Series {
  readonly metric: MetricKey;
  readonly tier: Tier;
  /** 0: each point is a sample. */
  readonly stepMs: number;
  readonly points: readonly Point[];
  readonly gaps: readonly AnswerGap[];
}

export interface WorkerSeries {
  readonly workerId: string;
  readonly series: readonly Series[];
  /** Why it may lack what the database has; undefined: it lacks nothing. */
  readonly degraded: Degraded | undefined;
}

export interface WorkerRequest {
  readonly workerId: string;
  readonly keys: readonly MetricKey[];
  readonly range: TimeRange;
  readonly wish: StepWish;
  readonly reach: Reach;
  /** What the database knows of the worker. */
  readonly known: KnownWorker | undefined;
}

/** @throws QueryProblem if the budget is used up */
export async function workerSeries(
  directory: Directory,
  sources: Sources,
  { workerId, keys, range, wish, reach, known }: WorkerRequest,
): Promise<WorkerSeries> {
  const sinceMs = Math.max(range.fromMs, Math.min(known?.firstMs ?? range.fromMs, range.toMs));
  const anyKeptSinceMs = Math.min(...Object.values(reach));
  let plan = planOf(range, wish, reach, sinceMs);
  const facts = await orDegraded(
    sources.reader,
    (reader) => gapFacts(reader, directory, [workerId], range),
    gapFactsHere(directory, range),
  );
  const silent = silencesOf(workerId, range, facts.value, stateOf(directory, directory.get(workerId), known));
  const seen = lastSeenBefore(silent);
  let read:
    | { lists: readonly (readonly Point[])[]; gaps: readonly (Gap | AnswerGap)[]; degraded: Degraded | undefined }
    | undefined;
  let stepMs = plan.stepMs;
  if ('points' in wish && reach.raw <= sinceMs) {
    read = await samplesAsPoints(sources, workerId, keys, range, wish.points, seen);
    if (read !== undefined) {
      plan = { tier: 'raw', stepMs: 1, keptSinceMs: reach.raw };
      stepMs = 0;
    }
  }
  read ??= await samplesInSteps(sources, workerId, keys, range, plan, seen);
  const gaps = gapsOf(workerId, range, { ...plan, anyKeptSinceMs }, facts.value, known, silent, seen, read.gaps);
  const series = keys.map((metric, index) => {
    const points = read.lists[index] ?? [];
    sources.budget.answer(points.length);
    return { metric, tier: plan.tier, stepMs, points, gaps };
  });
  return { workerId, series, degraded: read.degraded ?? facts.degraded };
}

/** Each sample as a point; undefined: there are more than `most`. */
async function samplesAsPoints(
  sources: Sources,
  workerId: string,
  keys: readonly MetricKey[],
  range: TimeRange,
  most: number,
  seen: LastSeen,
) {
  let lists: Point[][] = [];
  let count = 0;
  const gaps: (Gap | AnswerGap)[] = [];
  const sink: WorkerSink = {
    samples(at, columns, length) {
      for (let n = 0; n < length; n++) {
        const atMs = at[n] as number;
        if (atMs < range.fromMs || atMs >= range.toMs) continue;
        let hasAny = false;
        for (const [index, column] of columns.entries()) {
          const value = column === undefined ? Number.NaN : (column[n] as number);
          if (Number.isNaN(value)) continue;
          hasAny = true;
          lists[index]?.push(samplePoint(atMs, value));
        }
        if (hasAny && ++count > most) return;
      }
    },
    buckets() {},
  };
  const isEnough = () => count > most;
  const degraded = await readWorkers(
    sources,
    { workerIds: [workerId], keys, range, tier: 'raw', isEnough },
    {
      begin() {
        lists = keys.map(() => []);
        count = 0;
        return seen.watch(sink, 'raw');
      },
      end: (_, found) => void gaps.push(...found),
    },
  );
  return isEnough() ? undefined : { lists, gaps, degraded };
}

async function samplesInSteps(
  sources: Sources,
  workerId: string,
  keys: readonly MetricKey[],
  range: TimeRange,
  { tier, stepMs }: Plan,
  seen: LastSeen,
) {
  const steps = keys.map(() => new Steps(range.fromMs, stepMs, stepsIn(range, stepMs)));
  const gaps: (Gap | AnswerGap)[] = [];
  const degraded = await readWorkers(
    sources,
    { workerIds: [workerId], keys, range, tier },
    {
      begin() {
        for (const each of steps) each.clear();
        return seen.watch(stepSink(steps, readRange(range, tier)), tier);
      },
      end: (_, found) => void gaps.push(...found),
    },
  );
  return { lists: steps.map((each) => each.points()), gaps, degraded };
}

/** Adds samples within the range, and all buckets, to the steps of each key. */
export function stepSink(
  steps: readonly Steps[],
  { fromMs, toMs }: TimeRange,
  onValue?: (key: number, step: number, value: number) => void,
): WorkerSink {
  return {
    samples(at, columns, length) {
      for (const [key, column] of columns.entries()) {
        const into = steps[key];
        if (column === undefined || into === undefined) continue;
        for (let n = 0; n < length; n++) {
          const atMs = at[n] as number;
          const value = column[n] as number;
          if (Number.isNaN(value) || atMs < fromMs || atMs >= toMs) continue;
          const step = into.indexOf(atMs);
          into.add(step, value);
          onValue?.(key, step, value);
        }
      }
    },
    buckets(start, columns) {
      for (const [key, column] of columns.entries()) {
        const into = steps[key];
        if (column === undefined || into === undefined) continue;
        const { min, max, sum, last, count } = column;
        for (let n = 0; n < start.length; n++) {
          if (count[n] === 0) continue;
          const step = into.indexOf(start[n] as number);
          into.addBucket(
            step,
            min[n] as number,
            max[n] as number,
            sum[n] as number,
            last[n] as number,
            count[n] as number,
          );
        }
      }
    },
  };
}
