/** Groups of workers that may fail together: how many of each are alive, how many fell silent, whose brake is held. */
import type { GroupFacts } from '../model/brake.ts';
import type { RosterEntry } from './roster.ts';

export class WatchedGroup implements GroupFacts {
  /** Empty: those that belong to none. */
  readonly name: string;
  watched = 0;
  readonly silentEntries = new Set<RosterEntry>();
  heldSinceMs: number | undefined;

  constructor(name: string) {
    this.name = name;
  }

  get silent(): number {
    return this.silentEntries.size;
  }
}

export class GroupWatch {
  readonly #groups = new Map<string, WatchedGroup>();

  get groups(): Iterable<WatchedGroup> {
    return this.#groups.values();
  }

  get held(): readonly WatchedGroup[] {
    return [...this.#groups.values()].filter(({ heldSinceMs }) => heldSinceMs !== undefined);
  }

  get(name: string): WatchedGroup | undefined {
    return this.#groups.get(name);
  }

  isHeld({ liveness }: RosterEntry): boolean {
    const { watchedIn } = liveness;
    return watchedIn !== undefined && this.#groups.get(watchedIn)?.heldSinceMs !== undefined;
  }

  /** The worker is alive: from now on its silence counts. */
  watch(entry: RosterEntry): void {
    const { liveness } = entry;
    if (liveness.watchedIn === liveness.group) return;
    this.unwatch(entry);
    liveness.watchedIn = liveness.group;
    let group = this.#groups.get(liveness.group);
    if (group === undefined) {
      group = new WatchedGroup(liveness.group);
      this.#groups.set(group.name, group);
    }
    group.watched++;
  }

  /** Its silence does not count any more: it said farewell, is forgotten, or has been silent for long. */
  unwatch(entry: RosterEntry): void {
    const group = this.#groupOf(entry);
    if (group === undefined) return;
    this.heard(entry);
    entry.liveness.watchedIn = undefined;
    group.watched--;
    if (group.watched === 0 && group.heldSinceMs === undefined) this.#groups.delete(group.name);
  }

  silent(entry: RosterEntry): void {
    if (entry.liveness.isSilent) return;
    const group = this.#groupOf(entry);
    if (group === undefined) return;
    entry.liveness.isSilent = true;
    group.silentEntries.add(entry);
  }

  heard(entry: RosterEntry): void {
    if (!entry.liveness.isSilent) return;
    entry.liveness.isSilent = false;
    this.#groupOf(entry)?.silentEntries.delete(entry);
  }

  release(group: WatchedGroup): void {
    group.heldSinceMs = undefined;
    if (group.watched === 0) this.#groups.delete(group.name);
  }

  #groupOf({ liveness }: RosterEntry): WatchedGroup | undefined {
    return liveness.watchedIn === undefined ? undefined : this.#groups.get(liveness.watchedIn);
  }
}
