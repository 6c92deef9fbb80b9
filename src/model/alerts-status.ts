/**
 * What the alerts thread tells of its rules and receivers, for `GET /api/v1/rules`, `/metrics`, the prompt and the log.
 * What changes only when rules are loaded ({@link LoadedRules}) is apart from the figures of every evaluation
 * ({@link AlertsStatus}). Plain data.
 */
import type { ForEach } from './alert.ts';
import type { FileProblem } from './alert-command.ts';
import type { DeadLetter } from './dead-letter.ts';

/** One rule, as written. */
export interface RuleText {
  readonly name: string;
  readonly forEach: ForEach;
  readonly when: string;
  readonly clearWhen: string | null;
  readonly forMs: number;
  readonly keepFiringForMs: number;
  /** Null: RETENTION. */
  readonly noDataAfterMs: number | null;
  readonly severity: string;
  readonly labels: Readonly<Record<string, string>>;
  /** With their `{{ … }}`. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly runbookUrl: string | null;
  readonly isShipped: boolean;
  /** A shipped rule that the file switches off. */
  readonly isDisabled: boolean;
  /** In the rule file; null: the rule is shipped. */
  readonly place: { readonly line: number; readonly column: number } | null;
}

export interface LoadedRules {
  /** Increases with each load: the figures of the same load have the same number. */
  readonly load: number;
  readonly loadedUnixMs: number;
  /** Null: only the shipped rules. */
  readonly path: string | null;
  readonly evaluationIntervalMs: number;
  readonly rules: readonly RuleText[];
  readonly receivers: readonly { readonly name: string; readonly kinds: readonly string[] }[];
  readonly muteTimes: readonly string[];
}

/** Figures of one rule since it was loaded. */
export interface RuleFigures {
  /** Null: not evaluated yet. */
  readonly lastEvaluatedUnixMs: number | null;
  /** How long its last evaluation took. */
  readonly evaluationMs: number | null;
  /** Subjects for which `when` held at the last evaluation. */
  readonly holding: number;
  /** Subjects for which it held and that have no alert because there are too many, at the last evaluation. */
  readonly leftOut: number;
  readonly pending: number;
  readonly firing: number;
  readonly errors: number;
  readonly lastError: { readonly atUnixMs: number; readonly message: string } | null;
  /** It fails again and again, or has never had a value, as `detail` says; null: neither. */
  readonly problem: { readonly detail: string; readonly sinceUnixMs: number } | null;
}

/** Figures of one target of a receiver. Counts of notifications are of this run of the master. */
export interface AlertReceiverStatus {
  readonly receiver: string;
  readonly kind: string;
  /** Index among the targets of the receiver. */
  readonly target: number;
  readonly sent: number;
  /** Attempts that did not succeed. */
  readonly failedAttempts: number;
  /** Notifications that wait on disk. */
  readonly queued: number;
  /** Since when the oldest of them waits; null: none waits. */
  readonly oldestQueuedUnixMs: number | null;
  /** Notifications that are kept because they could not be delivered. */
  readonly deadLetters: number;
  readonly lastSentUnixMs: number | null;
  /** Without secrets. */
  readonly lastError: { readonly atUnixMs: number; readonly detail: string } | null;
}

/**
 * | code       | meaning                                                                     |
 * |------------|-----------------------------------------------------------------------------|
 * | rules_file | the rule file has problems; the rules loaded before stay                    |
 * | store      | alerts.db cannot be written: states go on in memory                         |
 * | slow       | evaluations take longer than evaluation_interval                            |
 * | rule       | a rule fails in every evaluation, or no subject has ever had its values     |
 * | receivers  | a receiver has got nothing for minutes: it fails, or refuses what is sent   |
 * | thread     | the alerts thread ended or does not answer; it is restarted                 |
 */
export const ALERTS_PROBLEMS = ['rules_file', 'store', 'slow', 'rule', 'receivers', 'thread'] as const;
export type AlertsProblemCode = (typeof ALERTS_PROBLEMS)[number];

export interface AlertTotals {
  readonly firing: number;
  readonly pending: number;
  readonly firingBySeverity: Readonly<Record<string, number>>;
}

/** Undefined: nothing was evaluated yet, or ALERTS is off. */
export function alertTotals(status: AlertsStatus | undefined): AlertTotals | undefined {
  if (status === undefined || status.lastEvaluatedUnixMs === null) return undefined;
  const inState = (wanted: string) => status.counts.filter(({ state }) => state === wanted);
  const sum = (counts: AlertsStatus['counts']) => counts.reduce((total, { count }) => total + count, 0);
  return {
    firing: sum(inState('firing')),
    pending: sum(inState('pending')),
    firingBySeverity: Object.fromEntries(inState('firing').map(({ severity, count }) => [severity, count])),
  };
}

/** How many metrics of all workers have a usual value for each hour of the week, and how many have none because there are too many. */
export interface SeasonFigures {
  readonly kept: number;
  readonly leftOut: number;
}

/** They are told with the figures, up to once a second: 20 KB. */
export const MAX_SHOWN_DEAD_LETTERS = 20;

/** Each is a line of the log and of `check`; of further rules there is one with their number. */
export const MAX_RULE_PROBLEMS = 10;

export interface AlertsStatus {
  readonly atUnixMs: number;
  /** That of {@link LoadedRules}. */
  readonly load: number;
  readonly problems: readonly {
    readonly code: AlertsProblemCode;
    readonly detail: string;
    readonly sinceUnixMs: number;
    /** Of `rule`, the name of it; absent: it is of several rules. */
    readonly rule?: string;
  }[];
  /** The last attempt to read the rule file; null: there is none, or none was needed. With problems, the rules loaded before stay. */
  readonly lastLoad: { readonly atUnixMs: number; readonly problems: readonly FileProblem[] } | null;
  /** Null: nothing was evaluated yet. */
  readonly lastEvaluatedUnixMs: number | null;
  readonly evaluationMs: number | null;
  readonly evaluations: number;
  /** Time that all evaluations took together. */
  readonly evaluationTotalMs: number;
  /** Evaluations that were left out because the one before took too long. */
  readonly skippedEvaluations: number;
  /** Alerts by state and severity; resolved ones only while they are shown. */
  readonly counts: readonly { readonly state: string; readonly severity: string; readonly count: number }[];
  /** In the order of {@link LoadedRules.rules}. */
  readonly rules: readonly RuleFigures[];
  readonly receivers: readonly AlertReceiverStatus[];
  /** The last notifications that were given up, newest first, at most {@link MAX_SHOWN_DEAD_LETTERS}. */
  readonly deadLetters: readonly DeadLetter[];
  /** Bound of the notifications that wait. */
  readonly maxQueued: number;
  /** Null: anomalies or history are off. */
  readonly seasons: SeasonFigures | null;
}
