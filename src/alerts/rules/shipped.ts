/**
 * The rules that are active without a rule file, and beside its own unless `disable` names them. docs/alert-runbooks.md says what to do
 * about each.
 *
 * They must be silent on a healthy fleet: each condition holds only for what needs a person, `for` waits for what passes by itself, and
 * `clear_when` or `keep_firing_for` keep an alert together that would end and begin again.
 *
 * Severities: `page` – somebody must act now; `warning` – today; `info` – worth a look.
 */

import { RUNBOOKS_PATH, runbookAnchor } from '../../model/alert-runbooks.ts';
import { NOWHERE } from './document.ts';
import { Problems } from './problems.ts';
import type { Rule } from './rule.ts';
import { ruleOf } from './rule-of.ts';
import type { RuleFields } from './schema.ts';

type ShippedRule = Pick<RuleFields, 'alert' | 'when' | 'severity'> & {
  readonly for_each: RuleFields['for_each'];
  readonly clear_when?: string;
  readonly for?: string;
  readonly keep_firing_for?: string;
  readonly annotations: { readonly summary: string; readonly description: string };
};

const SHIPPED: readonly ShippedRule[] = [
  {
    alert: 'WorkerInactive',
    for_each: 'worker',
    when: 'state == "inactive"',
    // The state itself waits for INACTIVITY_TIMEOUT. If most of a group goes silent, the brake engages within that time again: then
    // there is one alert of the group, and none of its workers.
    for: '30s',
    // A worker that sends one heartbeat and falls silent again has not recovered.
    keep_firing_for: '1m',
    severity: 'warning',
    annotations: {
      summary: '{{ worker_id }} is inactive',
      description:
        'The worker {{ worker_id }} sends no heartbeats any more. It has been inactive for {{ int(state_seconds) }} s.',
    },
  },
  {
    alert: 'GroupMostlySilent',
    for_each: 'group',
    // The threshold of the brake, and the same once the brake is over because it was held for as long as it may be. A worker that said
    // farewell or has never reported is neither active nor inactive: it is not expected to report, and says nothing about the others.
    when: 'brake || inactive >= 3 && inactive * 100 >= (active + inactive) * 55',
    // The brake's own: it is released at half of its threshold.
    clear_when: '!brake && inactive * 200 <= (active + inactive) * 55',
    // A switch that restarts, or a short failure of the network, wakes nobody. Meanwhile the brake keeps the workers from being judged.
    for: '1m',
    keep_firing_for: '1m',
    severity: 'page',
    annotations: {
      summary: 'Most of {{ name == "" ? "the workers without a group" : "the group " + name }} is silent',
      description:
        'Most workers of the group went silent at the same time, which points to its network or power, or to the network of this master. {{ brake ? "While the brake is held, its workers are not judged, and their own alerts are not sent." : string(inactive) + " of the " + string(active + inactive) + " workers that should report are inactive." }}',
    },
  },
  {
    alert: 'WorkerStuck',
    for_each: 'worker',
    when: 'stuck',
    // A long garbage collection or a stopped debugger passes.
    for: '1m',
    keep_firing_for: '2m',
    severity: 'warning',
    annotations: {
      summary: '{{ worker_id }} is stuck',
      description:
        'The worker {{ worker_id }} sends heartbeats, but makes no progress: its program is blocked, or a task has reported the same progress for too long.',
    },
  },
  {
    alert: 'WorkerFlapping',
    for_each: 'worker',
    // Flapping begins and ends at different shares of changes, so that it needs no `for`.
    when: 'flapping',
    keep_firing_for: '5m',
    severity: 'warning',
    annotations: {
      summary: '{{ worker_id }} keeps going and coming',
      description:
        'The worker {{ worker_id }} has changed its state again and again for some minutes. Its connection is bad, or it restarts in a loop ({{ restarts }} restarts).',
    },
  },
  {
    alert: 'LaneQuarantined',
    for_each: 'worker',
    when: 'lane_state == "quarantined"',
    // A lane in quarantine is tried again by a timer; the first time soon.
    for: '30s',
    // Between two quarantines it runs for a moment.
    keep_firing_for: '2m',
    severity: 'warning',
    annotations: {
      summary: 'The lane of {{ worker_id }} is in quarantine',
      description:
        'The thread that processes heartbeats of {{ worker_id }} failed too often. Its last good values are shown, newer ones wait.',
    },
  },
  {
    alert: 'HeartbeatsDropped',
    for_each: 'worker',
    // More than a fifth of its heartbeats: one that is lost now and then needs nobody.
    when: '(rate("missed", "5m") + rate("dropped", "5m")) * interval_ms > 200',
    clear_when: '(rate("missed", "5m") + rate("dropped", "5m")) * interval_ms < 50',
    // Longer than the window: heartbeats missed during one outage are counted at once when it ends, and are in the window for 5 minutes.
    for: '10m',
    severity: 'warning',
    annotations: {
      summary: 'Heartbeats of {{ worker_id }} are dropped',
      description:
        'For 10 minutes, more than a fifth of the heartbeats of {{ worker_id }} were missed ({{ missed }} since it registered) or dropped ({{ dropped }}).',
    },
  },
  {
    alert: 'StorageFullSoon',
    for_each: 'worker',
    // An hour is longer than most jobs that fill a disk for a while. A disk that is half empty is not urgent at any rate of growth. One
    // that is full does not grow any more, so that the prediction alone would call that a recovery.
    when: 'storage_usage >= 98 || storage_usage > 50 && predict("storage_usage", "1h", "4h") >= 100',
    clear_when: 'storage_usage < 95 && predict("storage_usage", "1h", "4h") < 100',
    for: '10m',
    // The line turns as soon as something is deleted; that alone is no recovery.
    keep_firing_for: '15m',
    severity: 'page',
    annotations: {
      summary: 'The storage of {{ worker_id }} is {{ storage_usage >= 98 ? "full" : "full within 4 hours" }}',
      description:
        'The storage of {{ worker_id }} is at {{ storage_usage }} %. The alert fires at 98 %, or if it is full within 4 hours when it grows as in the last hour. It is over below 95 %, when it does not grow like that any more.',
    },
  },
  {
    alert: 'MemoryNearLimit',
    for_each: 'worker',
    when: 'memory_usage > 95',
    clear_when: 'memory_usage < 90',
    // Peaks of a task pass; the system kills processes when there is nothing left.
    for: '5m',
    severity: 'warning',
    annotations: {
      summary: 'The memory of {{ worker_id }} is nearly used up',
      description:
        'The memory of {{ worker_id }} has been above 95 % for 5 minutes, and is at {{ memory_usage }} % now.',
    },
  },
  {
    alert: 'GpuGone',
    for_each: 'worker',
    when: 'size(gpus) < gpus_seen',
    // A driver that is slow for one heartbeat names no devices.
    for: '2m',
    keep_firing_for: '5m',
    severity: 'warning',
    annotations: {
      summary: '{{ worker_id }} has lost a GPU',
      description: 'The worker {{ worker_id }} reports {{ size(gpus) }} GPUs and had {{ gpus_seen }}.',
    },
  },
  {
    alert: 'ExpectedWorkerAbsent',
    for_each: 'worker',
    // Somebody registered it, and it has sent nothing since.
    when: 'state == "registered"',
    // Long enough to start a machine.
    for: '10m',
    severity: 'warning',
    annotations: {
      summary: '{{ worker_id }} has never reported',
      description:
        'The worker {{ worker_id }} was registered {{ int(state_seconds / 60) }} minutes ago, and none of its heartbeats was accepted.',
    },
  },
  {
    alert: 'ClockSkew',
    for_each: 'worker',
    // Time synchronization keeps clocks within some ms; certificates, tokens and logs suffer from seconds.
    when: 'skew_ms > 2000 || skew_ms < -2000',
    clear_when: 'skew_ms < 1000 && skew_ms > -1000',
    // After a start or a resume, the clock is set within minutes.
    for: '5m',
    severity: 'warning',
    annotations: {
      summary: 'The clock of {{ worker_id }} is wrong',
      description:
        'The clock of {{ worker_id }} is {{ skew_ms / 1000 }} s ahead of the master (negative: behind). Check the time synchronization of both.',
    },
  },
  {
    alert: 'HistoryDegraded',
    for_each: 'cluster',
    when: 'history_state == "degraded"',
    // A database that restarts is back within that time; until then samples wait on disk.
    for: '2m',
    keep_firing_for: '1m',
    severity: 'warning',
    annotations: {
      summary: 'The history is not written',
      description:
        'The history cannot be written to its database. Samples wait on disk, which is bounded: see history in /api/v1/status.',
    },
  },
  {
    alert: 'Anomaly',
    for_each: 'worker',
    // A score this high needs several samples that agree, so that it needs no `for`.
    when: 'score >= 0.8',
    clear_when: 'score < 0.5',
    keep_firing_for: '2m',
    severity: 'info',
    annotations: {
      summary: '{{ worker_id }} behaves unusually: {{ score_metric }}',
      description: 'On {{ worker_id }}: {{ score_reason }}.',
    },
  },
];

/** Checked once: it is a fault of this file if a rule is wrong. */
let rules: readonly Rule[] | undefined;

export function shippedRules(): readonly Rule[] {
  rules ??= SHIPPED.map((fields) => {
    const problems = new Problems(NOWHERE);
    const rule = ruleOf(fields, [], problems, true);
    if (rule === undefined || problems.found.length > 0) {
      throw new Error(
        `the shipped rule ${fields.alert} is wrong: ${problems.found.map(({ message }) => message).join('; ')}`,
      );
    }
    return { ...rule, runbookUrl: runbookOf(rule.name) };
  });
  return rules;
}

/** A path of the master, which `runbookLink` makes a link. */
function runbookOf(name: string): string {
  return `${RUNBOOKS_PATH}#${runbookAnchor(name)}`;
}
