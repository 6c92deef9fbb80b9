/**
 * How many workers can get a thread of their own on this machine: a pure function of its limits, which
 * machine-facts.ts reads.
 *
 * Of what is free of a limit, first comes off what the rest of the master will take when it has all started; of what
 * remains the dedicated lanes get their share. Overcommitted address space is no limit.
 */
/** What a dedicated lane takes of the system. */
const RESOURCES = ['memory', 'processes', 'memory maps', 'open files'] as const;
export type Resource = (typeof RESOURCES)[number];

/** A limit of the system: in bytes of memory, or in pieces of anything else. */
export interface Limit {
  /** What it is called where it can be raised, such as `vm.max_map_count`. */
  readonly setting: string;
  readonly most: number;
  /** By whoever shares it, when the facts were read. */
  readonly taken: number;
}

/** The limits that are known. A resource may have several, all of which bind; memory has one at least. */
export type MachineFacts = Readonly<Record<Resource, readonly Limit[]>>;

/** How many dedicated lanes one resource allows. */
export interface Allowance {
  readonly resource: Resource;
  /** The setting that binds. */
  readonly setting: string;
  readonly lanes: number;
}

export interface ThreadBudget {
  /** Dedicated lanes that this machine carries. */
  readonly lanes: number;
  readonly limitedBy: Resource;
  /** One for each resource with a known limit, the least first. */
  readonly allowances: readonly Allowance[];
}

/**
 * Of one dedicated lane, on Node 26 and Linux x64: what 40 to 200 lanes added to the process, divided by their number,
 * after 20 to 300 heartbeats of 4 tasks each.
 */
const PER_LANE: Readonly<Record<Resource, number>> = {
  // 7.0 to 8.4 MB (Rss in /proc/self/smaps_rollup), the worker's slot included. With 500 tasks in each heartbeat it is 15.
  memory: 10e6,
  // A thread is a process to the kernel's limits.
  processes: 1,
  // 34 to 36 lines of /proc/self/maps, nearly all of them spaces of V8's heap. With 500 tasks it is 52.
  'memory maps': 40,
  // 5 in /proc/self/fd, all of the thread's event loop, and the connection of its worker.
  'open files': 6,
};

/**
 * What a master with HTTP and an agent in its process takes beyond what it had when the facts were read: the difference
 * was 84 MB, 6 threads (4 of libuv, HTTP, agent), 254 maps and 16 files. Programs that an agent runs to measure are
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
 * connections of workers that share, threads that end while others start in their place, and heartbeats larger than
 * those above. It is not small, since a process that is refused memory or a map does not lose a lane: V8 aborts it.
 */
const LANES_SHARE = 0.75;

/** @param sharedLanes as many as there may be; each takes what a dedicated one does, and what its workers add. */
export function threadBudget(facts: MachineFacts, sharedLanes: number): ThreadBudget {
  const allowances = RESOURCES.flatMap((resource) => {
    const [least] = facts[resource].map((limit) => allowanceOf(resource, limit, sharedLanes)).sort(byLanes);
    return least ?? [];
  }).sort(byLanes);
  const [least] = allowances;
  if (least === undefined) throw new Error('no limit is known, not even the memory of the machine');
  return { lanes: least.lanes, limitedBy: least.resource, allowances };
}

function allowanceOf(resource: Resource, { setting, most, taken }: Limit, sharedLanes: number): Allowance {
  const perLane = PER_LANE[resource];
  const free = most - taken - REST_OF_MASTER[resource] - sharedLanes * perLane;
  return { resource, setting, lanes: Math.max(0, Math.floor((free * LANES_SHARE) / perLane)) };
}

/**
 * Whether memory, as it is now, carries another dedicated lane: others on the machine may have taken meanwhile what was
 * free when the lanes were planned. Half of what the plan left over must stay free.
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
