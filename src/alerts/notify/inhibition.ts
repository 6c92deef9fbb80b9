/**
 * Inhibition: while an alert that matches `source` fires, those that match `target` with equal values of the labels `equal` are not
 * sent. As in Alertmanager, a source inhibits even if it is inhibited or silenced itself, and an alert that matches both sides is not
 * inhibited by others that do.
 *
 * Unlike there, alerts cannot suppress each other: alerts that would, directly or through others, do not count for one another. So
 * whoever follows an inhibition to its source, and on from there, always comes to an alert that is not inhibited. A file whose
 * rules have such a cycle is refused where that can be told from the rules alone (`../rules/inhibition-cycles.ts`).
 */
import { labelTest } from '../../model/label-matchers.ts';
import type { Inhibition } from '../rules/rule.ts';
import { components } from './components.ts';
import { type Labels, labelValue } from './labels.ts';
import { MAX_SHOWN_INHIBITORS } from './notify-limits.ts';

/** A rule, compiled. */
export interface Inhibitor {
  readonly isSource: (labels: Labels) => boolean;
  readonly isTarget: (labels: Labels) => boolean;
  readonly equal: readonly string[];
}

export function inhibitorOf({ source, target, equal }: Inhibition): Inhibitor {
  return { isSource: labelTest(source), isTarget: labelTest(target), equal };
}

interface Firing {
  readonly id: string;
  readonly labels: Labels;
}

/** The sources and targets of one rule that have the same values of `equal`: each source inhibits each target. */
interface Meeting {
  readonly sources: number[];
  readonly targets: number[];
}

/**
 * @param firing all firing alerts
 * @returns for the inhibited ones, the ids of alerts that inhibit them, at most {@link MAX_SHOWN_INHIBITORS}
 */
export function inhibited(inhibitors: readonly Inhibitor[], firing: readonly Firing[]): ReadonlyMap<string, string[]> {
  const meetings = inhibitors.flatMap((inhibitor) => meetingsOf(inhibitor, firing));
  // Alerts and meetings are nodes, so that there are no more arrows than alerts, however many inhibit however many.
  const arrows: number[][] = Array.from({ length: firing.length + meetings.length }, () => []);
  for (const [i, { sources, targets }] of meetings.entries()) {
    for (const source of sources) arrows[source]?.push(firing.length + i);
    arrows[firing.length + i]?.push(...targets);
  }
  const componentOf = components(arrows);
  const found = new Map<string, string[]>();
  for (const [i, { sources, targets }] of meetings.entries()) {
    const own = componentOf[firing.length + i];
    const outside = firstOf(sources, (source) => componentOf[source] !== own);
    for (const target of targets) {
      // A target beyond the meeting's cycle can be in a cycle with none of the sources.
      const counting = componentOf[target] === own ? outside : sources;
      if (counting.length > 0) add(found, target, counting);
    }
  }
  return found;

  function add(to: Map<string, string[]>, target: number, sources: readonly number[]): void {
    const id = (firing[target] as Firing).id;
    const ids = to.get(id) ?? [];
    to.set(id, ids);
    for (const source of sources) {
      if (ids.length >= MAX_SHOWN_INHIBITORS) return;
      const sourceId = (firing[source] as Firing).id;
      if (!ids.includes(sourceId)) ids.push(sourceId);
    }
  }
}

function meetingsOf({ isSource, isTarget, equal }: Inhibitor, firing: readonly Firing[]): Meeting[] {
  const byValues = new Map<string, { onlySources: number[]; both: number[]; onlyTargets: number[] }>();
  for (const [i, { labels }] of firing.entries()) {
    const [source, target] = [isSource(labels), isTarget(labels)];
    if (!source && !target) continue;
    const key = JSON.stringify(equal.map((name) => labelValue(labels, name)));
    const sides = byValues.get(key) ?? { onlySources: [], both: [], onlyTargets: [] };
    byValues.set(key, sides);
    (source ? (target ? sides.both : sides.onlySources) : sides.onlyTargets).push(i);
  }
  return [...byValues.values()]
    .flatMap(({ onlySources, both, onlyTargets }) => [
      { sources: onlySources, targets: [...both, ...onlyTargets] },
      { sources: both, targets: onlyTargets },
    ])
    .filter(({ sources, targets }) => sources.length > 0 && targets.length > 0);
}

function firstOf(sources: readonly number[], counts: (source: number) => boolean): number[] {
  const found: number[] = [];
  for (const source of sources) {
    if (counts(source)) found.push(source);
    if (found.length === MAX_SHOWN_INHIBITORS) break;
  }
  return found;
}
