/**
 * Who is told of what, now: a pure function of (alerts, silences, rules, what was told before, now).
 *
 * - A group is told `group_wait` after there is something new, and no sooner than `group_interval` after the last time. Alerts that
 *   have fired for longer than `group_wait` wait no more: their silence or mute time has just ended.
 * - Something new is: an alert that fires, is not suppressed, and was not told; the end of an alert that was told; an alert that
 *   still fires at the end of a silence that began after it was told.
 * - What was in a notification that was given up is told anew after `TELL_ANEW_AFTER_MS`, ends, too (`given-up.ts`). Other alerts of the
 *   group do not wait for it.
 * - A receiver that was told that an alert fires is told when it is over, even if it is silenced or inhibited by then: what was opened
 *   is closed. Of an alert that was never told, nothing is told. A mute time lets nothing through; what is over then is told after it.
 * - An alert that flaps was told once; its ends and beginnings are not, until it is quiet.
 * - An alert whose rule was changed ends, also if its new rule holds already: at once, if it is pending; if it fires again with the same
 *   labels, nothing is told; with other labels, its end is told and the new one.
 * - Without anything new, what fires is told again after `repeat_interval`, unless the time before still waits for delivery.
 */
import { createHash } from 'node:crypto';
import type { Alert } from '../../model/alert.ts';
import type { Notification } from '../delivery/notification.ts';
import { draftsOf, type GroupDraft, type TargetDraft } from './drafts.ts';
import type { NotifyRules } from './notify-rules.ts';
import { type ActiveSilences, nextSilenceChange, type Silences } from './silences.ts';
import { NOT_SUPPRESSED, type Suppression, suppressionsOf } from './suppression.ts';
import type { PlannedAlert, Told, ToldGroup } from './told.ts';

export interface PlanFacts {
  /** All that fire, and all that have ended since the last plan; may have others. */
  readonly alerts: Iterable<PlannedAlert>;
  /** The whole of one of them. */
  readonly alertOf: (id: string) => Alert;
  /** An alert as it ended since the last plan, whatever it is by now; undefined: it did not end. */
  readonly endedOf: (id: string) => Alert | undefined;
  readonly silences: Silences;
  readonly active: ActiveSilences;
  readonly told: Told;
  /** Whether a notification of this group has not yet reached this target. */
  readonly isWaiting: (receiver: string, targetKey: string, groupKey: string) => boolean;
  readonly nowUnixMs: number;
  /** Of the first notification. */
  readonly nextId: number;
}

export interface PlannedNotification {
  readonly notification: Notification;
  /** See `ToldGroup.targets`. */
  readonly targetKey: string;
  /** Ids of the alerts that were not told before, also of those that it only counts. */
  readonly fresh: readonly string[];
  /** The next one follows soon in any case: it need not outlive a restart. */
  readonly isResend: boolean;
}

export interface Plan {
  readonly planned: readonly PlannedNotification[];
  /** Groups as they are now, once the notifications are kept. */
  readonly changed: readonly ToldGroup[];
  /** Ids of groups that are no longer needed. */
  readonly removed: readonly string[];
  /** Of firing alerts, those of which not everybody is told; by id. */
  readonly suppressed: ReadonlyMap<string, Suppression>;
  /** When there is something to plan even if no alert changes; undefined: never. */
  readonly dueUnixMs: number | undefined;
}

export function plan(rules: NotifyRules, facts: PlanFacts): Plan {
  const { silences, nowUnixMs } = facts;
  const alerts = [...facts.alerts];
  const firing = alerts.filter(({ state }) => state === 'firing');
  const others = new Map(alerts.filter(({ state }) => state !== 'firing').map((alert) => [alert.id, alert]));
  const suppressions = suppressionsOf(rules, firing, facts.active.at(silences, nowUnixMs), nowUnixMs);
  const suppressed = new Map<string, Suppression>();
  for (const alert of firing) {
    const by = suppressions.of(alert);
    if (by.silencedBy.length + by.inhibitedBy.length + by.mutedBy.length > 0) suppressed.set(alert.id, by);
  }
  const suppressionOf = ({ id }: PlannedAlert) => suppressed.get(id) ?? NOT_SUPPRESSED;
  const planned: PlannedNotification[] = [];
  const changed: ToldGroup[] = [];
  const removed: string[] = [];
  let dueUnixMs = nextSilenceChange(silences, nowUnixMs);
  for (const draft of draftsOf(rules, { ...facts, firing, others, suppressionOf })) {
    const isMuted = draft.node !== undefined && suppressions.mutedBy(draft.node).length > 0;
    const told = tellGroup(rules, draft, { ...facts, others, isMuted, nextId: facts.nextId + planned.length });
    planned.push(...told.planned);
    if (told.dueUnixMs !== undefined) dueUnixMs = Math.min(dueUnixMs ?? Number.POSITIVE_INFINITY, told.dueUnixMs);
    if (told.isNeeded) {
      const group = draft.changed();
      if (group !== undefined) changed.push(group);
    } else if (draft.before !== undefined) removed.push(draft.id);
  }
  return { planned, changed, removed, suppressed, dueUnixMs };
}

