/** How alerts reach other threads: changes since the last announcement. */
import type { Alert, AlertValues } from './alert.ts';

/**
 * One announcement holds at most so many alerts: a copy between threads of 100 alerts of 2 KB takes well under a
 * millisecond. More alerts come in further announcements, each in a turn of its own.
 */
export const MAX_ALERTS_PER_ANNOUNCEMENT = 100;

export interface AlertChanges {
  /** Forget all alerts first: the announcements that follow hold all there are. */
  readonly isFirst: boolean;
  /** New, or with another state or other facts. */
  readonly changed: readonly Alert[];
  /** Only the values changed. */
  readonly values: readonly { readonly id: string; readonly now: AlertValues | null }[];
  /** Ids of alerts that are no longer shown. */
  readonly removed: readonly string[];
}
