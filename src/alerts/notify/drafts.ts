/**
 * The groups as a plan works on them: what was told before, which alerts belong to them now, and which of the told ones are over.
 */
import type { Alert } from '../../model/alert.ts';
import { type Labels, sameLabels } from './labels.ts';
import { MAX_GROUPS, TELL_ANEW_AFTER_MS } from './notify-limits.ts';
import type { Destination, NotifyRules, PlannedTarget } from './notify-rules.ts';
import type { RouteNode } from './routes.ts';
import type { Suppression } from './suppression.ts';
import { groupId, type PlannedAlert, type Told, type ToldAlert, type ToldGroup, type ToldTarget } from './told.ts';

/** A firing alert of a group. */
export interface Member {
  readonly alert: PlannedAlert;
  readonly isSilenced: boolean;
  readonly isInhibited: boolean;
}

export class TargetDraft {
  readonly planned: PlannedTarget;
  readonly told: Map<string, ToldAlert>;
  readonly waits: Map<string, number>;
  sentUnixMs: number | null;
  isChanged: boolean;

  constructor(planned: PlannedTarget, before: ToldTarget | undefined) {
    this.planned = planned;
    this.told = new Map(before?.told);
    this.waits = new Map(before?.waits);
    this.sentUnixMs = before?.sentUnixMs ?? null;
    this.isChanged = before === undefined;
  }

  setTold(id: string, tellAgain: boolean): void {
    if (this.told.get(id)?.tellAgain === tellAgain) return;
    this.told.set(id, { tellAgain });
    this.isChanged = true;
  }

  noteClock(nowUnixMs: number): void {
    const sentUnixMs = this.sentUnixMs === null ? null : Math.min(this.sentUnixMs, nowUnixMs);
    if (sentUnixMs !== this.sentUnixMs) this.isChanged = true;
    this.sentUnixMs = sentUnixMs;
    for (const [id, atUnixMs] of this.waits) {
      const latestUnixMs = nowUnixMs + TELL_ANEW_AFTER_MS;
      if (atUnixMs > nowUnixMs && atUnixMs <= latestUnixMs) continue;
      if (atUnixMs <= nowUnixMs) this.waits.delete(id);
      else this.waits.set(id, latestUnixMs);
      this.isChanged = true;
    }
  }

  forget(id: string): void {
    if (this.told.delete(id)) this.isChanged = true;
  }
}

export class GroupDraft {
  readonly before: ToldGroup | undefined;
  readonly key: string;
  readonly receiver: string;
  readonly routeKey: string;
  readonly labels: Labels;
  readonly isOverflow: boolean;
  /** Undefined: the route is gone, or leads to another receiver. What was told is only followed to its end. */
  readonly node: RouteNode | undefined;
  readonly targets: readonly TargetDraft[];
  /** By id. */
  readonly members = new Map<string, Member>();
  /** See {@link ToldGroup.over}. */
  readonly over: Map<string, Alert>;
  newsSinceUnixMs: number | null;
  sentUnixMs: number | null;
  isChanged: boolean;

  constructor(
    rules: NotifyRules,
    group: Pick<ToldGroup, 'key' | 'receiver' | 'routeKey' | 'labels' | 'isOverflow'>,
    before?: ToldGroup,
  ) {
    this.before = before;
    this.key = group.key;
    this.receiver = group.receiver;
    this.routeKey = group.routeKey;
    this.labels = group.labels;
    this.isOverflow = group.isOverflow;
    const node = rules.nodes.get(group.routeKey);
    this.node = node?.route.receiver === group.receiver ? node : undefined;
    this.targets = (rules.targets.get(group.receiver) ?? []).map(
      (planned) => new TargetDraft(planned, before?.targets.get(planned.key)),
    );
    this.over = new Map(before?.over);
    this.newsSinceUnixMs = before?.newsSinceUnixMs ?? null;
    this.sentUnixMs = before?.sentUnixMs ?? null;
    // A target that is gone is forgotten with what it was told.
    this.isChanged = before === undefined || before.targets.size !== this.targets.length;
  }

  get id(): string {
    return groupId(this);
  }

  /** Ids of all alerts that one of the targets was told of. */
  toldIds(): Set<string> {
    return new Set(this.targets.flatMap(({ told }) => [...told.keys()]));
  }

  keepOver(alert: Alert): void {
    if (this.over.get(alert.id) === alert) return;
    this.over.set(alert.id, alert);
    this.isChanged = true;
  }

  /**
   * It fires again with other labels, because its rule or its worker has them now: for receivers another alert. What they were told
   * of ends under an id of its own.
   */
  supersede(id: string, end: Alert): void {
    const old = { ...end, id: `${id}/${end.resolvedUnixMs ?? 0}` };
    for (const target of this.targets) {
      if (!target.told.has(id)) continue;
      target.forget(id);
      target.setTold(old.id, false);
    }
    this.dropOver(id);
    this.keepOver(old);
  }

  dropOver(id: string): void {
    if (this.over.delete(id)) this.isChanged = true;
  }

  setNewsSince(atUnixMs: number | null): void {
    if (this.newsSinceUnixMs === atUnixMs) return;
    this.newsSinceUnixMs = atUnixMs;
    this.isChanged = true;
  }