interface GroupFacts extends PlanFacts {
  readonly others: ReadonlyMap<string, PlannedAlert>;
  readonly isMuted: boolean;
}

interface GroupPlan {
  readonly planned: readonly PlannedNotification[];
  readonly dueUnixMs: number | undefined;
  readonly isNeeded: boolean;
}

/** What is new for a target. */
interface News {
  readonly target: TargetDraft;
  readonly fresh: readonly PlannedAlert[];
  readonly over: readonly Alert[];
}

interface Content extends Omit<News, 'target'> {
  /** What fires and was told before. */
  readonly again: readonly PlannedAlert[];
}

function tellGroup(rules: NotifyRules, draft: GroupDraft, facts: GroupFacts): GroupPlan {
  const { nowUnixMs, isMuted } = facts;
  const { groupWaitMs, groupIntervalMs, repeatIntervalMs } = (draft.node ?? rules.root).route;
  draft.noteClock(nowUnixMs);
  for (const target of draft.targets) settle(draft, target, facts);
  const news = draft.targets.map((target) => newsOf(draft, target, facts));
  const due = new Due(nowUnixMs);
  const planned: PlannedNotification[] = [];
  const { sentUnixMs } = draft;
  const tell = (target: TargetDraft, content: Content) => {
    planned.push(...notificationsOf(draft, target, content, facts, facts.nextId + planned.length));
    target.sentUnixMs = nowUnixMs;
    target.isChanged = true;
  };

  const current = news.filter(({ fresh, over }) => fresh.length + over.length > 0);
  if (current.length === 0) draft.setNewsSince(null);
  else {
    draft.setNewsSince(draft.newsSinceUnixMs ?? nowUnixMs);
    const firingSince = current.flatMap(({ fresh }) => fresh.map((alert) => alert.firingSinceUnixMs ?? nowUnixMs));
    const since = firingSince.reduce((a, b) => Math.min(a, b), draft.newsSinceUnixMs as number);
    const atUnixMs = Math.max(since + groupWaitMs, sentUnixMs === null ? 0 : sentUnixMs + groupIntervalMs);
    if (!isMuted && due.isAt(atUnixMs)) {
      for (const { target, fresh, over } of current) {
        const isNew = new Set([...fresh, ...over].map(({ id }) => id));
        tell(target, { fresh, over, again: firingOf(draft, target).filter(({ id }) => !isNew.has(id)) });
        for (const { id } of fresh) target.setTold(id, false);
        for (const { id } of over) target.forget(id);
      }
      draft.setSent(nowUnixMs);
      draft.setNewsSince(null);
    }
  }
  for (const target of draft.targets) {
    for (const atUnixMs of target.waits.values()) due.isAt(atUnixMs);
    const { key, resendMs } = target.planned;
    const everyMs = resendMs ?? repeatIntervalMs;
    const again = resendMs !== undefined ? resentOf(draft, target) : isMuted ? [] : repeatedOf(draft, target);
    if (target.sentUnixMs === null || again.length === 0) continue;
    if (due.isAt(target.sentUnixMs + everyMs) && !facts.isWaiting(draft.receiver, key, draft.key)) {
      tell(target, { fresh: [], over: [], again });
      due.isAt(nowUnixMs + everyMs);
    }
  }
  const toldIds = draft.toldIds();
  for (const id of [...draft.over.keys()]) if (!toldIds.has(id)) draft.dropOver(id);
  const isRecent = draft.sentUnixMs !== null && draft.sentUnixMs + groupIntervalMs > nowUnixMs;
  const isNeeded = toldIds.size > 0 || current.length > 0 || isRecent || isOnItsWay(draft, facts) || planned.length > 0;
  return { planned, dueUnixMs: due.next, isNeeded };
}

/** Something that it told may yet be given up, or was and is told anew. */
function isOnItsWay({ receiver, key, targets }: GroupDraft, { isWaiting }: GroupFacts): boolean {
  return targets.some(({ planned, waits }) => waits.size > 0 || isWaiting(receiver, planned.key, key));
}

/** Collects the earliest time to come. */
class Due {
  readonly #nowUnixMs: number;
  next: number | undefined;

  constructor(nowUnixMs: number) {
    this.#nowUnixMs = nowUnixMs;
  }

