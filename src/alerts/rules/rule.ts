/** A checked rule file: what evaluation, states and delivery work with. */
import type { ForEach } from '../../model/alert.ts';
import type { LabelMatcher } from '../../model/silence.ts';
import type { CheckedExpression } from '../expression/checked.ts';
import type { Template } from '../expression/template.ts';
import type { Place } from './place.ts';

export interface Rule {
  readonly name: string;
  readonly forEach: ForEach;
  readonly when: CheckedExpression;
  /** If set, a firing alert is over when this holds, instead of when `when` no longer does. */
  readonly clearWhen: CheckedExpression | undefined;
  readonly forMs: number;
  readonly keepFiringForMs: number;
  /** Undefined: RETENTION. */
  readonly noDataAfterMs: number | undefined;
  readonly severity: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, Template>>;
  readonly runbookUrl: string | undefined;
  readonly isShipped: boolean;
  readonly place: Place | undefined;
  /** Equal for equal conditions (`for_each`, `when`, `clear_when`, `labels`, `severity`): another one closes its alerts as `rule_changed`. */
  readonly digest: string;
}

/** Like Alertmanager's: all of the matchers must match the labels of an alert. */
export type Matcher = LabelMatcher;

export interface Route {
  readonly receiver: string;
  /** Label names; `['...']`: by all labels. */
  readonly groupBy: readonly string[];
  readonly groupWaitMs: number;
  readonly groupIntervalMs: number;
  readonly repeatIntervalMs: number;
  readonly match: readonly Matcher[];
  /** Names of mute times. */
  readonly muteTimes: readonly string[];
  /** Go on with the next route after this one matched. */
  readonly continues: boolean;
  readonly routes: readonly Route[];
}

/** While an alert that matches `source` fires, those that match `target` with equal values of the labels `equal` are not sent. */
export interface Inhibition {
  readonly source: readonly Matcher[];
  readonly target: readonly Matcher[];
  readonly equal: readonly string[];
  readonly place: Place | undefined;
}

/** Minutes of the day, days and so on, in TIME_ZONE unless it names its own zone; like Alertmanager's time intervals. */
export interface MuteTime {
  readonly name: string;
  readonly timeZone: string | undefined;
  readonly intervals: readonly MuteInterval[];
}

/** Everything that is set must hold; each is a list of ranges, both ends included, except the end of `times`. */
export interface MuteInterval {
  /** Minutes from midnight, 0 to 1440. */
  readonly times: readonly NumberRange[] | undefined;
  /** 0: Sunday. */
  readonly weekdays: readonly NumberRange[] | undefined;
  /** 1 to 31; negative: from the end of the month, −1: its last day. */
  readonly daysOfMonth: readonly NumberRange[] | undefined;
  /** 1 to 12. */
  readonly months: readonly NumberRange[] | undefined;
  readonly years: readonly NumberRange[] | undefined;
}

export interface NumberRange {
  readonly from: number;
  readonly to: number;
}

/** One receiver: a name, and one or several places to which it sends. */
export interface Receiver {
  readonly name: string;
  readonly targets: readonly ReceiverTarget[];
  readonly place: Place | undefined;
}

/** `kind` decides what `settings` are: see the schema of the kind in ../delivery/receivers/. Secrets are read, not paths. */
export interface ReceiverTarget {
  readonly kind: string;
  readonly settings: unknown;
  /** Whether it is told of resolved alerts (`send_resolved`). */
  readonly sendsResolved: boolean;
}

export interface RuleSet {
  readonly evaluationIntervalMs: number;
  readonly rules: readonly Rule[];
  /** Shipped rules that are switched off, by name. */
  readonly disabled: readonly string[];
  readonly receivers: readonly Receiver[];
  readonly route: Route;
  readonly inhibitions: readonly Inhibition[];
  readonly muteTimes: readonly MuteTime[];
  /** The file's path, or undefined if there is only the shipped set. */
  readonly path: string | undefined;
}
