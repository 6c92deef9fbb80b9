/** Alerting; none of these while ALERTS is off. */
import type { AlertReceiverStatus, AlertsStatus } from '../../model/alerts-status.ts';
import type { Family, Label, Series } from '../family.ts';
import { counted, counter, gauge, type MasterFacts, type MasterFamily } from './master-family.ts';

const status = ({ directory }: MasterFacts): AlertsStatus | undefined => directory.alertsStatus;

export const ALERT_FAMILIES: readonly MasterFamily[] = [
  {
    name: 'pulselane_alerts',
    type: 'gauge',
    help: 'Alerts; resolved ones while they are listed.',
    labels: ['state', 'severity'],
    read: (facts) =>
      (status(facts)?.counts ?? []).map(({ state, severity, count }) => ({
        labels: [
          ['state', state],
          ['severity', severity],
        ],
        value: count,
      })),
  },
  gauge(
    'alert_rules',
    'Alerting rules that are evaluated.',
    ({ directory }) => directory.loadedRules?.rules.filter(({ isDisabled }) => !isDisabled).length,
  ),
  counter('alert_evaluations', 'Evaluations of all rules.', (facts) => status(facts)?.evaluations),
  counter(
    'alert_evaluations_skipped',
    'Evaluations left out because the one before took too long.',
    (facts) => status(facts)?.skippedEvaluations,
  ),
  counter(
    'alert_evaluation_busy_seconds',
    'Time that evaluations took.',
    (facts) => seconds(status(facts)?.evaluationTotalMs),
    'seconds',
  ),
  gauge(
    'alert_evaluation_seconds',
    'Duration of the last evaluation.',
    (facts) => seconds(status(facts)?.evaluationMs ?? undefined),
    'seconds',
  ),
  gauge(
    'alert_evaluation_interval_seconds',
    'How often rules are evaluated (evaluation_interval).',
    ({ directory }) => seconds(directory.loadedRules?.evaluationIntervalMs),
    'seconds',
  ),
  gauge(
    'alert_evaluation_age_seconds',
    'Time since the last evaluation; since the start if there was none.',
    (facts) => {
      const now = status(facts);
      return now && seconds(Math.max(0, facts.nowUnixMs - (now.lastEvaluatedUnixMs ?? facts.startedUnixMs)));
    },
    'seconds',
  ),
  {
    name: 'pulselane_alert_rule_errors',
    type: 'counter',
    help: 'Evaluations of a rule that failed, since it was loaded; rules without any are left out.',
    labels: ['rule'],
    read: (facts) => ruleErrors(facts),
  },
  {
    name: 'pulselane_alerts_degraded',
    type: 'gauge',
    help: 'Problems of alerting: 1 while there is one of this kind.',
    labels: ['problem'],
    read: (facts) => {
      // Several rules have problems of the same code.
      const codes = new Set((status(facts)?.problems ?? []).map(({ code }) => code));
      return Array.from(codes, (code) => ({ labels: [['problem', code]], value: 1 }));
    },
  },
  {
    name: 'pulselane_alert_notifications',
    type: 'counter',
    help: 'Notifications that a receiver accepted (sent), and attempts that did not succeed (failed).',
    labels: ['receiver', 'outcome'],
    read: (facts) =>
      receivers(facts).flatMap(([receiver, { sent, failedAttempts }]) => [
        counted([receiver, ['outcome', 'sent']], sent, facts),
        counted([receiver, ['outcome', 'failed']], failedAttempts, facts),
      ]),
  },
  perReceiver('alert_dead_letters', 'Notifications that could not be delivered and are kept.', ({ deadLetters }) => {
    return deadLetters;
  }),
  perReceiver('alert_queue_notifications', 'Notifications that wait for the receiver.', ({ queued }) => queued),
  perReceiver(
    'alert_queue_age_seconds',
    'Age of the oldest notification that waits for the receiver; 0 if none waits.',
    ({ oldestQueuedUnixMs }, { nowUnixMs }) => Math.max(0, nowUnixMs - (oldestQueuedUnixMs ?? nowUnixMs)) / 1000,
    'seconds',
  ),
  gauge(
    'alert_queue_limit_notifications',
    'The most notifications that wait, for all receivers together.',
    (facts) => status(facts)?.maxQueued,
  ),
];

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}

function ruleErrors(facts: MasterFacts): Series[] {
  const { loadedRules } = facts.directory;
  const now = status(facts);
  if (loadedRules === undefined || now?.load !== loadedRules.load) return [];
  return loadedRules.rules.flatMap(({ name }, index) => {
    const errors = now.rules[index]?.errors ?? 0;
    const labels: Label[] = [['rule', name]];
    // Rules may be loaded at any time, and their counts begin then.
    return errors === 0 ? [] : [{ labels, value: errors, createdUnixMs: loadedRules.loadedUnixMs }];
  });
}

/** A receiver may send to several targets: their figures are added; times are those of the oldest. */
function receivers(facts: MasterFacts): [Label, AlertReceiverStatus][] {
  const byName = new Map<string, AlertReceiverStatus>();
  for (const one of status(facts)?.receivers ?? []) {
    const other = byName.get(one.receiver);
    byName.set(one.receiver, other === undefined ? one : together(other, one));
  }
  return Array.from(byName, ([name, one]) => [['receiver', name], one]);
}

function together(a: AlertReceiverStatus, b: AlertReceiverStatus): AlertReceiverStatus {
  const times = [a.oldestQueuedUnixMs, b.oldestQueuedUnixMs].filter((time) => time !== null);
  return {
    ...a,
    sent: a.sent + b.sent,
    failedAttempts: a.failedAttempts + b.failedAttempts,
    queued: a.queued + b.queued,
    deadLetters: a.deadLetters + b.deadLetters,
    oldestQueuedUnixMs: times.length === 0 ? null : Math.min(...times),
  };
}

function perReceiver(
  name: string,
  help: string,
  read: (figures: AlertReceiverStatus, facts: MasterFacts) => number,
  unit?: string,
): MasterFamily {
  const family: Family = { name: `pulselane_${name}`, type: 'gauge', help, ...(unit === undefined ? {} : { unit }) };
  return {
    ...family,
    labels: ['receiver'],
    read: (facts) =>
      receivers(facts).map(([receiver, figures]) => ({ labels: [receiver], value: read(figures, facts) })),
  };
}
