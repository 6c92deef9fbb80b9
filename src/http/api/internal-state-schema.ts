/** The schema of the master's internal state. */
import { z } from '@hono/zod-openapi';
import type { InternalState } from '../../engine/internal-state.ts';
import { FAULT_CAUSES, LANE_KINDS, LANE_STATES, REJECTION_CAUSES, REPLACEMENT_REASONS } from '../../model/lanes.ts';
import { LaneLimitJson, laneLimitJson } from './lane-limit.ts';

const counts = <Name extends string>(names: readonly Name[]) =>
  z.object(Object.fromEntries(names.map((name) => [name, z.int()])) as Record<Name, z.ZodInt>);

const InsideLane = z
  .object({
    number: z.int().openapi({ description: 'Lanes are numbered in the order in which they were started.' }),
    kind: z.enum(LANE_KINDS),
    state: z.enum(LANE_STATES),
    workers: z.int().openapi({ description: 'The number of its workers.' }),
    restarts: z.int(),
    last_error: z.string().nullable().openapi({ description: 'Why its thread last failed; null if it never did.' }),
    worker_ids: z.array(z.string()).openapi({ description: 'Ids of its workers.' }),
  })
  .openapi('InsideLane');

export const InternalStateJson = z
  .object({
    boot_id: z.string().openapi({ description: 'Identifies this start of the master.' }),
    workers: z.int(),
    active_workers: z.int(),
    pending: z.int().openapi({ description: 'Workers that wait for approval.' }),
    lanes: z.array(InsideLane).openapi({ description: 'All lanes, including idle ones.' }),
    lane_limit: LaneLimitJson.nullable(),
    thread_budget: z.object({
      dedicated: z.int().openapi({ description: 'The most workers that can have a lane of their own.' }),
      shared: z.int().openapi({ description: 'Lanes for all others.' }),
      by_cores: z.int().openapi({ description: 'Lanes that run well on the cores of this machine.' }),
      allowances: z
        .array(z.object({ resource: z.string(), setting: z.string(), lanes: z.int() }))
        .openapi({ description: 'How many lanes each resource of the machine allows, the fewest first.' }),
    }),
    threads_left_behind: z.int().openapi({ description: 'Threads that were ended and still run.' }),
    record_memory: z.object({
      budget_bytes: z.int(),
      slot_bytes: z.int(),
      heartbeat_bytes: z.int(),
      let_go_bytes: z.int(),
      largest_record_bytes: z.int(),
    }),
    heartbeats: z
      .object({
        accepted: z.int(),
        applied: z.int(),
        rejected_by_cause: counts(REJECTION_CAUSES),
        replaced_by_reason: counts(REPLACEMENT_REASONS),
        lost_by_cause: counts(FAULT_CAUSES),
        forgotten: z.int().openapi({ description: 'Not processed yet when their worker was forgotten.' }),
      })
      .openapi({ description: 'Since the start, including those of workers that were forgotten since.' }),
    grpc: z.object({ connections: z.int(), streams: z.int(), refused: z.record(z.string(), z.int()) }),
    main_thread: z
      .object({ mean_delay_ms: z.number(), max_delay_ms: z.number() })
      .openapi({ description: 'How late its timers were in the last 10 s.' }),
    update_callback: z.object({ merged: z.int(), errors: z.int() }),
  })
  .openapi('InternalState');

/** @param laneWorkers ids by the number of the lane */
export function internalStateJson(
  state: InternalState,
  laneWorkers: ReadonlyMap<number, { readonly workers: readonly string[] }>,
): z.input<typeof InternalStateJson> {
  const { lanePlan, recordMemory, totals, gauges } = state;
  return {
    boot_id: state.bootId,
    workers: state.workers,
    active_workers: state.activeWorkers,
    pending: state.pending.length,
    lanes: state.lanes.map(({ number, kind, state: laneState, workers, restarts, lastError = null }) => ({
      number,
      kind,
      state: laneState,
      workers,
      restarts,
      last_error: lastError,
      worker_ids: [...(laneWorkers.get(number)?.workers ?? [])],
    })),
    lane_limit: laneLimitJson(state.laneLimit),
    thread_budget: {
      dedicated: lanePlan.dedicated,
      shared: lanePlan.shared,
      by_cores: lanePlan.byCores,
      allowances: lanePlan.budget.allowances.map(({ resource, setting, lanes }) => ({ resource, setting, lanes })),
    },
    threads_left_behind: state.threadsLeftBehind,
    record_memory: {
      budget_bytes: recordMemory.budgetBytes,
      slot_bytes: recordMemory.slotBytes,
      heartbeat_bytes: recordMemory.heartbeatBytes,
      let_go_bytes: recordMemory.letGoBytes,
      largest_record_bytes: recordMemory.largestRecordBytes,
    },
    heartbeats: {
      accepted: totals.accepted,
      applied: totals.applied,
      rejected_by_cause: totals.rejectedBy,
      replaced_by_reason: totals.replacedBy,
      lost_by_cause: totals.lostBy,
      forgotten: totals.forgotten,
    },
    grpc: { connections: gauges.connections, streams: gauges.streams, refused: state.refusals },
    main_thread: { mean_delay_ms: gauges.loopDelayMs.mean, max_delay_ms: gauges.loopDelayMs.max },
    update_callback: { merged: state.mergedUpdates, errors: state.callbackErrors },
  };
}