  setSent(atUnixMs: number): void {
    this.sentUnixMs = atUnixMs;
    this.isChanged = true;
  }

  /** The wall clock may have been set back: no time of the past is later than now, or nothing would be told until then. */
  noteClock(nowUnixMs: number): void {
    if ((this.newsSinceUnixMs ?? 0) > nowUnixMs) this.setNewsSince(nowUnixMs);
    if ((this.sentUnixMs ?? 0) > nowUnixMs) this.setSent(nowUnixMs);
    for (const target of this.targets) target.noteClock(nowUnixMs);
  }

  /** Undefined: nothing has changed. */
  changed(): ToldGroup | undefined {
    if (!this.isChanged && !this.targets.some(({ isChanged }) => isChanged)) return undefined;
    const { key, receiver, routeKey, labels, isOverflow, newsSinceUnixMs, sentUnixMs, over } = this;
    const targets = new Map(
      this.targets.map(({ planned, sentUnixMs, told, waits }) => [planned.key, { sentUnixMs, told, waits }]),
    );
    return { key, receiver, routeKey, labels, isOverflow, newsSinceUnixMs, sentUnixMs, targets, over };
  }
}

export interface DraftFacts {
  /** All alerts that fire. */
  readonly firing: readonly PlannedAlert[];
  /** Alerts that do not fire, by id. */
  readonly others: ReadonlyMap<string, PlannedAlert>;
  readonly told: Told;
  /** The whole of an alert that is given here. */
  readonly alertOf: (id: string) => Alert;
  /** An alert as it ended since the last plan, whatever it is by now; undefined: it did not end. */
  readonly endedOf: (id: string) => Alert | undefined;
  suppressionOf(alert: PlannedAlert): Suppression;
}

/** Assigns each firing alert to its groups, and finds what is over. */
export function draftsOf(
  rules: NotifyRules,
  { firing, others, told, alertOf, endedOf, suppressionOf }: DraftFacts,
): GroupDraft[] {
  const drafts = new Map<string, GroupDraft>();
  for (const [id, group] of told) drafts.set(id, new GroupDraft(rules, group, group));
  const labelsOf = new Map<string, Labels>();
  for (const alert of firing) {
    labelsOf.set(alert.id, alert.labels);
    const { silencedBy, inhibitedBy } = suppressionOf(alert);
    const member = { alert, isSilenced: silencedBy.length > 0, isInhibited: inhibitedBy.length > 0 };
    for (const destination of rules.destinationsOf(alert.labels)) {
      draftFor(rules, drafts, destination, member)?.members.set(alert.id, member);
    }
  }
  const byReceiver = Map.groupBy(drafts.values(), ({ receiver }) => receiver);
  for (const draft of drafts.values()) {
    for (const id of draft.toldIds()) {
      const known = draft.over.get(id) ?? endedOf(id);
      const labels = labelsOf.get(id);
      if (labels !== undefined) {
        if (known !== undefined && !sameLabels(known.labels, labels)) draft.supersede(id, known);
        else {
          draft.dropOver(id);
          if (!draft.members.has(id)) keepInGroup(draft, id, byReceiver.get(draft.receiver) ?? []);
        }
        continue;
      }
      const other = others.get(id);
      const end = known ?? (other?.state === 'resolved' ? alertOf(id) : undefined);
      if (end !== undefined) draft.keepOver(end);
      // The table of alerts does not know it, and nobody saw its end: there is nothing that could be told.
      else if (other === undefined) for (const target of draft.targets) target.forget(id);
    }
  }
  return [...drafts.values()];
}

/** @returns undefined if nobody is to be told, and nobody was */
function draftFor(
  rules: NotifyRules,
  drafts: Map<string, GroupDraft>,
  { node, groupKey, groupLabels }: Destination,
  { alert, isSilenced, isInhibited }: Member,
): GroupDraft | undefined {
  const { receiver } = node.route;
  const own = { key: groupKey, receiver, routeKey: node.key, labels: groupLabels, isOverflow: false };
  const overflow = { ...own, key: `${node.key}:{…}`, labels: {}, isOverflow: true };
  const known = drafts.get(groupId(own));
  if (known !== undefined) return known;
  const shared = drafts.get(groupId(overflow));
  if (shared?.targets.some(({ told }) => told.has(alert.id)) === true) return shared;
  if (isSilenced || isInhibited) return undefined;
  if (drafts.size >= MAX_GROUPS && shared !== undefined) return shared;
  const draft = new GroupDraft(rules, drafts.size >= MAX_GROUPS ? overflow : own);
  drafts.set(draft.id, draft);
  return draft;
}

/**
 * The rules were changed: an alert that was told by this group now belongs to another one of the same receiver. It stays in the group
 * that told it until it is over, so that what was opened there (an incident, a thread of mails) is closed there, and is not told again.
 * If no group of the receiver has it, nothing is told until it is over.
 */
function keepInGroup(from: GroupDraft, id: string, drafts: readonly GroupDraft[]): void {
  const to = drafts.find(({ members }) => members.has(id));
  const member = to?.members.get(id);
  if (to === undefined || member === undefined) return;
  from.members.set(id, member);
  if (!to.targets.some(({ told }) => told.has(id))) to.members.delete(id);
}
