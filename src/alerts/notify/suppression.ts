/** Why receivers are not told of a firing alert: a pure function of (rules, firing alerts, silences, now). */
import type { Alert } from '../../model/alert.ts';
import { inhibited } from './inhibition.ts';
import { activeMuteTimes } from './mute-times.ts';
import type { NotifyRules } from './notify-rules.ts';
import type { RouteNode } from './routes.ts';
import type { SilencedBy } from './silences.ts';
import type { PlannedAlert } from './told.ts';

export type Suppression = Pick<Alert, 'silencedBy' | 'inhibitedBy' | 'mutedBy'>;

export const NOT_SUPPRESSED: Suppression = { silencedBy: [], inhibitedBy: [], mutedBy: [] };

export interface Suppressions {
  of(alert: PlannedAlert): Suppression;
  /** Names of the mute times of a route that are active. */
  mutedBy(node: RouteNode): readonly string[];
}

/** @param firing all firing alerts */
export function suppressionsOf(
  rules: NotifyRules,
  firing: readonly PlannedAlert[],
  silencedBy: SilencedBy,
  nowUnixMs: number,
): Suppressions {
  const inhibitedBy = inhibited(rules.inhibitors, firing);
  const muteTimes = activeMuteTimes(rules.muteTimes, rules.timeZone, nowUnixMs);
  const mutedBy = ({ route }: RouteNode) => route.muteTimes.filter((name) => muteTimes.has(name));
  return {
    of({ id, labels }) {
      const perRoute = muteTimes.size === 0 ? [] : rules.destinationsOf(labels).map(({ node }) => mutedBy(node));
      return {
        silencedBy: silencedBy(labels),
        inhibitedBy: inhibitedBy.get(id) ?? [],
        // As long as one route is not muted, somebody is told.
        mutedBy: perRoute.some((names) => names.length === 0) ? [] : [...new Set(perRoute.flat())],
      };
    },
    mutedBy,
  };
}
