/**
 * Decides the number of dedicated and shared lanes: a pure function of the settings and the machine.
 *
 * MAX_DEDICATED_LANES:
 *
 * | setting  | dedicated lanes                                                                                         |
 * |----------|---------------------------------------------------------------------------------------------------------|
 * | a number | that many; a warning is logged if the machine's limits seem to allow fewer                              |
 * | `all`    | one per worker up to MAX_WORKERS, treated like a number                                                 |
 * | `auto`   | LANES_PER_CORE per core, at least FIRST_WORKERS, but not more than the machine's limits allow           |
 */
import { PulselaneError } from '../../lib/errors.ts';
import type { LaneLimit } from '../../model/lanes.ts';
import { type Allowance, type MachineFacts, type ThreadBudget, threadBudget } from './thread-budget.ts';

/** So that a fleet of ordinary size has a thread per worker on any machine with enough memory. */
export const FIRST_WORKERS = 64;

/**
 * The knee of the curve of bench `lane-curve`, see bench/README.md. A further lane costs memory and a wake-up for
 * nearly every heartbeat; a shared lane is woken once for all heartbeats of one turn of main.
 */
export const LANES_PER_CORE = 32;

/** A faulty worker stops the others on its shared lane, so otherwise idle cores get several. */
const CORES_PER_SHARED_LANE = 2;
/** One lane decodes more than main can accept, so further lanes only cost wake-ups. */
const MOST_SHARED_LANES = 8;

/** Undefined is `auto`. */
export interface LaneSettings {
  readonly maxDedicatedLanes: number | 'all' | undefined;
  readonly sharedLanes: number | undefined;
}

/**
 * Validates the settings of an embedding program, which may be of any type.
 * @throws PulselaneError `bad_setting`, naming what was expected
 */
export function laneSettings(maxDedicatedLanes: unknown = 'auto', sharedLanes: unknown = 'auto'): LaneSettings {
  const isCount = (value: unknown, least: number): value is number =>
    Number.isInteger(value) && (value as number) >= least;
  if (maxDedicatedLanes !== 'all' && maxDedicatedLanes !== 'auto' && !isCount(maxDedicatedLanes, 0)) {
    const expected = "expected a whole number of at least 0, 'auto' or 'all'";
    throw new PulselaneError('bad_setting', `maxDedicatedLanes is ${shown(maxDedicatedLanes)}: ${expected}`);
  }
  if (sharedLanes !== 'auto' && !isCount(sharedLanes, 1)) {
    const expected = "expected a whole number of at least 1, or 'auto'";
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
  /** Cores that this process may use. */
  readonly cores: number;
}

export interface LanePlan {
  /** Maximum number of workers with their own thread. */
  readonly dedicated: number;
  /** Whether MAX_DEDICATED_LANES was set to something other than `auto`. */
  readonly isSet: boolean;
  /** Threads for all other workers. */
  readonly shared: number;
  /** LANES_PER_CORE times cores; `auto` uses at least FIRST_WORKERS. */
  readonly byCores: number;
  /** What the machine's limits allow. */
  readonly budget: ThreadBudget;
}

/** @param maxWorkers maximum number of workers */
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

/** Value of SHARED_LANES=auto. */
export function sharedLanesOn(cores: number): number {
  return Math.min(MOST_SHARED_LANES, Math.max(1, Math.floor(cores / CORES_PER_SHARED_LANE)));
}

/** The number of lanes that `auto` aims for, before the machine's limits, and the reason. */
export function aimOf({ byCores }: Pick<LanePlan, 'byCores'>) {
  return byCores < FIRST_WORKERS
    ? ({ limitedBy: 'first workers', lanes: FIRST_WORKERS } as const)
    : ({ limitedBy: 'cores', lanes: byCores } as const);
}

/** @param isMemoryShort whether the machine currently lacks memory for another lane */
export function laneLimitOf(plan: LanePlan, isMemoryShort: boolean): LaneLimit {
  const { dedicated, isSet, budget } = plan;
  const setting = 'MAX_DEDICATED_LANES';
  // An explicit number applies regardless of memory.
  if (isSet) return { dedicated, limitedBy: setting, setting, isMemoryShort: false };
  const { limitedBy } = budget;
  const aim = aimOf(plan);
  if (aim.lanes <= budget.lanes) return { dedicated, limitedBy: aim.limitedBy, setting, isMemoryShort };
  const binding = budget.allowances.find(({ resource }) => resource === limitedBy);
  return { dedicated, limitedBy, setting: binding?.setting ?? limitedBy, isMemoryShort };
}

/** For an explicit setting: the limits that it seems to exceed, tightest first. */
export function exceededBy({ dedicated, budget }: LanePlan): readonly Allowance[] {
  return budget.allowances.filter(({ lanes }) => lanes < dedicated);
}
