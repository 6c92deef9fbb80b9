/** The schema of a worker's detail, and how it is written. */
import { z } from '@hono/zod-openapi';
import { causeText, REASON_NAMES } from '../../model/anomaly/words.ts';
import { ISOLATIONS, wishesOwnLane } from '../../model/isolation.ts';
import { FAULT_CAUSES, LANE_KINDS, LANE_STATES, REJECTION_CAUSES, REPLACEMENT_REASONS } from '../../model/lanes.ts';
import { STATE_CAUSES, WORKER_STATES } from '../../model/liveness.ts';
import { STUCK_REASONS } from '../../model/stuck.ts';
import type { WorkerFacts } from '../../model/worker-facts.ts';
import { readWhileThere, type WorkerEntry } from '../../reading/directory.ts';
import { leftOutOfHistory } from '../../reading/left-out.ts';
import { scoreOf } from '../../reading/scores.ts';
import { hasGpu } from '../../reading/values.ts';
import type { SlotReader, SlotScore } from '../../store/slot-reader.ts';
import type { RecordNumbers } from '../../store/slot-writer.ts';
import type { JsonText } from '../bodies/json-text.ts';
import { isShownActive } from '../bodies/worker-json.ts';
import type { AppContext } from '../context.ts';
import { Gpu, RunningTaskSchema } from './legacy-schemas.ts';
import { moment } from './schemas.ts';

const percentage = z.number();

const Record = z.object({
  worker_id: z.string(),
  cpu_usage: percentage,
  memory_usage: percentage,
  gpu_usage: percentage,
  storage_usage: percentage,
  running_tasks: z.array(RunningTaskSchema),
  metrics: z
    .record(z.string(), z.number())
    .optional()
    .openapi({ description: 'Custom metrics; absent if there are none.' }),
  gpus: z.array(Gpu).optional().openapi({ description: 'Absent if there are none.' }),
  received_at: moment('When the master received it.'),
  published_at: moment('When its lane published it.').nullable(),
  sent_at: moment('By the worker’s own clock.').nullable(),
  sequence: z.int().nullable().openapi({ description: 'Counts the heartbeats of one worker instance, from 1.' }),
  host_loop_lag_ms: z
    .number()
    .nullable()
    .openapi({ description: 'How late the event loop of the worker’s program ran; null if it reports none.' }),
  last_round_trip_ms: z
    .number()
    .nullable()
    .openapi({ description: 'How long the previous heartbeat waited for its ack; null if it reports none.' }),
});

const counter = z.int();

