/**
 * How many lanes there are, dedicated and shared: a pure function of the settings and the machine.
 *
 * MAX_DEDICATED_LANES:
 *
 * | setting  | dedicated lanes                                                                                         |
 * |----------|---------------------------------------------------------------------------------------------------------|
 * | a number | that many, whatever the machine carries; more than it seems to carry is warned of                       |
 * | `all`    | one for each of MAX_WORKERS, whatever it costs: as such a number                                        |
 * | `auto`   | LANES_PER_CORE for each core, FIRST_WORKERS at least, but no more than the machine carries              |
 */
import { PulselaneError } from '../../lib/errors.ts';
import type { LaneLimit } from '../../model/lanes.ts';
import { type Allowance, type MachineFacts, type ThreadBudget, threadBudget } from './thread-budget.ts';

/**
 * A fleet of ordinary size has a thread for each worker on any machine that has the memory, which is what the product
 * promises.
 */
export const FIRST_WORKERS = 64;

/**
 * The knee of the curve of bench `lane-curve`, see bench/README.md. A lane more costs memory and a wake-up for nearly each of its
 * heartbeats, where a shared lane is woken once for all that came in a turn of main's.
 */
export const LANES_PER_CORE = 32;

/** A worker's fault stops its neighbours on a shared lane, so there are several where cores are idle otherwise. */
const CORES_PER_SHARED_LANE = 2;
/** One decodes more than main takes in, so more than this only cost wake-ups. */
const MOST_SHARED_LANES = 8;

/** As set; undefined is `auto`. */
export interface LaneSettings {
  readonly maxDedicatedLanes: number | 'all' | undefined;
  readonly sharedLanes: number | undefined;
}

/**
 * What a program that embeds the engine says, which may be anything.
 * @throws PulselaneError `bad_setting`, naming what was expected
 */
export function laneSettings(maxDedicatedLanes: unknown = 'auto', sharedLanes: unknown = 'auto'): LaneSettings {
  const isCount = (value: unknown, least: number): value is number =>
    Number.isInteger(value) && (value as number) >= least;
  if (maxDedicatedLanes !== 'all' && maxDedicatedLanes !== 'auto' && !isCount(maxDedicatedLanes, 0)) {
    const expected = "expected a whole number, 0 at least, 'auto' or 'all'";
    throw new PulselaneError('bad_setting', `maxDedicatedLanes is ${shown(maxDedicatedLanes)}: ${expected}`);
  }
  if (sharedLanes !== 'auto' && !isCount(sharedLanes, 1)) {
    const expected = "expected a whole number, 1 at least, or 'auto'";
    throw new PulselaneError('bad_setting', `sharedLanes is ${shown(sharedLanes)}: ${expected}`);
  }
  return {
    maxDedicatedLanes: maxDedicatedLanes === 'auto' ? undefined : maxDedicatedLanes,
    sharedLanes: sharedLanes === 'auto' ? undefined : sharedLanes,
  };
}

function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

export interface LaneMachine {
  readonly facts: MachineFacts;
  /** That this process may use. */
  readonly cores: number;
}

export interface LanePlan {
  /** Most workers with a thread of their own. */
  readonly dedicated: number;
  /** Whether MAX_DEDICATED_LANES said so, and not `auto`. */
  readonly isSet: boolean;
  /** Threads for all others. */
  readonly shared: number;
  /** Dedicated lanes that run well on so many cores; `auto` has FIRST_WORKERS of them at least. */
  readonly byCores: number;
  /** What the machine carries. */
  readonly budget: ThreadBudget;
}

/** @param maxWorkers that there can be */
export function planLanes(
  { facts, cores }: LaneMachine,
  { maxDedicatedLanes, sharedLanes = sharedLanesOn(cores) }: LaneSettings,
  maxWorkers: number,
): LanePlan {
  const budget = threadBudget(facts, sharedLanes);
  const byCores = LANES_PER_CORE * cores;
  const auto = Math.min(aimOf({ byCores }).lanes, budget.lanes);
  return {
    dedicated: maxDedicatedLanes === 'all' ? maxWorkers : (maxDedicatedLanes ?? auto),
    isSet: maxDedicatedLanes !== undefined,
    shared: sharedLanes,
    byCores,
    budget,
  };
}

/** SHARED_LANES=auto. */
export function sharedLanesOn(cores: number): number {
  return Math.min(MOST_SHARED_LANES, Math.max(1, Math.floor(cores / CORES_PER_SHARED_LANE)));
}

/** How many lanes `auto` wants where the machine carries them, and why. */
export function aimOf({ byCores }: Pick<LanePlan, 'byCores'>) {
  return byCores < FIRST_WORKERS
    ? ({ limitedBy: 'first workers', lanes: FIRST_WORKERS } as const)
    : ({ limitedBy: 'cores', lanes: byCores } as const);
}

/** @param isMemoryShort whether the machine has no memory for another at this moment */
export function laneLimitOf(plan: LanePlan, isMemoryShort: boolean): LaneLimit {
  const { dedicated, isSet, budget } = plan;
  const setting = 'MAX_DEDICATED_LANES';
  // A number that is set is started, whatever memory there is.
  if (isSet) return { dedicated, limitedBy: setting, setting, isMemoryShort: false };
  const { limitedBy } = budget;
  const aim = aimOf(plan);
  if (aim.lanes <= budget.lanes) return { dedicated, limitedBy: aim.limitedBy, setting, isMemoryShort };
  const binding = budget.allowances.find(({ resource }) => resource === limitedBy);
  return { dedicated, limitedBy, setting: binding?.setting ?? limitedBy, isMemoryShort };
}

/** Of a plan that was set: the limits that it seems to exceed, the tightest first. */
export function exceededBy({ dedicated, budget }: LanePlan): readonly Allowance[] {
  return budget.allowances.filter(({ lanes }) => lanes < dedicated);
}
