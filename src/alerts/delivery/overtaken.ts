/** Takes out of notifications that wait what is over by now, and was never told. Pure. */
import type { Notification } from './notification.ts';

export interface WaitingNotification {
  readonly notification: Notification;
  /** Ids of the alerts that were not told before. */
  readonly fresh: readonly string[];
  /** An attempt was made: the receiver may have it, though it did not say so. */
  readonly mayHaveArrived: boolean;
}

/**
 * An alert that the last one ends, and that one before it tells first, is told as firing by none of them. If that one cannot have
 * arrived, its end is not told either.
 * @param waiting of one group, in their order; the last one is new
 * @returns the same; those that have changed are other objects, perhaps without alerts
 */
export function withoutOvertaken(waiting: readonly WaitingNotification[]): WaitingNotification[] {
  const left = [...waiting];
  const last = left.length - 1;
  for (const { id, state } of left[last]?.notification.alerts ?? []) {
    if (state !== 'resolved') continue;
    const first = left.findLastIndex(({ fresh }) => fresh.includes(id));
    const beginning = left[first];
    // One that counts alerts which it does not list may only have counted this one.
    if (beginning === undefined || first === last || beginning.notification.truncatedAlerts > 0) continue;
    const isUnknown = !beginning.mayHaveArrived;
    for (let i = first; i < last; i++) left[i] = without(left[i] as WaitingNotification, id, isUnknown);
    if (isUnknown) left[last] = without(left[last] as WaitingNotification, id, false);
  }
  return left;
}

/** @param isUnknown the receiver will not know it as firing */
function without(
  { notification, fresh, mayHaveArrived }: WaitingNotification,
  id: string,
  isUnknown: boolean,
): WaitingNotification {
  const alerts = notification.alerts.filter((alert) => alert.id !== id);
  const openAlerts = Math.max(0, notification.openAlerts - Number(isUnknown));
  return {
    notification: { ...notification, alerts, openAlerts },
    fresh: fresh.filter((one) => one !== id),
    mayHaveArrived,
  };
}