export const WorkerDetailSchema = z
  .object({
    worker_id: z.string(),
    state: z.enum(WORKER_STATES),
    cause: z.enum(STATE_CAUSES).openapi({ description: 'Why the worker is in this state.' }),
    since: moment('Since when it is in this state.'),
    is_active: z.boolean(),
    stuck: z
      .enum(STUCK_REASONS)
      .nullable()
      .openapi({ description: 'Heartbeats arrive, but nothing changes in the worker; null if it is not stuck.' }),
    flapping: z
      .boolean()
      .openapi({ description: 'It changes state so often that changes are counted but no longer reported as events.' }),
    id_conflict: z.boolean().openapi({ description: 'Two instances use this id.' }),
    interval_ms: z.int().openapi({ description: 'How often it sends heartbeats.' }),
    skew_ms: z.int().nullable().openapi({ description: 'How far its clock is ahead of the master’s.' }),
    restarts: counter.openapi({ description: 'How often it came back as a new instance.' }),
    registered_at: moment('When the master first saw it.'),
    last_update_at: moment('When its last heartbeat was accepted; before the first one, when it registered.'),
    lane: z
      .object({ number: z.int(), kind: z.enum(LANE_KINDS), state: z.enum(LANE_STATES), restarts: counter })
      .openapi({ description: 'The thread that processes its heartbeats.' }),
    isolation: z
      .object({
        decided: z.enum(ISOLATIONS).openapi({ description: 'What an operator decided; `auto`: no decision.' }),
        wished: z
          .enum(['dedicated'])
          .nullable()
          .openapi({ description: 'What the worker asks for with its label `pulselane.isolation`.' }),
      })
      .openapi({
        description:
          'Which kind of lane it should have. The kind it has now is `lane.kind`; that is the `isolation` of lists, filters and the stream.',
      }),
    heartbeats: z
      .object({
        accepted: counter,
        missed: counter.openapi({ description: 'Sent but never received.' }),
        late: counter,
        duplicate: counter,
        applied: counter,
        rejected: counter.openapi({ description: 'Accepted, then rejected for their content.' }),
        replaced: counter.openapi({ description: 'Superseded by a newer one before processing.' }),
        replaced_by_reason: z.object(counterOf(REPLACEMENT_REASONS)),
        lost: counter.openapi({ description: 'In process when their lane failed.' }),
        lost_by_cause: z.object(counterOf(FAULT_CAUSES)),
      })
      .openapi({ description: 'What became of the heartbeats.' }),
    last_rejection: z
      .object({
        cause: z.enum(REJECTION_CAUSES),
        reason: z.string(),
        at: moment('When.'),
        sequence: z.int().nullable().openapi({ description: 'The heartbeat’s sequence number; null if it has none.' }),
      })
      .nullable()
      .openapi({ description: 'Why values were last rejected. The heartbeat still counts as a sign of life.' }),
    record_bytes: z.int().openapi({ description: 'The size of its record as JSON.' }),
    record_room_bytes: z.int().openapi({ description: 'The size its slot has room for; memory holds it twice.' }),
    history_left_out: z
      .object({
        metrics: z.int().openapi({ description: 'How many metrics of its last record.' }),
        names: z.array(z.string()).openapi({ description: 'The first ten of them, as history would name them.' }),
      })
      .openapi({
        description:
          'Metrics that are not kept in history: the worker has more than HISTORY_METRICS, or memory is short.',
      }),
    last_fault: z
      .object({ cause: z.enum(FAULT_CAUSES), reason: z.string(), at: moment('When.') })
      .nullable()
      .openapi({ description: 'The last lane failure attributed to this worker.' }),
    has_gpu: z
      .boolean()
      .openapi({ description: 'Whether it has reported a GPU. Without one, a gpu_usage of 0 is not a measurement.' }),
    anomaly: z
      .object({
        score: z.number().openapi({ description: '0 to 1; from 0.5 on it is an anomaly: several samples agree.' }),
        at: moment('When the sample was received, or compared with its group.'),
        metric: z.string().nullable().openapi({ description: 'As history names it; null below 0.5, as what follows.' }),
        reason: z.enum(REASON_NAMES).nullable(),
        text: z.string().nullable().openapi({ description: 'The reason in words.' }),
        value: z.number().nullable().openapi({ description: 'What the metric was.' }),
        usual: z.number().nullable().openapi({ description: 'What is usual, in the unit of the reason.' }),
      })
      .nullable()
      .openapi({
        description:
          'How unusual its newest sample is: of its metrics, and beside its group, the largest score. Null while nothing is scored: before its first heartbeat, and with `ANOMALIES=off`.',
      }),
    facts: z
      .object({
        group: z.string().openapi({ description: 'Workers that may fail together.' }),
        labels: z.record(z.string(), z.string()),
        ephemeral: z.boolean().openapi({ description: 'It comes and goes; its disappearance is not reported.' }),
        ip: z.string(),
        agent_version: z.string(),
        instance_id: z.string().openapi({ description: 'Identifies one run of its process.' }),
        capacity: z.object({
          cpu_cores: z.number(),
          memory_gib: z.number(),
          storage_gib: z.number(),
          gpus: z.number(),
        }),
      })
      .nullable()
      .openapi({ description: 'What it registered with; null if it only sent heartbeats.' }),
    record: Record.nullable().openapi({ description: 'Its newest heartbeat; null before the first one.' }),
  })
  .openapi('WorkerDetail');

type DetailJson = z.infer<typeof WorkerDetailSchema>;

function counterOf<K extends string>(names: readonly K[]) {
  return Object.fromEntries(names.map((name) => [name, counter])) as { readonly [Name in K]: typeof counter };
}

/**
 * Appends the worker. Its record is copied as its lane wrote it, without parsing.
 * @returns false if the worker was forgotten meanwhile
 */
export function putWorkerDetail(text: JsonText, entry: WorkerEntry, context: AppContext): boolean {
  const put = readWhileThere(context.directory.board, entry, () => {
    const json = JSON.stringify(detailOf(entry, context));
    text.append(Buffer.from(json.slice(0, -1))).ascii(',"record":');
    putRecord(text, entry.slot);
    return text.ascii('}');
  });
  return put !== undefined;
}

/** After this many tries, a record that keeps changing is written with the times of the previous one. */
const MAX_TRIES = 3;

function putRecord(text: JsonText, slot: SlotReader): void {
  const { length } = text;
  for (let tries = 1; ; tries++) {
    const { generation } = slot;
    const numbers = slot.numbers();
    if (numbers === undefined) {
      text.ascii('null');
      return;
    }
    text.put(({ buffer, at, end }) => slot.copyJsonHead(buffer, at, end));
    if (slot.generation === generation || tries === MAX_TRIES) {
      text.ascii(`,${JSON.stringify(timesOf(numbers)).slice(1)}`);
      return;
    }
    text.cutTo(length);
  }
}

