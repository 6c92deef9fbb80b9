/**
 * The groups as a plan works on them: what was told before, which alerts belong to them now, and which of the told ones are over.
 */
import type { Alert, AlertState } from '../../model/alert.ts';
import type { Labels } from './labels.ts';
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
  sentUnixMs: number | null;
  notBeforeUnixMs: number;
  isChanged: boolean;

  constructor(planned: PlannedTarget, before: ToldTarget | undefined) {
    this.planned = planned;
    this.told = new Map(before?.told);
    this.sentUnixMs = before?.sentUnixMs ?? null;
    this.notBeforeUnixMs = before?.notBeforeUnixMs ?? 0;
    this.isChanged = before === undefined;
  }

  setTold(id: string, wasSilenced: boolean): void {
    if (this.told.get(id)?.wasSilenced === wasSilenced) return;
    this.told.set(id, { wasSilenced });
    this.isChanged = true;
  }

  noteClock(nowUnixMs: number): void {
    const sentUnixMs = this.sentUnixMs === null ? null : Math.min(this.sentUnixMs, nowUnixMs);
    const notBeforeUnixMs = Math.min(this.notBeforeUnixMs, nowUnixMs + TELL_ANEW_AFTER_MS);
    if (sentUnixMs !== this.sentUnixMs || notBeforeUnixMs !== this.notBeforeUnixMs) this.isChanged = true;
    this.sentUnixMs = sentUnixMs;
    this.notBeforeUnixMs = notBeforeUnixMs;
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
    this.over.set(alert.id, alert);
    this.isChanged = true;
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
      this.targets.map(({ planned, sentUnixMs, notBeforeUnixMs, told }) => [
        planned.key,
        { sentUnixMs, notBeforeUnixMs, told },
      ]),
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
  suppressionOf(alert: PlannedAlert): Suppression;
}

/** Assigns each firing alert to its groups, and finds what is over. */
export function draftsOf(
  rules: NotifyRules,
  { firing, others, told, alertOf, suppressionOf }: DraftFacts,
): GroupDraft[] {
  const drafts = new Map<string, GroupDraft>();
  for (const [id, group] of told) drafts.set(id, new GroupDraft(rules, group, group));
  const isFiring = new Set<string>();
  for (const alert of firing) {
    isFiring.add(alert.id);
    const { silencedBy, inhibitedBy } = suppressionOf(alert);
    const member = { alert, isSilenced: silencedBy.length > 0, isInhibited: inhibitedBy.length > 0 };
    for (const destination of rules.destinationsOf(alert.labels)) {
      draftFor(rules, drafts, destination, member)?.members.set(alert.id, member);
    }
  }
  const byReceiver = Map.groupBy(drafts.values(), ({ receiver }) => receiver);
  for (const draft of drafts.values()) {
    for (const id of draft.toldIds()) {
      if (isFiring.has(id)) {
        draft.dropOver(id);
        if (!draft.members.has(id)) handOver(draft, id, byReceiver.get(draft.receiver) ?? []);
      } else if (!knowsEnd(draft, others.get(id)?.state, id, alertOf)) {
        // The table of alerts does not know it, and nobody saw its end: there is nothing that could be told.
        for (const target of draft.targets) target.forget(id);
      }
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

/** @returns whether the end of an alert is known, or will be */
function knowsEnd(
  draft: GroupDraft,
  state: AlertState | undefined,
  id: string,
  alertOf: DraftFacts['alertOf'],
): boolean {
  if (state === 'resolved' && !draft.over.has(id)) draft.keepOver(alertOf(id));
  return state !== undefined || draft.over.has(id);
}

/**
 * The rules were changed: an alert that was told by this group now belongs to another one of the same receiver. It is not told
 * again. If no group has it, nothing is told until it is over.
 */
function handOver(from: GroupDraft, id: string, drafts: readonly GroupDraft[]): void {
  const to = drafts.find(({ members }) => members.has(id));
  if (to === undefined) return;
  for (const target of from.targets) {
    const told = target.told.get(id);
    if (told === undefined) continue;
    target.forget(id);
    const heir = to.targets.find(({ planned }) => planned.key === target.planned.key);
    if (heir?.told.has(id) === false) heir.setTold(id, told.wasSilenced);
  }
}
