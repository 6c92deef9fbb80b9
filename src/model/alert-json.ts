/** Alerts, rules and silences as JSON: what `GET /api/v1/alerts`, `/rules` and `/silences` answer and `-o json` prints. */
import type { Alert, AlertState, AlertValue, AlertValues, ClosedBecause, ForEach } from './alert.ts';
import type { FileProblem } from './alert-command.ts';
import type { AlertReceiverStatus, AlertsStatus, LoadedRules, RuleFigures, RuleText } from './alerts-status.ts';
import type { DeadLetter, GivenUpBecause } from './dead-letter.ts';
import { type LabelMatcher, type Silence, type SilenceState, silenceState } from './silence.ts';

type Texts = Readonly<Record<string, string>>;

export interface AlertValuesJson {
  readonly at: string;
  readonly parts: readonly { readonly text: string; readonly value: AlertValue }[];
}

export interface AlertTransitionJson {
  readonly at: string;
  readonly from: AlertState | 'inactive';
  readonly to: AlertState | 'inactive';
  readonly closed_because: ClosedBecause | null;
}

export interface AlertJson {
  readonly id: string;
  readonly alert: string;
  readonly state: AlertState;
  readonly severity: string;
  readonly subject: { readonly kind: ForEach; readonly name: string };
  readonly labels: Texts;
  readonly annotations: Texts;
  readonly runbook_url: string | null;
  readonly pending_since: string;
  readonly firing_since: string | null;
  readonly resolved_at: string | null;
  readonly closed_because: ClosedBecause | null;
  readonly no_data_since: string | null;
  readonly flapping: boolean;
  readonly why: {
    readonly expression: string;
    readonly pending: AlertValuesJson | null;
    readonly firing: AlertValuesJson | null;
    readonly now: AlertValuesJson | null;
    readonly transitions: readonly AlertTransitionJson[];
  };
  readonly silenced_by: readonly string[];
  readonly inhibited_by: readonly string[];
  readonly muted_by: readonly string[];
  readonly link: string;
}

export function alertJson(alert: Alert): AlertJson {
  const { values } = alert;
  return {
    id: alert.id,
    alert: alert.rule,
    state: alert.state,
    severity: alert.severity,
    subject: { kind: alert.subject.kind, name: alert.subject.name },
    labels: alert.labels,
    annotations: alert.annotations,
    runbook_url: alert.runbookUrl,
    pending_since: iso(alert.pendingSinceUnixMs),
    firing_since: isoOrNull(alert.firingSinceUnixMs),
    resolved_at: isoOrNull(alert.resolvedUnixMs),
    closed_because: alert.closedBecause,
    no_data_since: isoOrNull(alert.noDataSinceUnixMs),
    flapping: alert.isFlapping,
    why: {
      expression: alert.expression,
      pending: valuesJson(values.pending),
      firing: valuesJson(values.firing),
      now: valuesJson(values.now),
      transitions: alert.transitions.map(({ atUnixMs, from, to, closedBecause }) => ({
        at: iso(atUnixMs),
        from,
        to,
        closed_because: closedBecause,
      })),
    },
    silenced_by: alert.silencedBy,
    inhibited_by: alert.inhibitedBy,
    muted_by: alert.mutedBy,
    link: alert.link,
  };
}

function valuesJson(values: AlertValues | null): AlertValuesJson | null {
  return values && { at: iso(values.atUnixMs), parts: values.parts.map(({ text, value }) => ({ text, value })) };
}

export interface RuleJson {
  readonly alert: string;
  readonly for_each: ForEach;
  readonly when: string;
  readonly clear_when: string | null;
  readonly for_ms: number;
  readonly keep_firing_for_ms: number;
  readonly no_data_after_ms: number | null;
  readonly severity: string;
  readonly labels: Texts;
  readonly annotations: Texts;
  readonly runbook_url: string | null;
  readonly shipped: boolean;
  readonly disabled: boolean;
  readonly line: number | null;
  readonly column: number | null;
  readonly evaluated_at: string | null;
  readonly evaluation_ms: number | null;
  readonly holding: number;
  readonly left_out: number;
  readonly pending: number;
  readonly firing: number;
  readonly errors: number;
  readonly last_error: { readonly at: string; readonly message: string } | null;
  readonly problem: { readonly detail: string; readonly since: string } | null;
}