  isAt(atUnixMs: number): boolean {
    if (atUnixMs <= this.#nowUnixMs) return true;
    this.next = Math.min(this.next ?? atUnixMs, atUnixMs);
    return false;
  }
}

/** Notes which of the told alerts are silenced by now, and forgets those whose end is not to be told. */
function settle(draft: GroupDraft, target: TargetDraft, { others }: GroupFacts): void {
  for (const id of [...target.told.keys()]) {
    if (draft.members.get(id)?.isSilenced === true) target.setTold(id, true);
    if (!target.planned.sendsResolved && hasEnded(draft, id, others)) target.forget(id);
  }
}

/** One that flaps has not: it was told once, until it is quiet. After its rule was changed or removed it flaps no more. */
function hasEnded(draft: GroupDraft, id: string, others: ReadonlyMap<string, PlannedAlert>): boolean {
  const over = draft.over.get(id);
  return over !== undefined && (over.closedBecause === 'rule_changed' || others.get(id)?.isFlapping !== true);
}

function newsOf(draft: GroupDraft, target: TargetDraft, { others }: GroupFacts): News {
  const fresh: PlannedAlert[] = [];
  for (const [id, { alert, isSilenced, isInhibited }] of draft.members) {
    if (isSilenced || isInhibited || target.waits.has(id)) continue;
    const told = target.told.get(id);
    if (told === undefined || told.tellAgain) fresh.push(alert);
  }
  const over = [...draft.over.values()].filter(
    ({ id }) => target.told.has(id) && !target.waits.has(id) && hasEnded(draft, id, others),
  );
  return { target, fresh: fresh.sort(bySeniority), over: over.sort(bySeniority) };
}

/** Longest firing first. */
function bySeniority(a: PlannedAlert, b: PlannedAlert): number {
  return (a.firingSinceUnixMs ?? 0) - (b.firingSinceUnixMs ?? 0) || (a.id < b.id ? -1 : 1);
}

/** What fires and may be told. */
function firingOf(draft: GroupDraft, target: TargetDraft): PlannedAlert[] {
  if (target.planned.resendMs !== undefined) return resentOf(draft, target);
  return [...draft.members.values()]
    .filter(({ alert, isSilenced, isInhibited }) => !isSilenced && !isInhibited && !target.waits.has(alert.id))
    .map(({ alert }) => alert)
    .sort(bySeniority);
}

function repeatedOf(draft: GroupDraft, target: TargetDraft): PlannedAlert[] {
  return firingOf(draft, target).filter(({ id }) => target.told.has(id));
}

/**
 * Everything that was told and not ended, whether it is suppressed by now or flaps: without a word of it, the receiver would take
 * it as resolved.
 */
function resentOf(draft: GroupDraft, target: TargetDraft): PlannedAlert[] {
  return [...target.told.keys()]
    .filter((id) => !target.waits.has(id))
    .flatMap((id): PlannedAlert | [] => draft.members.get(id)?.alert ?? draft.over.get(id) ?? [])
    .sort(bySeniority);
}

function notificationsOf(
  draft: GroupDraft,
  { planned, told: known }: TargetDraft,
  { fresh, over: ends, again }: Content,
  { nowUnixMs, alertOf }: GroupFacts,
  firstId: number,
): PlannedNotification[] {
  // One that fires is among the first, however many have ended: the group is not over.
  const alerts = [...fresh, ...again.slice(0, 1), ...ends, ...again.slice(1)];
  const ended = new Set(ends.map(({ id }) => id));
  const asTold = ({ id }: PlannedAlert): Alert => {
    const over = draft.over.get(id);
    if (over === undefined) return { ...alertOf(id), ...NOT_SUPPRESSED };
    return ended.has(id) ? over : { ...over, state: 'firing', resolvedUnixMs: null, closedBecause: null };
  };
  const { maxAlerts, hasParts, index } = planned;
  const first = new Set(fresh.flatMap(({ id }) => (known.has(id) ? [] : id)));
  const open = new Set([...known.keys(), ...first].filter((id) => !ended.has(id)));
  const parts = hasParts ? Math.ceil(alerts.length / maxAlerts) : 1;
  return Array.from({ length: parts }, (_, part) => {
    const id = firstId + part;
    const identity = [draft.receiver, planned.key, draft.key, id, nowUnixMs];
    const told = alerts.slice(part * maxAlerts, (part + 1) * maxAlerts);
    const notification: Notification = {
      id,
      receiver: draft.receiver,
      target: index,
      targetKey: planned.key,
      groupKey: draft.key,
      groupLabels: draft.labels,
      alerts: told.map(asTold),
      openAlerts: open.size,
      truncatedAlerts: hasParts ? 0 : Math.max(0, alerts.length - maxAlerts),
      dedupKey: createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 32),
      isTrial: false,
      createdUnixMs: nowUnixMs,
    };
    return {
      notification,
      targetKey: planned.key,
      fresh: hasParts ? told.flatMap((alert) => (first.has(alert.id) ? alert.id : [])) : [...first],
      isResend: planned.resendMs !== undefined && fresh.length + ends.length === 0,
    };
  });
}
