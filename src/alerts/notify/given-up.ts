/** What was told, after a notification was given up. Pure. */
import type { Alert } from '../../model/alert.ts';
import type { Notification } from '../delivery/notification.ts';
import { TELL_ANEW_AFTER_MS } from './notify-limits.ts';
import { groupId, type Told, type ToldGroup } from './told.ts';

/** What a target does not know because a notification was given up, and what waits after it does not tell. */
export interface Lost {
  /** Ids of alerts of which it was never told. */
  readonly fresh: readonly string[];
  /** Ids of firing alerts of which it was told before. */
  readonly again: readonly string[];
  /** Alerts whose end it would have told. */
  readonly ended: readonly Alert[];
}

/**
 * What it told first counts as not told; what it told again is to be told again; what has ended is not known to have ended. All of it
 * is told anew after a while, if it is still so.
 * @returns the changed group; undefined: there is nothing to change
 */
export function withoutGivenUp(
  told: Told,
  { receiver, groupKey, targetKey }: Pick<Notification, 'receiver' | 'groupKey' | 'targetKey'>,
  { fresh, again, ended }: Lost,
  nowUnixMs: number,
): ToldGroup | undefined {
  const group = told.get(groupId({ receiver, key: groupKey }));
  const target = group?.targets.get(targetKey);
  if (group === undefined || target === undefined) return undefined;
  if (fresh.length + again.length + ended.length === 0) return undefined;
  const known = new Map(target.told);
  const waits = new Map(target.waits);
  const over = new Map(group.over);
  const notBeforeUnixMs = nowUnixMs + TELL_ANEW_AFTER_MS;
  for (const id of fresh) {
    known.delete(id);
    waits.set(id, notBeforeUnixMs);
  }
  for (const id of again) {
    if (!known.has(id)) continue;
    known.set(id, { tellAgain: true });
    waits.set(id, notBeforeUnixMs);
  }
  for (const alert of ended) {
    if (known.has(alert.id)) continue;
    known.set(alert.id, { tellAgain: false });
    waits.set(alert.id, notBeforeUnixMs);
    over.set(alert.id, alert);
  }
  return { ...group, over, targets: new Map(group.targets).set(targetKey, { ...target, told: known, waits }) };
}