export interface AlertReceiverJson {
  readonly name: string;
  readonly targets: readonly AlertTargetJson[];
}

export interface AlertTargetJson {
  readonly kind: string;
  readonly sent: number;
  readonly failed_attempts: number;
  readonly queued: number;
  readonly oldest_queued_at: string | null;
  readonly dead_letters: number;
  readonly last_sent_at: string | null;
  readonly last_error: { readonly at: string; readonly detail: string } | null;
}

/** Problems of alerting, in lists of alerts and rules: with them, what is listed may be incomplete or old. */
export interface AlertsProblemJson {
  readonly code: AlertsStatus['problems'][number]['code'];
  readonly detail: string;
  readonly since: string;
  readonly rule: string | null;
}

export interface RulesJson {
  readonly path: string | null;
  readonly loaded_at: string | null;
  readonly last_load: { readonly at: string; readonly problems: readonly FileProblem[] } | null;
  readonly evaluation_interval_ms: number | null;
  readonly evaluated_at: string | null;
  readonly evaluation_ms: number | null;
  readonly evaluations: number;
  readonly skipped_evaluations: number;
  readonly problems: readonly AlertsProblemJson[];
  readonly rules: readonly RuleJson[];
  readonly receivers: readonly AlertReceiverJson[];
  readonly mute_times: readonly string[];
  readonly last_dead_letters: readonly DeadLetterJson[];
  readonly max_queued: number | null;
}

/** A notification that was given up. */
export interface DeadLetterJson {
  readonly receiver: string;
  readonly kind: string;
  readonly group_key: string;
  readonly dedup_key: string;
  readonly alerts: readonly {
    readonly id: string;
    readonly alert: string;
    readonly subject: string;
    readonly state: AlertState;
  }[];
  readonly alert_count: number;
  readonly created_at: string;
  readonly given_up_at: string;
  readonly because: GivenUpBecause;
  readonly detail: string;
  readonly attempts: number;
}

/** @param loaded undefined: no rules are loaded yet. @param status undefined: nothing was evaluated yet */
export function rulesJson(loaded: LoadedRules | undefined, status: AlertsStatus | undefined): RulesJson {
  // Figures of another load belong to other rules.
  const figures = status !== undefined && status.load === loaded?.load ? status.rules : [];
  const lastLoad = status?.lastLoad ?? null;
  return {
    path: loaded?.path ?? null,
    loaded_at: isoOrNull(loaded?.loadedUnixMs ?? null),
    last_load: lastLoad && { at: iso(lastLoad.atUnixMs), problems: lastLoad.problems },
    evaluation_interval_ms: loaded?.evaluationIntervalMs ?? null,
    evaluated_at: isoOrNull(status?.lastEvaluatedUnixMs ?? null),
    evaluation_ms: roundedOrNull(status?.evaluationMs ?? null),
    evaluations: status?.evaluations ?? 0,
    skipped_evaluations: status?.skippedEvaluations ?? 0,
    problems: problemsJson(status),
    rules: (loaded?.rules ?? []).map((rule, index) => ruleJson(rule, figures[index])),
    receivers: (loaded?.receivers ?? []).map(({ name, kinds }) => ({
      name,
      targets: kinds.map((kind, target) =>
        targetJson(
          kind,
          status?.receivers.find((one) => one.receiver === name && one.target === target),
        ),
      ),
    })),
    mute_times: loaded?.muteTimes ?? [],
    last_dead_letters: (status?.deadLetters ?? []).map(deadLetterJson),
    max_queued: status?.maxQueued ?? null,
  };
}