function timesOf(numbers: RecordNumbers) {
  const { receivedUnixMs, receivedMonotonicMs, publishedMonotonicMs, sentAtUnixMs, sequence } = numbers;
  return {
    received_at: isoOf(receivedUnixMs),
    // Unknown for a record of an earlier master process.
    published_at:
      publishedMonotonicMs === 0 ? null : isoOf(receivedUnixMs + publishedMonotonicMs - receivedMonotonicMs),
    sent_at: sentAtUnixMs === 0 ? null : isoOf(sentAtUnixMs),
    sequence: sequence === 0 ? null : sequence,
    // A field that was not sent reads as 0.
    host_loop_lag_ms: numbers.hostLoopLagMs === 0 ? null : numbers.hostLoopLagMs,
    last_round_trip_ms: numbers.lastRoundTripMs === 0 ? null : numbers.lastRoundTripMs,
  };
}

function detailOf(entry: WorkerEntry, { directory, clock }: AppContext): Omit<DetailJson, 'record'> {
  const { workerId, row, slot, lastFault, facts } = entry;
  const view = directory.board.view(row, clock.monotonicMs());
  const { applied, rejected } = slot.counts();
  const rejection = slot.lastRejection();
  const leftOut = leftOutOfHistory(slot);
  return {
    worker_id: workerId,
    state: view.state,
    cause: view.cause,
    since: isoOf(view.stateSinceS * 1000),
    is_active: isShownActive(directory.board, entry),
    stuck: view.stuck ?? null,
    flapping: view.isFlapping,
    id_conflict: view.hasConflict,
    interval_ms: view.intervalMs,
    skew_ms: view.skewMs ?? null,
    restarts: view.restarts,
    registered_at: isoOf(view.registeredS * 1000),
    last_update_at: isoOf(view.lastUpdateS * 1000),
    lane: view.lane,
    isolation: {
      decided: entry.isolation,
      wished: facts !== undefined && wishesOwnLane(facts.labels) ? 'dedicated' : null,
    },
    heartbeats: {
      accepted: view.accepted,
      missed: view.missed,
      late: view.replacedBy.late,
      duplicate: view.replacedBy.duplicate,
      applied,
      rejected,
      replaced: view.replaced,
      replaced_by_reason: view.replacedBy,
      lost: view.lost,
      lost_by_cause: view.lostBy,
    },
    last_rejection:
      rejection === undefined
        ? null
        : {
            cause: rejection.cause,
            reason: rejection.reason,
            at: isoOf(rejection.atUnixMs),
            sequence: rejection.sequence === 0 ? null : rejection.sequence,
          },
    record_bytes: slot.jsonBytes,
    record_room_bytes: slot.capacityBytes,
    history_left_out: { metrics: leftOut.count, names: [...leftOut.names] },
    last_fault:
      lastFault === undefined
        ? null
        : { cause: lastFault.cause, reason: lastFault.reason, at: isoOf(lastFault.atUnixMs) },
    has_gpu: hasGpu(entry, slot.numbers()),
    anomaly: anomalyJson(scoreOf(entry, directory.board)),
    facts: facts === undefined ? null : factsJson(facts),
  };
}

function anomalyJson(scored: SlotScore | undefined): DetailJson['anomaly'] {
  if (scored === undefined) return null;
  const { score, receivedUnixMs, cause } = scored;
  return {
    score,
    at: isoOf(receivedUnixMs),
    metric: cause?.metric ?? null,
    reason: (cause && REASON_NAMES[cause.code]) ?? null,
    text: cause === undefined ? null : causeText(cause),
    value: cause?.value ?? null,
    usual: cause?.usual ?? null,
  };
}

function factsJson(facts: WorkerFacts) {
  return {
    group: facts.group,
    labels: facts.labels,
    ephemeral: facts.ephemeral,
    ip: facts.ip,
    agent_version: facts.agentVersion,
    instance_id: facts.instanceId,
    capacity: {
      cpu_cores: facts.totalCpu,
      memory_gib: facts.totalMemoryGib,
      storage_gib: facts.totalStorageGib,
      gpus: facts.totalGpu,
    },
  };
}

/** JavaScript's latest time: a worker's clock may have any value, and no answer must fail for it. */
const MAX_UNIX_MS = 8.64e15;

function isoOf(unixMs: number): string {
  return new Date(Math.max(-MAX_UNIX_MS, Math.min(MAX_UNIX_MS, unixMs))).toISOString();
}
