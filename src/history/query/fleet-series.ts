/** The history of several workers as one series, or one per group: each worker's value of a step, then one value of them all. */
import type { Directory } from '../../reading/directory.ts';
import type { KnownWorker } from '../backend.ts';
import type { Gap, MetricKey, Tier } from '../samples.ts';
import { type Aggregate, aggregated, isPercentile } from './aggregate.ts';
import { beganAt, gapFacts, gapFactsHere, gapsOf, lastSeenBefore, orDegraded, silencesOf, stateOf } from './facts.ts';
import { type AnswerGap, commonGaps } from './gaps.ts';
import type { LastSeen } from './last-seen.ts';
import { FINEST_STEP_MS, type Plan, planOf, type Reach, type StepWish, stepsIn, type TimeRange } from './plan.ts';
import { QueryProblem } from './problem.ts';
import { type Degraded, readRange, readWorkers, type Sources } from './read-workers.ts';
import { meanOf, Steps } from './steps.ts';
import { stepSink } from './worker-series.ts';

/** One step of a series that is an aggregate. */
export interface AggregatePoint {
  readonly atMs: number;
  readonly value: number;
  /** How many workers have values in the step. */
  readonly workers: number;
  /** Of all samples of all workers. */
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  /** Null if there are several workers. */
  readonly last: number | null;
  readonly count: number;
}

/** Of one worker, of a group, or of all. */
export interface AggregateSeries {
  readonly metric: MetricKey;
  /** If it is of one worker. */
  readonly workerId: string | undefined;
  /** Of several workers: the group or label value that they share; undefined: all. */
  readonly member: string | undefined;
  readonly tier: Tier;
  readonly stepMs: number;
  readonly points: readonly AggregatePoint[];
  /** Times in which no worker of it has samples. */
  readonly gaps: readonly AnswerGap[];
}

export interface FleetSeries {
  readonly series: readonly AggregateSeries[];
  readonly degraded: Degraded | undefined;
}

export interface FleetRequest {
  /** In this order. */
  readonly workerIds: readonly string[];
  readonly keys: readonly MetricKey[];
  readonly range: TimeRange;
  readonly wish: StepWish;
  readonly reach: Reach;
  /** Since when the database has anything of these workers, if that is known. */
  readonly firstMs: number | undefined;
  /** What the database knows of them, as far as it was asked. */
  readonly known: ReadonlyMap<string, KnownWorker>;
  /** The automatic step is at least this: each worker should have values in each step. */
  readonly leastStepMs: number;
  /** Each worker's value of a step. */
  readonly overTime: Aggregate;
  /** Undefined: each worker is a series. */
  readonly overWorkers: Aggregate | undefined;
  /** Which series a worker belongs to; undefined: the one of all. */
  readonly memberOf: (workerId: string) => string | undefined;
}

/** What {@link Steps} keeps of each step. */
const NUMBERS_PER_STEP = 5;

const NO_VALUES = new Float64Array();

/** The workers of one series, for one metric. */
interface Member {
  /** Over the workers' values. */
  readonly values: Steps;
  /** Over their samples. */
  readonly samples: Steps;
  /** By step, for percentiles over workers. */
  readonly all: number[][];
}

