/**
 * Groups of workers that may fail together: how many of each are alive, how many fell silent, whose brake is held. Those that
 * belong to no group, or to one too small to tell a mass by, are watched together.
 */
import { type GroupFacts, LEAST_SILENT } from '../../model/brake.ts';
import type { RosterEntry } from '../workers/roster.ts';

class Group {
  readonly name: string;
  watched = 0;
  readonly silent = new Set<RosterEntry>();
  heldSinceMs: number | undefined;

  constructor(name: string) {
    this.name = name;
  }

  /** Whether its members are told by themselves whether they failed together. */
  get isLarge(): boolean {
    return this.name !== '' && (this.watched >= LEAST_SILENT || this.heldSinceMs !== undefined);
  }
}

/** What has a brake: a group, or all small ones together. */
export interface BrakeUnit extends GroupFacts {
  /** Empty: those that belong to no group, or to a small one. */
  readonly name: string;
  readonly silentEntries: readonly RosterEntry[];
}

export class GroupWatch {
  readonly #groups = new Map<string, Group>();
  /** Holds the brake of all small groups, and those that belong to none. */
  readonly #rest = new Group('');

  constructor() {
    this.#groups.set('', this.#rest);
  }

  /** As they are now. */
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

  /** Holds the brake of a unit from then on, or no longer. */
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

  /** Its silence does not count any more: it said farewell, is forgotten, or has been silent for long. */
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
  };
}
