/** A notification that was given up: what is kept of it, to be shown. */
import type { DeadLetter, GivenUpBecause } from '../../model/dead-letter.ts';
import type { Lost } from '../notify/given-up.ts';
import { MAX_NAMED_ALERTS } from './delivery-limits.ts';
import type { Notification } from './notification.ts';

export interface GivenUp {
  readonly notification: Notification;
  readonly targetKey: string;
  readonly because: GivenUpBecause;
  readonly detail: string;
  readonly attempts: number;
  readonly lost: Lost;
}

export function deadLetterOf(
  { notification, targetKey, because, detail, attempts }: GivenUp,
  atUnixMs: number,
): DeadLetter {
  const { id, receiver, groupKey, alerts, truncatedAlerts, dedupKey, createdUnixMs } = notification;
  return {
    id,
    receiver,
    kind: targetKey.replace(/#.*$/, ''),
    targetKey,
    groupKey,
    dedupKey,
    alerts: alerts.slice(0, MAX_NAMED_ALERTS).map(({ id, rule, subject, state }) => ({ id, rule, subject, state })),
    alertCount: alerts.length + truncatedAlerts,
    createdUnixMs,
    givenUpUnixMs: atUnixMs,
    because,
    detail,
    attempts,
  };
}
