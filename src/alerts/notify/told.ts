/** What receivers were told: plain data, kept in alerts.db, so that a restart changes nothing. */
import type { Alert } from '../../model/alert.ts';
import type { Labels } from './labels.ts';

/** What decides of an alert. */
export type PlannedAlert = Pick<Alert, 'id' | 'labels' | 'state' | 'firingSinceUnixMs' | 'isFlapping'>;

/** Alerts that are told together to one receiver. */
export interface ToldGroup {
  /** Like Alertmanager's, see `groupKeyOf`. */
  readonly key: string;
  readonly receiver: string;
  readonly routeKey: string;
  readonly labels: Labels;
  /** Alerts of a route that has too many groups are told together, without regard to their labels. */
  readonly isOverflow: boolean;
  /** Since when there is something that was not told; null: there is nothing. */
  readonly newsSinceUnixMs: number | null;
  /** When something new was last told; null: never. */
  readonly sentUnixMs: number | null;
  /** By the target's key, see `notify-rules.ts`. */
  readonly targets: ReadonlyMap<string, ToldTarget>;
  /** By id: alerts that are over, as they ended, until each target that was told of them knows. */
  readonly over: ReadonlyMap<string, Alert>;
}

export interface ToldTarget {
  readonly sentUnixMs: number | null;
  /** The alerts of which it was told that they fire, and not yet that they are over. */
  readonly told: ReadonlyMap<string, ToldAlert>;
  /** By id: before when nothing is told of an alert, because a notification of it was given up. */
  readonly waits: ReadonlyMap<string, number>;
}

export interface ToldAlert {
  /** It is told again as soon as it may: a silence began after it was told, or a notification that told it again was given up. */
  readonly tellAgain: boolean;
}

/** All groups, by {@link groupId}. */
export type Told = ReadonlyMap<string, ToldGroup>;

/** A key is unique within a receiver. */
export function groupId({ receiver, key }: Pick<ToldGroup, 'receiver' | 'key'>): string {
  return JSON.stringify([receiver, key]);
}

export function toldGroupToJson({ targets, over, ...group }: ToldGroup): string {
  return JSON.stringify({
    ...group,
    targets: [...targets].map(([key, { told, waits, ...target }]) => ({
      key,
      ...target,
      told: [...told.keys()],
      again: [...told].filter(([, { tellAgain }]) => tellAgain).map(([id]) => id),
      waits: [...waits],
    })),
    over: [...over.values()],
  });
}

interface GroupJson extends Omit<ToldGroup, 'targets' | 'over'> {
  readonly targets: readonly (Omit<ToldTarget, 'told' | 'waits'> & {
    readonly key: string;
    readonly told: readonly string[];
    readonly again: readonly string[];
    readonly waits: readonly (readonly [string, number])[];
  })[];
  readonly over: readonly Alert[];
}

/** @param json of {@link toldGroupToJson} */
export function toldGroupOfJson(json: string): ToldGroup {
  const { targets, over, ...group } = JSON.parse(json) as GroupJson;
  return {
    ...group,
    targets: new Map(
      targets.map(({ key, told, again, waits, ...target }) => {
        const toTell = new Set(again);
        const alerts = told.map((id) => [id, { tellAgain: toTell.has(id) }] as const);
        return [key, { ...target, told: new Map(alerts), waits: new Map(waits) }];
      }),
    ),
    over: new Map(over.map((alert) => [alert.id, alert])),
  };
}