function deadLetterJson(letter: DeadLetter): DeadLetterJson {
  return {
    receiver: letter.receiver,
    kind: letter.kind,
    group_key: letter.groupKey,
    dedup_key: letter.dedupKey,
    alerts: letter.alerts.map(({ id, rule, subject, state }) => ({ id, alert: rule, subject: subject.name, state })),
    alert_count: letter.alertCount,
    created_at: iso(letter.createdUnixMs),
    given_up_at: iso(letter.givenUpUnixMs),
    because: letter.because,
    detail: letter.detail,
    attempts: letter.attempts,
  };
}

export function problemsJson(status: AlertsStatus | undefined): AlertsProblemJson[] {
  return (status?.problems ?? []).map(({ code, detail, sinceUnixMs, rule = null }) => ({
    code,
    detail,
    since: iso(sinceUnixMs),
    rule,
  }));
}

const NO_FIGURES: RuleFigures = {
  lastEvaluatedUnixMs: null,
  evaluationMs: null,
  holding: 0,
  leftOut: 0,
  pending: 0,
  firing: 0,
  errors: 0,
  lastError: null,
  problem: null,
};

function ruleJson(rule: RuleText, figures = NO_FIGURES): RuleJson {
  const { lastError, problem } = figures;
  return {
    alert: rule.name,
    for_each: rule.forEach,
    when: rule.when,
    clear_when: rule.clearWhen,
    for_ms: rule.forMs,
    keep_firing_for_ms: rule.keepFiringForMs,
    no_data_after_ms: rule.noDataAfterMs,
    severity: rule.severity,
    labels: rule.labels,
    annotations: rule.annotations,
    runbook_url: rule.runbookUrl,
    shipped: rule.isShipped,
    disabled: rule.isDisabled,
    line: rule.place?.line ?? null,
    column: rule.place?.column ?? null,
    evaluated_at: isoOrNull(figures.lastEvaluatedUnixMs),
    evaluation_ms: roundedOrNull(figures.evaluationMs),
    holding: figures.holding,
    left_out: figures.leftOut,
    pending: figures.pending,
    firing: figures.firing,
    errors: figures.errors,
    last_error: lastError && { at: iso(lastError.atUnixMs), message: lastError.message },
    problem: problem && { detail: problem.detail, since: iso(problem.sinceUnixMs) },
  };
}

function targetJson(kind: string, status: AlertReceiverStatus | undefined): AlertTargetJson {
  const lastError = status?.lastError ?? null;
  return {
    kind,
    sent: status?.sent ?? 0,
    failed_attempts: status?.failedAttempts ?? 0,
    queued: status?.queued ?? 0,
    oldest_queued_at: isoOrNull(status?.oldestQueuedUnixMs ?? null),
    dead_letters: status?.deadLetters ?? 0,
    last_sent_at: isoOrNull(status?.lastSentUnixMs ?? null),
    last_error: lastError && { at: iso(lastError.atUnixMs), detail: lastError.detail },
  };
}

/** With Alertmanager's names. */
export interface SilenceJson {
  readonly id: string;
  readonly matchers: readonly LabelMatcher[];
  readonly startsAt: string;
  readonly endsAt: string;
  readonly updatedAt: string;
  readonly createdBy: string;
  readonly comment: string;
  readonly status: { readonly state: SilenceState };
}

export function silenceJson(silence: Silence, nowUnixMs: number): SilenceJson {
  return {
    id: silence.id,
    matchers: silence.matchers,
    startsAt: iso(silence.startsUnixMs),
    endsAt: iso(silence.endsUnixMs),
    updatedAt: iso(silence.updatedUnixMs),
    createdBy: silence.createdBy,
    comment: silence.comment,
    status: { state: silenceState(silence, nowUnixMs) },
  };
}

function iso(unixMs: number): string {
  return new Date(unixMs).toISOString();
}

function isoOrNull(unixMs: number | null): string | null {
  return unixMs === null ? null : iso(unixMs);
}

function roundedOrNull(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms * 1000) / 1000;
}