/** @throws QueryProblem if the budget is used up, or percentiles over time do not go back that far */
export async function fleetSeries(directory: Directory, sources: Sources, request: FleetRequest): Promise<FleetSeries> {
  const { workerIds, keys, range, reach, overTime, overWorkers } = request;
  const { budget } = sources;
  const plan = fleetPlan(request);
  const { tier, stepMs } = plan;
  const count = stepsIn(range, stepMs);
  const newSteps = () => new Steps(range.fromMs, stepMs, count);
  // Of one worker at a time.
  const steps = keys.map(newSteps);
  const lists: number[][][] = keys.map(() => []);
  const members = new Map<string | undefined, Member[]>();
  const gapsFound = new Map<string, readonly (Gap | AnswerGap)[]>();
  const ofTime = isPercentile(overTime);
  const keepsValues = overWorkers !== undefined && isPercentile(overWorkers);

  const memberFor = (workerId: string): readonly Member[] => {
    const name = overWorkers === undefined ? workerId : request.memberOf(workerId);
    let member = members.get(name);
    if (member === undefined) {
      budget.keep(2 * NUMBERS_PER_STEP * keys.length * count);
      budget.check();
      member = keys.map(() => ({ values: newSteps(), samples: newSteps(), all: [] }));
      members.set(name, member);
    }
    return member;
  };

  const facts = await orDegraded(
    sources.reader,
    (reader) => gapFacts(reader, directory, workerIds, range),
    gapFactsHere(directory, range),
  );
  const silent = new Map<string, readonly AnswerGap[]>();
  const lastSeen = new Map<string, LastSeen>();
  const watched = (workerId: string): LastSeen => {
    const now = stateOf(directory, directory.get(workerId), request.known.get(workerId));
    const ofWorker = silencesOf(workerId, range, facts.value, now);
    const seen = lastSeenBefore(ofWorker);
    silent.set(workerId, ofWorker);
    lastSeen.set(workerId, seen);
    return seen;
  };

  const degraded = await readWorkers(
    sources,
    { workerIds, keys, range, tier },
    {
      begin(workerId) {
        for (const each of steps) each.clear();
        for (const list of lists) list.length = 0;
        const keep = (key: number, step: number, value: number) => addTo(lists[key] as number[][], step, value);
        const sink = stepSink(steps, readRange(range, tier), ofTime ? keep : undefined);
        return watched(workerId).watch(sink, tier);
      },
      end(workerId, gaps) {
        gapsFound.set(workerId, gaps);
        const member = memberFor(workerId);
        for (const [key, own] of steps.entries()) {
          const { values, samples, all } = member[key] as Member;
          for (let step = 0; step < count; step++) {
            if (own.count[step] === 0) continue;
            const { min, max, mean, last, count: ofStep } = own.point(step);
            const sum = own.sum[step] as number;
            const kept = ofTime ? Float64Array.from(lists[key]?.[step] ?? []) : NO_VALUES;
            const value = aggregated(overTime, { min, max, mean, sum, count: ofStep }, kept);
            values.add(step, value);
            samples.addBucket(step, min, max, sum, last, ofStep);
            if (!keepsValues) continue;
            addTo(all, step, value);
            budget.keep(1);
          }
        }
        budget.check();
      },
    },
  );

  const gapPlan = { ...plan, anyKeptSinceMs: Math.min(...Object.values(reach)) };
  const idsByMember = Map.groupBy(workerIds, (id) => (overWorkers === undefined ? id : request.memberOf(id)));
  const gapsOfWorker = (workerId: string): AnswerGap[] => {
    const found = gapsFound.get(workerId) ?? [];
    const known = request.known.get(workerId);
    const ofWorker = silent.get(workerId) ?? [];
    return gapsOf(workerId, range, gapPlan, facts.value, known, ofWorker, lastSeen.get(workerId), found);
  };
  const gapsByWorker = new Map(workerIds.map((workerId) => [workerId, gapsOfWorker(workerId)]));
  const first = await firstTimes(directory, sources, request, gapsByWorker);
  const series = Array.from(members).flatMap(([name, ofKeys]) => {
    const ids = idsByMember.get(name) ?? [];
    const gaps = commonGaps(
      ids.map((workerId) => ({ gaps: gapsByWorker.get(workerId) ?? [], firstMs: first.get(workerId) })),
      range,
    );
    return keys.map((metric, key): AggregateSeries => {
      const points = pointsOf(ofKeys[key] as Member, overWorkers);
      budget.answer(points.length);
      const whose =
        overWorkers === undefined ? { workerId: name, member: undefined } : { workerId: undefined, member: name };
      return { metric, ...whose, tier, stepMs, points, gaps };
    });
  });
  return { series, degraded: degraded ?? facts.degraded };
}

/** Since when there are samples of each worker, as far as that matters: the database is not asked without need. */
async function firstTimes(
  directory: Directory,
  { reader }: Sources,
  { workerIds, known, range }: FleetRequest,
  gaps: ReadonlyMap<string, readonly AnswerGap[]>,
): Promise<ReadonlyMap<string, number | undefined>> {
  const hasGaps = Array.from(gaps.values()).some((list) => list.length > 0);
  if (!hasGaps || workerIds.length === 1) return new Map();
  // It may have been there before it was registered this time.
  const isUnclear = (workerId: string) =>
    !known.has(workerId) && (beganAt(directory.get(workerId), undefined, directory) ?? range.toMs) > range.fromMs;
  const asked = workerIds.filter(isUnclear);
  const found = await orDegraded(reader, async (each) => (asked.length > 0 ? await each.workers(asked) : []), []);
  const all = new Map([...known, ...found.value.map((worker) => [worker.workerId, worker] as const)]);
  return new Map(workerIds.map((id) => [id, beganAt(directory.get(id), all.get(id), directory)]));
}

function addTo(lists: number[][], step: number, value: number): void {
  const list = lists[step];
  if (list === undefined) lists[step] = [value];
  else list.push(value);
}

function fleetPlan(request: FleetRequest): Plan {
  const { range, wish, reach, firstMs, overTime, leastStepMs } = request;
  const sinceMs = Math.max(range.fromMs, Math.min(firstMs ?? range.fromMs, range.toMs));
  const plan = (usable: Reach) => {
    const chosen = planOf(range, wish, usable, sinceMs);
    const tooFine = 'points' in wish && chosen.stepMs < leastStepMs;
    const stepMs = Math.ceil(leastStepMs / FINEST_STEP_MS) * FINEST_STEP_MS;
    return tooFine ? planOf(range, { stepMs }, usable, sinceMs) : chosen;
  };
  if (!isPercentile(overTime)) return plan(reach);
  if (reach.raw > sinceMs) {
    throw new QueryProblem(
      'invalid_argument',
      `${overTime} over time needs the samples themselves, which are kept since ${new Date(reach.raw).toISOString()}; "from" is before that`,
      'over_time',
    );
  }
  const never = Number.POSITIVE_INFINITY;
  return plan({ raw: reach.raw, '1m': never, '1h': never });
}

function pointsOf({ values, samples, all }: Member, overWorkers: Aggregate | undefined): AggregatePoint[] {
  const points: AggregatePoint[] = [];
  for (let step = 0; step < values.length; step++) {
    const workers = values.count[step] as number;
    if (workers === 0) continue;
    const { atMs, min, max, mean, last, count } = samples.point(step);
    const least = values.min[step] as number;
    const most = values.max[step] as number;
    const sum = values.sum[step] as number;
    const summary = { min: least, max: most, mean: meanOf(sum, workers, least, most), sum, count: workers };
    const value =
      overWorkers === undefined ? sum : aggregated(overWorkers, summary, Float64Array.from(all[step] ?? NO_VALUES));
    points.push({ atMs, value, workers, min, max, mean, last: overWorkers === undefined ? last : null, count });
  }
  return points;
}
