/**
 * An alert as everyone sees it: the alerts thread makes it, main announces it, HTTP, the prompt and receivers show it.
 *
 * | state    | the alert's rule                                                                                   |
 * |----------|----------------------------------------------------------------------------------------------------|
 * | inactive | does not hold for the subject: there is no alert                                                   |
 * | pending  | holds, but not yet for as long as `for` asks                                                       |
 * | firing   | holds for that long, or has held and is not over: `keep_firing_for`, `clear_when`, missing values  |
 * | resolved | is over; shown for a while with the reason                                                         |
 *
 * An alert that fires and has no values any more stays `firing`, with `noDataSinceUnixMs`.
 */
export const ALERT_STATES = ['pending', 'firing', 'resolved'] as const;
export type AlertState = (typeof ALERT_STATES)[number];

/**
 * Why an alert is resolved; receivers get it as the annotation `closed_because`.
 *
 * | value          | meaning                                                                      |
 * |----------------|------------------------------------------------------------------------------|
 * | recovered      | the values say that it is over                                               |
 * | worker_removed | the worker was forgotten or unregistered                                     |
 * | no_data        | there were no values for `no_data_after` (default: RETENTION)                |
 * | rule_changed   | the rule was changed, removed or disabled                                    |
 */
export const CLOSED_BECAUSE = ['recovered', 'worker_removed', 'no_data', 'rule_changed'] as const;
export type ClosedBecause = (typeof CLOSED_BECAUSE)[number];

/** What a rule is evaluated for. */
export const FOR_EACH = ['worker', 'group', 'cluster'] as const;
export type ForEach = (typeof FOR_EACH)[number];

/** What an alert is about. `name` is the worker's id, the group's name (empty: workers without a group), or empty for the cluster. */
export interface AlertSubject {
  readonly kind: ForEach;
  readonly name: string;
}

/** A value in an expression; null: the subject lacks it. */
export type AlertValue = number | string | boolean | null;

/** What the parts of an expression were at a time, in the order of the text: `cpu_usage` → 93.5. */
export interface AlertValues {
  readonly atUnixMs: number;
  readonly parts: readonly { readonly text: string; readonly value: AlertValue }[];
}

export interface AlertTransition {
  readonly atUnixMs: number;
  readonly from: AlertState | 'inactive';
  readonly to: AlertState | 'inactive';
  /** Set if `to` is `resolved`. */
  readonly closedBecause: ClosedBecause | null;
}

export interface Alert {
  /** The same for a rule and its subject in every master: 16 hexadecimal digits. */
  readonly id: string;
  /** The rule's name, which is the label `alertname`. */
  readonly rule: string;
  readonly subject: AlertSubject;
  readonly state: AlertState;
  readonly severity: string;
  /** `alertname`, `severity`, `worker` or `group` of the subject, and the rule's own: the alert's identity, without changing values. */
  readonly labels: Readonly<Record<string, string>>;
  /** Rendered when it became firing, and anew while it fires. */
  readonly annotations: Readonly<Record<string, string>>;
  readonly runbookUrl: string | null;
  readonly expression: string;
  readonly pendingSinceUnixMs: number;
  readonly firingSinceUnixMs: number | null;
  readonly resolvedUnixMs: number | null;
  readonly closedBecause: ClosedBecause | null;
  /** Since when it fires without values; null: it has values. */
  readonly noDataSinceUnixMs: number | null;
  /** Why: the values when it became pending, when it fired, and at the last evaluation. */
  readonly values: {
    readonly pending: AlertValues | null;
    readonly firing: AlertValues | null;
    readonly now: AlertValues | null;
  };
  /** The last ones, oldest first. */
  readonly transitions: readonly AlertTransition[];
  /** It fires and resolves again and again: receivers are told once, until it is quiet. */
  readonly isFlapping: boolean;
  /** Why receivers are not told: ids of silences and of alerts, names of mute times. */
  readonly silencedBy: readonly string[];
  readonly inhibitedBy: readonly string[];
  readonly mutedBy: readonly string[];
  /** The dashboard's page of it, see PUBLIC_URL. */
  readonly link: string;
}
