/**
 * Groups of workers that can fail together: how many of each are alive, how many are silent, and whose brake is
 * engaged. Workers without a group, or in a group too small for a mass failure, are watched together.
 */
import { type GroupFacts, isMostlyBack, LEAST_SILENT } from '../../model/brake.ts';
import type { RosterEntry } from '../workers/roster.ts';

class Group {
  readonly name: string;
  watched = 0;
  readonly silent = new Set<RosterEntry>();
  heldSinceMs: number | undefined;

  constructor(name: string) {
    this.name = name;
  }

  /** Whether the group is large enough for a brake of its own. */
  get isLarge(): boolean {
    return this.name !== '' && (this.watched >= LEAST_SILENT || this.heldSinceMs !== undefined);
  }
}

/** A unit with a brake: a group, or all small groups together. */
export interface BrakeUnit extends GroupFacts {
  /** Empty: workers without a group, or in a small one. */
  readonly name: string;
  readonly silentEntries: readonly RosterEntry[];
  /** Names of its groups that are silent, in order: of small groups, some may report all the time. */
  readonly silentGroups: readonly string[];
}

export class GroupWatch {
  readonly #groups = new Map<string, Group>();
  /** Workers without a group; also holds the brake of all small groups. */
  readonly #rest = new Group('');

  constructor() {
    this.#groups.set('', this.#rest);
  }

  /** The current units. */
  get units(): BrakeUnit[] {
    const units: BrakeUnit[] = [];
    const small: Group[] = [];
    for (const group of this.#groups.values()) {
      if (group.isLarge) units.push(unitOf(group.name, [group], group.heldSinceMs));
      else small.push(group);
    }
    return [...units, unitOf('', small, this.#rest.heldSinceMs)];
  }

  get held(): BrakeUnit[] {
    return this.units.filter(({ heldSinceMs }) => heldSinceMs !== undefined);
  }

  isHeld(entry: RosterEntry): boolean {
    const group = this.#groupOf(entry);
    return group !== undefined && (group.isLarge ? group : this.#rest).heldSinceMs !== undefined;
  }

  /** Engages the brake of a unit as of `sinceMs`, or releases it. */
  setHeld(name: string, sinceMs: number | undefined): void {
    const group = this.#groups.get(name);
    if (group === undefined) return;
    group.heldSinceMs = sinceMs;
    this.#dropEmpty(group);
  }

  /** The worker is alive: from now on its silence counts. */
  watch(entry: RosterEntry): void {
    const { liveness } = entry;
    if (liveness.watchedIn === liveness.group) return;
    this.unwatch(entry);
    liveness.watchedIn = liveness.group;
    let group = this.#groups.get(liveness.group);
    if (group === undefined) {
      group = new Group(liveness.group);
      this.#groups.set(group.name, group);
    }
    group.watched++;
  }

  /** The worker's silence no longer counts: it said farewell, was removed, or has been silent for long. */
  unwatch(entry: RosterEntry): void {
    const group = this.#groupOf(entry);
    if (group === undefined) return;
    this.received(entry);
    entry.liveness.watchedIn = undefined;
    group.watched--;
    this.#dropEmpty(group);
  }

  silent(entry: RosterEntry): void {
    const group = this.#groupOf(entry);
    if (group === undefined) return;
    entry.liveness.isSilent = true;
    group.silent.add(entry);
  }

  received(entry: RosterEntry): void {
    if (!entry.liveness.isSilent) return;
    entry.liveness.isSilent = false;
    this.#groupOf(entry)?.silent.delete(entry);
  }

  #groupOf({ liveness }: RosterEntry): Group | undefined {
    return liveness.watchedIn === undefined ? undefined : this.#groups.get(liveness.watchedIn);
  }

  #dropEmpty(group: Group): void {
    if (group.watched === 0 && group.heldSinceMs === undefined && group !== this.#rest) this.#groups.delete(group.name);
  }
}

function unitOf(name: string, groups: readonly Group[], heldSinceMs: number | undefined): BrakeUnit {
  return {
    name,
    watched: groups.reduce((sum, { watched }) => sum + watched, 0),
    silent: groups.reduce((sum, { silent }) => sum + silent.size, 0),
    heldSinceMs,
    get silentEntries() {
      return groups.flatMap(({ silent }) => [...silent]);
    },
    get silentGroups() {
      const silent = groups.filter((group) => !isMostlyBack({ watched: group.watched, silent: group.silent.size }));
      return silent.map((group) => group.name).sort();
    },
  };
}
