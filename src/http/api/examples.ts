/** Example answers too long to stand beside their routes; a test checks them against their schemas. */
import type { z } from '@hono/zod-openapi';
import type { ClusterJson } from './cluster-schema.ts';
import type { InternalStateJson } from './internal-state-schema.ts';
import type { Telemetry } from './legacy-schemas.ts';
import type { WorkerDetailSchema } from './worker-detail.ts';

const TASK = {
  task_id: 'task-000000',
  cpu_allocated: 0.5,
  memory_allocated: 0.25,
  gpu_allocated: 0,
  status: 'running',
};

export const TELEMETRY: z.infer<typeof Telemetry> = {
  worker_id: 'worker-1',
  cpu_usage: 14.9,
  memory_usage: 41.2,
  gpu_usage: 0,
  running_tasks: [TASK],
  storage_usage: 63.5,
  last_update: 1795456495,
  is_active: true,
};

export const WORKER_DETAIL: z.infer<typeof WorkerDetailSchema> = {
  worker_id: 'worker-1',
  state: 'active',
  cause: 'heartbeat',
  since: '2026-11-23T16:02:11.000Z',
  is_active: true,
  stuck: null,
  flapping: false,
  id_conflict: false,
  interval_ms: 5000,
  skew_ms: -12,
  restarts: 0,
  registered_at: '2026-11-23T16:02:11.000Z',
  last_update_at: '2026-11-23T17:54:55.000Z',
  lane: { number: 3, kind: 'dedicated', state: 'ready', restarts: 0 },
  isolation: { decided: 'auto', wished: null },
  heartbeats: {
    accepted: 874,
    missed: 1,
    late: 0,
    duplicate: 0,
    applied: 874,
    rejected: 0,
    replaced: 0,
    replaced_by_reason: { backlog: 0, restart: 0, quarantine: 0, late: 0, duplicate: 0, memory: 0 },
    lost: 0,
    lost_by_cause: { crash: 0, exit: 0, memory: 0, stall: 0 },
  },
  last_rejection: null,
  record_bytes: 412,
  record_room_bytes: 1024,
  history_left_out: { metrics: 0, names: [] },
  last_fault: null,
  has_gpu: false,
  anomaly: {
    score: 0.83,
    at: '2026-11-23T17:54:55.104Z',
    metric: 'memory_usage',
    reason: 'above',
    text: 'memory 7.2 × its usual spread above its usual 22.4 % for 9 samples',
    value: 41.2,
    usual: 22.4,
  },
  facts: {
    group: 'rack-7',
    labels: { zone: 'a' },
    ephemeral: false,
    ip: '10.0.0.17',
    agent_version: '0.2.0',
    instance_id: 'c5f4b1de-3a80-4f1c-9d0e-2f3f1f0f6a11',
    capacity: { cpu_cores: 16, memory_gib: 64, storage_gib: 960, gpus: 0 },
  },
  record: {
    worker_id: 'worker-1',
    cpu_usage: 14.9,
    memory_usage: 41.2,
    gpu_usage: 0,
    running_tasks: [TASK],
    storage_usage: 63.5,
    received_at: '2026-11-23T17:54:55.104Z',
    published_at: '2026-11-23T17:54:55.105Z',
    sent_at: '2026-11-23T17:54:55.090Z',
    sequence: 875,
    host_loop_lag_ms: 1,
    last_round_trip_ms: 2,
  },
};

const IDLE = { sum: 0, mean: 0, min: 0, max: 0, p50: 0, p90: 0, p95: 0, p99: 0 };
const NO_LANES = { starting: 0, ready: 0, restarting: 0, quarantined: 0, draining: 0, stopped: 0 };

export const CLUSTER: ClusterJson = {
  workers: {
    total: 3,
    active: 2,
    by_state: { registered: 0, active: 2, suspect: 0, inactive: 1, unknown: 0, leaving: 0, left: 0 },
  },
  groups: 1,
  usage: {
    workers: 2,
    cpu_usage: { sum: 18.1, mean: 9.05, min: 3.2, max: 14.9, p50: 3.2, p90: 14.9, p95: 14.9, p99: 14.9 },
    memory_usage: { sum: 82.4, mean: 41.2, min: 40, max: 42.4, p50: 40, p90: 42.4, p95: 42.4, p99: 42.4 },
    storage_usage: { sum: 127, mean: 63.5, min: 63, max: 64, p50: 63, p90: 64, p95: 64, p99: 64 },
    gpu_usage: IDLE,
    gpu_workers: 0,
  },
  running_tasks: 1,
  heartbeats: {
    total: 2622,
    per_second: 0.4,
    missed: 1,
    rejected: 0,
    replaced_by_reason: { backlog: 0, restart: 0, quarantine: 0, late: 0, duplicate: 0, memory: 0 },
    lost_by_cause: { crash: 0, exit: 0, memory: 0, stall: 0 },
  },
  lanes: { dedicated: { ...NO_LANES, ready: 2 }, shared: { ...NO_LANES, ready: 1 }, penalty: NO_LANES },
  flags: { stuck: 0, flapping: 0, id_conflict: 0 },
  grace: null,
  brakes: [],
  anomalies: { scored: 2, anomalous: 1, rate: 0.5 },
  alerts: { firing: 1, pending: 0, firing_by_severity: { page: 1 } },
  live_clients: 0,
  revision: 'frir53zq-1204',
};

export const INTERNAL_STATE: z.infer<typeof InternalStateJson> = {
  boot_id: '5a1c0f0be0f24a5d9d0be8f1c2a76b31',
  workers: 3,
  active_workers: 3,
  pending: 0,
  lanes: [
    {
      number: 1,
      kind: 'dedicated',
      state: 'ready',
      workers: 1,
      restarts: 0,
      last_error: null,
      worker_ids: ['worker-1'],
    },
    {
      number: 2,
      kind: 'shared',
      state: 'ready',
      workers: 2,
      restarts: 1,
      last_error: 'exit code 3',
      worker_ids: ['worker-2', 'worker-3'],
    },
  ],
  lane_limit: { dedicated: 1, limited_by: 'memory', setting: 'memory.max', memory_short: false },
  thread_budget: {
    dedicated: 1,
    shared: 1,
    by_cores: 64,
    allowances: [{ resource: 'memory', setting: 'memory.max', lanes: 1 }],
  },
  threads_left_behind: 0,
  record_memory: {
    budget_bytes: 536_870_912,
    slot_bytes: 73_400,
    heartbeat_bytes: 0,
    let_go_bytes: 0,
    largest_record_bytes: 8_388_608,
  },
  heartbeats: {
    accepted: 874,
    applied: 874,
    rejected_by_cause: { content: 0, record_size: 0, record_memory: 0 },
    replaced_by_reason: { backlog: 0, restart: 0, quarantine: 0, late: 0, duplicate: 0, memory: 0 },
    lost_by_cause: { crash: 0, exit: 0, memory: 0, stall: 0 },
    forgotten: 0,
  },
  grpc: { connections: 3, streams: 3, refused: { identity: 2 } },
  main_thread: { mean_delay_ms: 0.3, max_delay_ms: 4.1 },
  update_callback: { merged: 0, errors: 0 },
};
