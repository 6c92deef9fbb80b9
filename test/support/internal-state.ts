/** The inside of a master. */
import type { InternalState } from '../../src/engine/internal-state.ts';
import type { LanePlan } from '../../src/engine/lanes/lane-plan.ts';
import { FAULT_CAUSES, LANE_KINDS, LANE_STATES, REJECTION_CAUSES, REPLACEMENT_REASONS } from '../../src/model/lanes.ts';
import { noneOf, noneOfTable } from '../../src/store/master-figures.ts';

/** Of a machine whose memory limits the lanes. */
export const LANE_PLAN: LanePlan = {
  dedicated: 742,
  isSet: false,
  shared: 2,
  byCores: 1024,
  budget: {
    lanes: 742,
    limitedBy: 'memory',
    allowances: [
      { resource: 'memory', setting: 'memory.max', lanes: 742 },
      { resource: 'memory maps', setting: 'vm.max_map_count', lanes: 1217 },
      { resource: 'processes', setting: 'kernel.threads-max', lanes: 144_000 },
    ],
  },
};

/** Every member has a value of its own. */
export const INTERNAL_STATE: InternalState = {
  workers: 2,
  activeWorkers: 1,
  lanes: [
    { number: 1, kind: 'dedicated', state: 'ready', workers: 1, restarts: 0, lastError: undefined },
    { number: 2, kind: 'shared', state: 'ready', workers: 2, restarts: 3, lastError: 'it ended' },
  ],
  laneLimit: {
    dedicated: 2527,
    limitedBy: 'MAX_DEDICATED_LANES',
    setting: 'MAX_DEDICATED_LANES',
    isMemoryShort: false,
  },
  lanePlan: { ...LANE_PLAN, dedicated: 2527, isSet: true, shared: 1 },
  threadsLeftBehind: 2,
  bootId: '0123456789abcdef0123456789abcdef',
  totals: {
    accepted: 1204,
    applied: 1200,
    replacedBy: { ...noneOf(REPLACEMENT_REASONS), backlog: 1 },
    rejectedBy: { ...noneOf(REJECTION_CAUSES), content: 1 },
    lostBy: { ...noneOf(FAULT_CAUSES), stall: 1 },
    forgotten: 1,
  },
  gauges: {
    loopDelayMs: { mean: 0.25, max: 12 },
    connections: 1,
    streams: 3,
    lanes: { ...noneOfTable(LANE_KINDS, LANE_STATES), shared: { ...noneOf(LANE_STATES), ready: 2 } },
    laneLagMs: noneOf(LANE_KINDS),
    threadsLeftBehind: 2,
  },
  pending: [],
  recordMemory: {
    budgetBytes: 512 * 1024 ** 2,
    slotBytes: 1024 ** 2,
    heartbeatBytes: 0,
    letGoBytes: 0,
    largestRecordBytes: 8 * 1024 ** 2,
  },
  mergedUpdates: 0,
  refusals: { peer_heartbeat_rate: 1200 },
  callbackErrors: 1,
};
