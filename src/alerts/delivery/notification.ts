/** What is sent: notifications are planned by notify/, kept by the queue, sent by receivers. */
import type { Alert } from '../../model/alert.ts';
import type { ReceiverTarget } from '../rules/rule.ts';

/** Alerts of one group for one receiver at one time. Plain data: it is kept on disk until it is delivered. */
export interface Notification {
  /** Increases; equal after a restart. */
  readonly id: number;
  readonly receiver: string;
  /** Index of the target within the receiver: each is delivered by itself. */
  readonly target: number;
  /** `webhook#0`, see notify/notify-rules.ts: unlike the index, it stays when other targets come or go. */
  readonly targetKey: string;
  readonly groupKey: string;
  readonly groupLabels: Readonly<Record<string, string>>;
  readonly alerts: readonly Alert[];
  /**
   * Alerts of the group that the target knows as firing, once it has this: also those that are not in `alerts`, because they are
   * silenced or inhibited by now, or flap.
   */
  readonly openAlerts: number;
  /** Alerts of the group that were left out because there were too many. */
  readonly truncatedAlerts: number;
  /** Equal if the same notification is sent twice: for receivers that can ignore the second one. */
  readonly dedupKey: string;
  readonly isTrial: boolean;
  readonly createdUnixMs: number;
}

/**
 * | outcome | meaning                                                              |
 * |---------|----------------------------------------------------------------------|
 * | sent    | the receiver has it                                                  |
 * | retry   | it may take it later, not before `afterMs` if the receiver said so   |
 * | refused | it will never take it: a dead letter                                 |
 */
export type SendOutcome =
  | { readonly outcome: 'sent' }
  | { readonly outcome: 'retry'; readonly detail: string; readonly afterMs?: number }
  | { readonly outcome: 'refused'; readonly detail: string };

/** Sends notifications to one target. Never rejects, and ends within its time-out or when `signal` is aborted. */
export interface Sender {
  send(notification: Notification, signal: AbortSignal): Promise<SendOutcome>;
  close(): Promise<void>;
  /** Present: a delivery waits here for those of other senders. Its time-out begins with its turn. */
  readonly inTurn?: <T>(deliver: () => Promise<T>) => Promise<T>;
}

/** Delivers when it is the sender's turn, or at once if it takes no turns. */
export function inTurn<T>(sender: Sender, deliver: () => Promise<T>): Promise<T> {
  return sender.inTurn === undefined ? deliver() : sender.inTurn(deliver);
}

/** Makes the sender of a target. */
export type MakeSender = (target: ReceiverTarget) => Sender;
