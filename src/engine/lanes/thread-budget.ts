/**
 * How many dedicated lanes this machine can carry: a pure function of its limits, which machine-facts.ts reads.
 *
 * Of each limit's free amount, what the rest of the master will use when it has started is subtracted; the dedicated
 * lanes get a share of the remainder. Address space is not a limit, since it is overcommitted.
 */
/** The resources that a dedicated lane uses. */
const RESOURCES = ['memory', 'processes', 'memory maps', 'open files'] as const;
export type Resource = (typeof RESOURCES)[number];

/** A system limit: bytes of memory, or a count. */
export interface Limit {
  /** Name under which it can be raised, such as `vm.max_map_count`. */
  readonly setting: string;
  readonly most: number;
  /** Amount in use, by all who share the limit, when the facts were read. */
  readonly taken: number;
}

/** The known limits. A resource may have several, all of which apply; memory has at least one. */
export type MachineFacts = Readonly<Record<Resource, readonly Limit[]>>;

/** How many dedicated lanes one resource allows. */
export interface Allowance {
  readonly resource: Resource;
  /** The tightest setting of the resource. */
  readonly setting: string;
  readonly lanes: number;
}

export interface ThreadBudget {
  /** Number of dedicated lanes that the machine can carry. */
  readonly lanes: number;
  readonly limitedBy: Resource;
  /** One per resource with a known limit, the smallest first. */
  readonly allowances: readonly Allowance[];
}

/**
 * Use of one dedicated lane, measured on Node 26 and Linux x64: the growth of the process with 40 to 200 lanes, divided
 * by their number, after 20 to 300 heartbeats of 4 tasks each.
 */
const PER_LANE: Readonly<Record<Resource, number>> = {
  // 7.0 to 8.4 MB (Rss in /proc/self/smaps_rollup), including the worker's slot. With 500 tasks per heartbeat: 15 MB.
  memory: 10e6,
  // The kernel counts threads as processes.
  processes: 1,
  // 34 to 36 lines of /proc/self/maps, nearly all of them V8 heap spaces. With 500 tasks: 52.
  'memory maps': 40,
  // 5 in /proc/self/fd, for the thread's event loop, and the connection of its worker.
  'open files': 6,
};

/**
 * Use of the rest of a master with HTTP and an agent in its process, in addition to what it used when the facts were
 * read. Measured: 84 MB, 6 threads (4 of libuv, HTTP, agent), 254 maps and 16 files. Tools that an agent runs are
 * short-lived processes.
 */
const REST_OF_MASTER: Readonly<Record<Resource, number>> = {
  memory: 100e6,
  processes: 16,
  'memory maps': 300,
  'open files': 32,
};

/**
 * The remaining quarter is for what grows with the fleet and with time: the heaps of main and of shared lanes,
 * connections of workers on shared lanes, threads that end while others start in their place, and heartbeats larger
 * than those measured above. The reserve is large because V8 aborts the whole process when an allocation of memory or a
 * map fails.
 */
const LANES_SHARE = 0.75;

/** @param sharedLanes maximum number; each uses as much as a dedicated lane, plus what its workers need */
export function threadBudget(facts: MachineFacts, sharedLanes: number): ThreadBudget {
  const allowances = RESOURCES.flatMap((resource) => {
    const [least] = facts[resource].map((limit) => allowanceOf(resource, limit, sharedLanes)).sort(byLanes);
    return least ?? [];
  }).sort(byLanes);
  const [least] = allowances;
  if (least === undefined) throw new Error('no limit is known, not even the machine’s memory');
  return { lanes: least.lanes, limitedBy: least.resource, allowances };
}

function allowanceOf(resource: Resource, { setting, most, taken }: Limit, sharedLanes: number): Allowance {
  const perLane = PER_LANE[resource];
  const free = most - taken - REST_OF_MASTER[resource] - sharedLanes * perLane;
  return { resource, setting, lanes: Math.max(0, Math.floor((free * LANES_SHARE) / perLane)) };
}

/**
 * Whether the current memory allows another dedicated lane: other processes may have taken meanwhile what was free when
 * the lanes were planned. Half of the plan's reserve must stay free.
 *
 * @param atStart the limits that the plan was made from
 */
export function carriesAnother(atStart: readonly Limit[], now: readonly Limit[]): boolean {
  return now.every(({ setting, most, taken }) => {
    const before = atStart.find((limit) => limit.setting === setting && limit.most === most);
    const freeAtStart = before === undefined ? 0 : Math.max(0, before.most - before.taken);
    return most - taken - PER_LANE.memory >= (freeAtStart * (1 - LANES_SHARE)) / 2;
  });
}

function byLanes(a: Allowance, b: Allowance): number {
  return a.lanes - b.lanes;
}
