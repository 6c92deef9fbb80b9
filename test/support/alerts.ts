/** Alerts, rules and silences as the alerts thread tells them. */
import type { Alert } from '../../src/model/alert.ts';
import type { AlertChanges } from '../../src/model/alert-changes.ts';
import type { AlertReceiverStatus, AlertsStatus, LoadedRules, RuleText } from '../../src/model/alerts-status.ts';
import type { DeadLetter } from '../../src/model/dead-letter.ts';
import type { Silence } from '../../src/model/silence.ts';

/** 2026-11-23T17:54:55Z, the contract's own example. */
export const ALERT_TIME = Date.UTC(2026, 10, 23, 17, 54, 55);

/** A firing one, about worker-1 unless told otherwise. */
export function anAlert(facts: Partial<Alert> & { readonly worker?: string } = {}): Alert {
  const { worker = 'worker-1', ...others } = facts;
  const rule = others.rule ?? 'Hot';
  const severity = others.severity ?? 'page';
  const values = (atUnixMs: number, value: number) => ({ atUnixMs, parts: [{ text: 'cpu_usage', value }] });
  return {
    id: `${rule}-${worker}`,
    rule,
    subject: { kind: 'worker', name: worker },
    state: 'firing',
    severity,
    labels: { alertname: rule, severity, worker },
    annotations: { summary: `${worker} is hot` },
    runbookUrl: null,
    expression: 'cpu_usage > 90.0',
    pendingSinceUnixMs: ALERT_TIME - 60_000,
    firingSinceUnixMs: ALERT_TIME - 30_000,
    resolvedUnixMs: null,
    closedBecause: null,
    noDataSinceUnixMs: null,
    values: {
      pending: values(ALERT_TIME - 60_000, 91),
      firing: values(ALERT_TIME - 30_000, 93),
      now: values(ALERT_TIME, 94.5),
    },
    transitions: [
      { atUnixMs: ALERT_TIME - 60_000, from: 'inactive', to: 'pending', closedBecause: null },
      { atUnixMs: ALERT_TIME - 30_000, from: 'pending', to: 'firing', closedBecause: null },
    ],
    isFlapping: false,
    silencedBy: [],
    inhibitedBy: [],
    mutedBy: [],
    link: `http://127.0.0.1:8080/#/workers/${worker}?from=1&to=2&metric=cpu_usage`,
    ...others,
  };
}

export function alertsTold(...alerts: readonly Alert[]): { readonly type: 'alerts'; readonly changes: AlertChanges } {
  const changed = alerts.map((alert) => ({ id: alert.id, state: alert.state, json: JSON.stringify(alert) }));
  return { type: 'alerts', changes: { isFirst: false, changed, removed: [] } };
}

export function aRule(facts: Partial<RuleText> = {}): RuleText {
  return {
    name: 'Hot',
    forEach: 'worker',
    when: 'cpu_usage > 90.0',
    clearWhen: null,
    forMs: 30_000,
    keepFiringForMs: 0,
    noDataAfterMs: null,
    severity: 'page',
    labels: {},
    annotations: { summary: '{{ worker_id }} is hot' },
    runbookUrl: null,
    isShipped: false,
    isDisabled: false,
    place: { line: 6, column: 5 },
    ...facts,
  };
}

export function loadedRules(facts: Partial<LoadedRules> = {}): LoadedRules {
  return {
    load: 1,
    loadedUnixMs: ALERT_TIME - 3_600_000,
    path: '/etc/pulselane/alerts.yaml',
    evaluationIntervalMs: 5000,
    rules: [aRule()],
    receivers: [{ name: 'hook', kinds: ['webhook', 'log'] }],
    muteTimes: ['nights'],
    ...facts,
  };
}

export function alertReceiver(facts: Partial<AlertReceiverStatus> = {}): AlertReceiverStatus {
  return {
    receiver: 'hook',
    kind: 'webhook',
    target: 0,
    sent: 12,
    failedAttempts: 3,
    queued: 2,
    oldestQueuedUnixMs: ALERT_TIME - 10_000,
    deadLetters: 1,
    lastSentUnixMs: ALERT_TIME - 20_000,
    lastError: { atUnixMs: ALERT_TIME - 15_000, detail: 'no answer within 10 s' },
    ...facts,
  };
}

export function aDeadLetter(facts: Partial<DeadLetter> = {}): DeadLetter {
  return {
    id: 7,
    receiver: 'hook',
    kind: 'webhook',
    targetKey: 'webhook#0',
    groupKey: '{}:{alertname="Hot"}',
    dedupKey: '7a1c',
    alerts: [{ id: 'Hot-worker-1', rule: 'Hot', subject: { kind: 'worker', name: 'worker-1' }, state: 'firing' }],
    alertCount: 12,
    createdUnixMs: ALERT_TIME - 60_000,
    givenUpUnixMs: ALERT_TIME,
    because: 'refused',
    detail: '403 Forbidden',
    attempts: 1,
    ...facts,
  };
}

export function alertsStatus(facts: Partial<AlertsStatus> = {}): AlertsStatus {
  return {
    atUnixMs: ALERT_TIME,
    load: 1,
    problems: [],
    lastLoad: { atUnixMs: ALERT_TIME - 3_600_000, problems: [] },
    lastEvaluatedUnixMs: ALERT_TIME,
    evaluationMs: 3.25,
    evaluations: 659,
    evaluationTotalMs: 2100,
    skippedEvaluations: 0,
    counts: [
      { state: 'firing', severity: 'page', count: 1 },
      { state: 'pending', severity: 'warning', count: 2 },
    ],
    rules: [
      {
        lastEvaluatedUnixMs: ALERT_TIME,
        evaluationMs: 0.4,
        holding: 1,
        leftOut: 0,
        pending: 0,
        firing: 1,
        errors: 2,
        lastError: { atUnixMs: ALERT_TIME - 5000, message: 'division by zero' },
        problem: null,
      },
    ],
    receivers: [
      alertReceiver(),
      alertReceiver({ kind: 'log', target: 1, queued: 0, oldestQueuedUnixMs: null, deadLetters: 0 }),
    ],
    deadLetters: [aDeadLetter()],
    maxQueued: 10_000,
    seasons: { kept: 40, leftOut: 0 },
    ...facts,
  };
}

export function aSilence(facts: Partial<Silence> = {}): Silence {
  return {
    id: '0b7a1a0e-7a3c-4d2e-9d51-4a3d54f7c7a1',
    matchers: [{ name: 'worker', value: 'worker-1', isRegex: false, isEqual: true }],
    startsUnixMs: ALERT_TIME - 60_000,
    endsUnixMs: ALERT_TIME + 3_600_000,
    createdBy: 'ada',
    comment: 'a new disk is being put in',
    updatedUnixMs: ALERT_TIME - 60_000,
    ...facts,
  };
}
