/**
 * What goes into heartbeats, by where it comes from. Of two sources with one name the earlier one wins: the program that embeds the
 * agent, then what programs of the machine report, then what the agent fetches.
 */
import type { RunningTask } from '../model/telemetry.ts';

export interface Source {
  readonly tasks: ReadonlyMap<string, RunningTask>;
  readonly metrics: ReadonlyMap<string, number>;
}

export const NO_TASKS: ReadonlyMap<string, RunningTask> = new Map();

export interface Merged {
  readonly tasks: ReadonlyMap<string, RunningTask>;
  readonly metrics: ReadonlyMap<string, number>;
  /** Tasks and metrics of a later source whose name an earlier one has. */
  readonly shadowed: number;
}

/** @param sources in order of precedence */
export function merged(sources: readonly Source[]): Merged {
  const tasks = mergedMaps(sources.map((source) => source.tasks));
  const metrics = mergedMaps(sources.map((source) => source.metrics));
  return { tasks: tasks.all, metrics: metrics.all, shadowed: tasks.shadowed + metrics.shadowed };
}

function mergedMaps<V>(maps: readonly ReadonlyMap<string, V>[]) {
  const filled = maps.filter((map) => map.size > 0);
  const [only = new Map<string, V>()] = filled;
  // Nothing is copied where there is one source, as nearly always.
  if (filled.length < 2) return { all: only, shadowed: 0 };
  const all = new Map<string, V>();
  let shadowed = 0;
  for (const map of filled) {
    for (const [name, value] of map) {
      if (all.has(name)) shadowed++;
      else all.set(name, value);
    }
  }
  return { all, shadowed };
}
