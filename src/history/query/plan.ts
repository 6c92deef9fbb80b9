/** Chooses the tier and the step of a query: pure functions of the range, what is kept, and what was asked. */
import { TIER_MS, TIERS, type Tier } from '../samples.ts';
import { QueryProblem } from './problem.ts';

export interface TimeRange {
  /** Inclusive. */
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
}

/** Since when each tier has everything that was recorded, in Unix ms. */
export type Reach = Readonly<Record<Tier, number>>;

export interface Kept {
  /** How long each tier is kept, in ms. */
  readonly rawMs: number;
  readonly minuteMs: number;
  readonly hourMs: number;
  /** Unix ms of the oldest data of each tier; absent: there is none. */
  readonly oldestMs: Readonly<Partial<Record<Tier, number>>>;
  /** Samples that were ever deleted early, to save space. */
  readonly deletedEarly: number;
}

/** The step that a client gave, or the number of points that the answer may have. */
export type StepWish = { readonly stepMs: number } | { readonly points: number };

export interface Plan {
  readonly tier: Tier;
  readonly stepMs: number;
  /** The tier lacks what is older. */
  readonly keptSinceMs: number;
}

/** The length of a tier's buckets in ms; raw samples fit into any step. */
export function bucketMs(tier: Tier): number {
  return tier === 'raw' ? 1 : TIER_MS[tier];
}

/** Without a step: if there are several workers, the values of a step should hold each of them. */
export const FINEST_STEP_MS = 1000;

/**
 * A tier reaches as far back as it is kept, unless data was deleted early to save space: then a coarser tier has older data.
 */
export function reachOf(nowMs: number, { rawMs, minuteMs, hourMs, oldestMs, deletedEarly }: Kept): Reach {
  const kept = { raw: nowMs - rawMs, '1m': nowMs - minuteMs, '1h': nowMs - hourMs };
  // Then a tier may lack what a coarser one has only because no master was running for a while.
  if (deletedEarly === 0) return kept;
  const reach = { ...kept };
  for (const [index, tier] of TIERS.entries()) {
    const oldest = oldestMs[tier] ?? nowMs;
    const hasOlder = TIERS.slice(index + 1).some((coarser) => {
      const start = oldestMs[coarser];
      return start !== undefined && start + bucketMs(coarser) <= oldest;
    });
    if (hasOlder) reach[tier] = Math.max(kept[tier], oldest);
  }
  return reach;
}

/** A day by 10 s; about 1 MB of JSON per series. */
export const MAX_POINTS = 10_000;

/** How many steps overlap the range. */
export function stepsIn({ fromMs, toMs }: TimeRange, stepMs: number): number {
  return Math.floor((toMs - 1) / stepMs) - Math.floor(fromMs / stepMs) + 1;
}

/**
 * The coarsest tier whose buckets divide the step and that has everything since `sinceMs`. If none has, the finest that has,
 * with the step raised to whole buckets; if no tier has everything, the one that goes back furthest.
 * @param sinceMs the beginning of the range, or of what was ever recorded, if that is later
 * @throws QueryProblem if there are more than MAX_POINTS steps
 */
export function planOf(range: TimeRange, wish: StepWish, reach: Reach, sinceMs = range.fromMs): Plan {
  const reaching = TIERS.filter((tier) => reach[tier] <= sinceMs);
  const usable = reaching.length > 0 ? reaching : [furthest(reach)];
  const wished = 'stepMs' in wish ? wish.stepMs : smallestStep(range, wish.points, usable);
  const dividing = usable.filter((tier) => wished % bucketMs(tier) === 0).at(-1);
  const tier = dividing ?? (usable[0] as Tier);
  const stepMs = roundUp(wished, bucketMs(tier));
  checkSteps(range, stepMs, MAX_POINTS);
  return { tier, stepMs, keptSinceMs: reach[tier] };
}

/** @throws QueryProblem that says which step would do */
export function checkSteps(range: TimeRange, stepMs: number, most: number): void {
  const count = stepsIn(range, stepMs);
  if (count <= most) return;
  const needed = Math.ceil((range.toMs - range.fromMs) / (most - 1) / 1000);
  throw new QueryProblem(
    'invalid_argument',
    `${count} points in this range, expected at most ${most}: a step of ${needed}s or more, or a shorter range`,
    'step',
  );
}

/** At equal reach, the finest. */
function furthest(reach: Reach): Tier {
  return TIERS.reduce((best, tier) => (reach[tier] < reach[best] ? tier : best));
}

/**
 * The smallest step with at most so many points: whole seconds below a minute, then whole minutes, or whole hours if no finer
 * tier is usable.
 * @param points at least 2
 */
function smallestStep(range: TimeRange, points: number, usable: readonly Tier[]): number {
  const finest = bucketMs(usable[0] as Tier);
  const inSeconds = fitting(range, points, Math.max(finest, FINEST_STEP_MS));
  if (inSeconds < TIER_MS['1m'] || finest > TIER_MS['1m']) return inSeconds;
  return fitting(range, points, TIER_MS['1m']);
}

/** The smallest multiple of `unitMs` with at most so many steps in the range. */
function fitting(range: TimeRange, points: number, unitMs: number): number {
  let stepMs = Math.max(unitMs, roundUp((range.toMs - range.fromMs) / points, unitMs));
  // Where steps begin is fixed, so one more may overlap the range. Ends: `points - 1` steps of a larger step cover it.
  while (stepsIn(range, stepMs) > points) stepMs += unitMs;
  return stepMs;
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
