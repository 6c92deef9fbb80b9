/** A notification of alerts that was given up: nobody got it. */
import type { Alert } from './alert.ts';

/**
 * | value         | meaning                                                                                |
 * |---------------|----------------------------------------------------------------------------------------|
 * | refused       | the receiver will never take it: its configuration or its secret is wrong, most likely |
 * | too_old       | it could not be delivered for hours                                                    |
 * | attempts      | it was tried too often                                                                 |
 * | queue_full    | too much waited for the receiver; the oldest is given up first                         |
 * | receiver_gone | the rules were changed, and no longer have the receiver                                |
 */
export const GIVEN_UP_BECAUSE = ['refused', 'too_old', 'attempts', 'queue_full', 'receiver_gone'] as const;
export type GivenUpBecause = (typeof GIVEN_UP_BECAUSE)[number];

export interface DeadLetter {
  /** Increases. */
  readonly id: number;
  readonly receiver: string;
  readonly kind: string;
  /** The kind, and which one of this kind the target of the receiver is: `webhook#0`. */
  readonly targetKey: string;
  readonly groupKey: string;
  readonly dedupKey: string;
  /** The first of them. */
  readonly alerts: readonly Pick<Alert, 'id' | 'rule' | 'subject' | 'state'>[];
  readonly alertCount: number;
  readonly createdUnixMs: number;
  readonly givenUpUnixMs: number;
  readonly because: GivenUpBecause;
  /** The last error, without secrets; empty: there was none. */
  readonly detail: string;
  readonly attempts: number;
}
