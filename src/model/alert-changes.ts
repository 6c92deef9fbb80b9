/** How alerts reach other threads: changes since the last announcement. */
import type { AlertState } from './alert.ts';

/**
 * One announcement holds at most so many alerts: 100 texts of 2 KB are copied between threads in well under a millisecond.
 * More alerts come in further announcements, each in a turn of its own.
 */
export const MAX_ALERTS_PER_ANNOUNCEMENT = 100;

/** An alert on its way between threads: main only passes it on, so it is not decoded there. */
export interface AlertText {
  readonly id: string;
  readonly state: AlertState;
  /** JSON of an Alert. */
  readonly json: string;
}

export interface AlertChanges {
  /** Forget all alerts first: this announcement and those that follow hold all there are. */
  readonly isFirst: boolean;
  /** New, or with another state, other values or other facts. */
  readonly changed: readonly AlertText[];
  /** Ids of alerts that are no longer shown. */
  readonly removed: readonly string[];
}
