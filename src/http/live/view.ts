/**
 * Which workers pass a selection now, and which did of late: what all clients and blocking queries with this selection
 * share. It follows every look, so that between two of them nothing enters and leaves that it does not see.
 */
import type { Directory, WorkerEntry } from '../../store/directory.ts';
import { MAX_LEFT_REMEMBERED } from '../limits.ts';
import type { Selection } from '../query/selection.ts';
import type { Gone, LookListener, Revisions } from '../revisions.ts';

export class View implements LookListener {
  readonly #selection: Selection;
  readonly #directory: Directory;
  readonly #shown = new Set<string>();
  /** Who left, in that order; those that came back since are still among them. */
  #left: Gone[] = [];
  #since: number;
  #changedAt: number;

  /** @param revisions as of their last look */
  constructor(selection: Selection, directory: Directory, revisions: Revisions) {
    this.#selection = selection;
    this.#directory = directory;
    for (const entry of revisions.changedAfter(0)) {
      if (this.#matches(entry)) this.#shown.add(entry.workerId);
    }
    this.#since = revisions.counter;
    this.#changedAt = revisions.counter;
  }

  get key(): string {
    return this.#selection.key;
  }

  /** Who left after a counter that is not below this one is known. */
  get since(): number {
    return this.#since;
  }

  /** The counter of the last change of a worker that is, or was until then, shown; at first that of its making. */
  get changedAt(): number {
    return this.#changedAt;
  }

  shows(workerId: string): boolean {
    return this.#shown.has(workerId);
  }

  /** Who left after `counter`, in that order. */
  leftAfter(counter: number): readonly Gone[] {
    let first = this.#left.length;
    while (first > 0 && (this.#left[first - 1] as Gone).at > counter) first--;
    return this.#left.slice(first);
  }

  changed(entry: WorkerEntry, at: number): void {
    const { workerId } = entry;
    if (this.#matches(entry)) {
      this.#shown.add(workerId);
      this.#changedAt = at;
    } else this.#leaves(workerId, at);
  }

  gone(_row: number, workerId: string, at: number): void {
    this.#leaves(workerId, at);
  }

  /** A record that changes too fast to be read changes again: the next look decides. Others must not miss this one. */
  #matches(entry: WorkerEntry): boolean {
    try {
      return this.#selection.matches(entry, this.#directory);
    } catch {
      return this.#shown.has(entry.workerId);
    }
  }

  #leaves(workerId: string, at: number): void {
    if (!this.#shown.delete(workerId)) return;
    this.#changedAt = at;
    this.#left.push({ workerId, at });
    if (this.#left.length < 2 * MAX_LEFT_REMEMBERED) return;
    // Half at a time, since taking the first of an array one by one would move all others each time.
    this.#since = (this.#left[MAX_LEFT_REMEMBERED - 1] as Gone).at;
    this.#left = this.#left.slice(MAX_LEFT_REMEMBERED);
  }
}
