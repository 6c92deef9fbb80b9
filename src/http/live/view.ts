/**
 * Which workers pass a selection now, which did of late, and when that which is shown of them changed: what all clients and
 * blocking queries with this selection and these fields share. It follows every look, so that between two of them nothing
 * enters and leaves that it does not see.
 */
import type { Directory, WorkerEntry } from '../../store/directory.ts';
import type { ChangeOrder } from '../change-order.ts';
import { MAX_LEFT_REMEMBERED } from '../limits.ts';
import type { Fields } from '../query/fields.ts';
import type { Selection } from '../query/selection.ts';
import type { Gone, LookListener, Revisions } from '../revisions.ts';
import { ShownItems } from './shown-items.ts';

/** Equal for what shares a view. */
export function viewKey(selection: Selection, fields: Fields): string {
  return JSON.stringify([selection.key, isNewWithHeartbeats(fields) ? '' : fields.key]);
}

/** Where they tell the time of the last heartbeat there is no use in comparing. */
function isNewWithHeartbeats({ names }: Fields): boolean {
  return names.includes('last_update_at') || names.includes('telemetry');
}

export class View implements LookListener {
  /** See {@link viewKey}. */
  readonly key: string;
  readonly #selection: Selection;
  readonly #directory: Directory;
  readonly #revisions: Revisions;
  /** Undefined where every change of a worker is one of what is shown. */
  readonly #items: ShownItems | undefined;
  readonly #shown = new Set<string>();
  /** Who left, in that order; those that came back since are still among them. */
  #left: Gone[] = [];
  #since: number;
  #changedAt: number;

  /** @param revisions as of their last look */
  constructor(selection: Selection, fields: Fields, directory: Directory, revisions: Revisions) {
    this.key = viewKey(selection, fields);
    this.#selection = selection;
    this.#directory = directory;
    this.#revisions = revisions;
    for (const entry of revisions.changedAfter(0)) {
      if (this.#matches(entry)) this.#shown.add(entry.workerId);
    }
    this.#items = isNewWithHeartbeats(fields)
      ? undefined
      : new ShownItems(fields, directory, revisions, (workerId) => this.shows(workerId));
    this.#since = revisions.counter;
    this.#changedAt = revisions.counter;
  }

  /** Who left after a counter that is not below this one is known. */
  get since(): number {
    return this.#since;
  }

  /** Rows in the order of the last changes of what is shown of them; of who is not shown, the last that may matter. */
  get order(): ChangeOrder {
    return this.#items?.order ?? this.#revisions.order;
  }

  /** A client is told these bytes of the worker in that row. */
  told(row: number, bytes: Uint8Array): void {
    this.#items?.told(row, bytes);
  }

  /** The counter of the last change of what is shown of a worker that is, or was until then, shown; at first that of its making. */
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
    const wasShown = this.#shown.has(workerId);
    if (this.#matches(entry)) {
      this.#shown.add(workerId);
      if (this.#items?.changed(entry, at, wasShown) !== false) this.#changedAt = at;
    } else {
      this.#items?.hidden(entry, at, wasShown);
      this.#leaves(workerId, at);
    }
  }

  gone(row: number, workerId: string, at: number): void {
    this.#items?.gone(row);
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
