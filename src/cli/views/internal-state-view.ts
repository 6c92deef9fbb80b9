/** The inside of a master: of this process, or elsewhere as its API answers. */
import { z } from 'zod';
import type { InternalState } from '../../engine/internal-state.ts';
import type { LanePlan } from '../../engine/lanes/lane-plan.ts';
import { FAULT_CAUSES, LANE_KINDS, REJECTION_CAUSES, REPLACEMENT_REASONS } from '../../model/lanes.ts';
import type { Directory } from '../../reading/directory.ts';
import { lanesWithWorkers } from '../../reading/lane-workers.ts';
import { type ApiAnswer, notTelemetry } from './api-answer.ts';
import type { LaneLimitView } from './views.ts';

/** What is shown of the numbers of lanes. */
export type LanePlanView = Pick<LanePlan, 'dedicated' | 'byCores'> & {
  readonly budget: {
    readonly allowances: readonly { readonly resource: string; readonly setting: string; readonly lanes: number }[];
  };
};

export interface LaneRow {
  readonly number: number;
  readonly kind: InternalState['lanes'][number]['kind'];
  readonly state: string;
  readonly workers: number;
  readonly restarts: number;
  readonly lastError: string | undefined;
  /** The workers that it serves. */
  readonly workerIds: readonly string[];
}

export interface InternalStateView
  extends Pick<
    InternalState,
    | 'bootId'
    | 'workers'
    | 'activeWorkers'
    | 'threadsLeftBehind'
    | 'recordMemory'
    | 'refusals'
    | 'totals'
    | 'mergedUpdates'
    | 'callbackErrors'
  > {
  readonly pending: number;
  readonly lanes: readonly LaneRow[];
  readonly lanePlan: LanePlanView;
  readonly laneLimit: LaneLimitView | undefined;
  readonly gauges: Pick<InternalState['gauges'], 'connections' | 'streams' | 'loopDelayMs'>;
}

export function internalStateView(state: InternalState, directory: Directory): InternalStateView {
  const workersOf = lanesWithWorkers(directory);
  return {
    ...state,
    pending: state.pending.length,
    lanes: state.lanes.map((lane) => ({ ...lane, workerIds: workersOf.get(lane.number)?.workers ?? [] })),
  };
}

const number = z.number();
/** A count for each name; a master of before a name came counts 0 of it. */
const counts = <K extends string>(names: readonly K[]) =>
  z.object(
    Object.fromEntries(names.map((name) => [name, number.default(0)])) as {
      readonly [Name in K]: z.ZodDefault<z.ZodNumber>;
    },
  );

const stateJson = z.object({
  boot_id: z.string(),
  workers: number,
  active_workers: number,
  pending: number,
  lanes: z.array(
    z.object({
      number,
      kind: z.enum(LANE_KINDS),
      state: z.string(),
      workers: number,
      restarts: number,
      last_error: z.string().nullable(),
      worker_ids: z.array(z.string()),
    }),
  ),
  lane_limit: z
    .object({ dedicated: number, limited_by: z.string(), setting: z.string(), memory_short: z.boolean() })
    .nullable(),
  thread_budget: z.object({
    dedicated: number,
    by_cores: number,
    allowances: z.array(z.object({ resource: z.string(), setting: z.string(), lanes: number })),
  }),
  threads_left_behind: number,
  record_memory: z.object({
    budget_bytes: number,
    slot_bytes: number,
    heartbeat_bytes: number,
    let_go_bytes: number,
    largest_record_bytes: number,
  }),
  heartbeats: z.object({
    accepted: number,
    applied: number,
    rejected_by_cause: counts(REJECTION_CAUSES),
    replaced_by_reason: counts(REPLACEMENT_REASONS),
    lost_by_cause: counts(FAULT_CAUSES),
    forgotten: number,
  }),
  grpc: z.object({ connections: number, streams: number, refused: z.record(z.string(), number) }),
  main_thread: z.object({ mean_delay_ms: number, max_delay_ms: number }),
  update_callback: z.object({ merged: number, errors: number }),
});

/** Of `GET /api/v1/internal-state`. */
export function internalStateOf({ body }: ApiAnswer): InternalStateView {
  const parsed = stateJson.safeParse(body);
  if (!parsed.success) throw notTelemetry('/api/v1/internal-state');
  const { lane_limit: limit, thread_budget: budget, record_memory: memory, heartbeats, grpc, ...told } = parsed.data;
  return {
    bootId: told.boot_id,
    workers: told.workers,
    activeWorkers: told.active_workers,
    pending: told.pending,
    lanes: told.lanes.map(({ last_error, worker_ids, ...lane }) => ({
      ...lane,
      lastError: last_error ?? undefined,
      workerIds: worker_ids,
    })),
    lanePlan: {
      dedicated: budget.dedicated,
      byCores: budget.by_cores,
      budget: { allowances: budget.allowances },
    },
    laneLimit:
      limit === null ? undefined : { ...limit, limitedBy: limit.limited_by, isMemoryShort: limit.memory_short },
    threadsLeftBehind: told.threads_left_behind,
    recordMemory: {
      budgetBytes: memory.budget_bytes,
      slotBytes: memory.slot_bytes,
      heartbeatBytes: memory.heartbeat_bytes,
      letGoBytes: memory.let_go_bytes,
      largestRecordBytes: memory.largest_record_bytes,
    },
    refusals: grpc.refused,
    totals: {
      accepted: heartbeats.accepted,
      applied: heartbeats.applied,
      rejectedBy: heartbeats.rejected_by_cause,
      replacedBy: heartbeats.replaced_by_reason,
      lostBy: heartbeats.lost_by_cause,
      forgotten: heartbeats.forgotten,
    },
    gauges: {
      connections: grpc.connections,
      streams: grpc.streams,
      loopDelayMs: { mean: told.main_thread.mean_delay_ms, max: told.main_thread.max_delay_ms },
    },
    mergedUpdates: told.update_callback.merged,
    callbackErrors: told.update_callback.errors,
  };
}
