/**
 * Which workers pass a selection now, which did before, and when that which is shown of them changed: what all clients and
 * blocking queries with this selection and these fields share.
 *
 * A view has a position, as clients do: the counter up to which it has seen every change (counters.ts has all counters). It
 * goes on from there in steps of one worker, so that somebody may stop it after any of them. A new one begins at 0, and
 * tells nobody anything before it has been through all workers that there were when it was made.
 *
 * It may be late, and then see only the last of several changes of a worker. What came between is not known: the worker
 * may have passed, or shown other values, and somebody may have been told so by a list. So it counts as changed, and as
 * one that left if it does not pass: a client may be told more than it needs, and never less. The same holds for a worker that
 * changes while it is looked at.
 */

import type { ChangeOrder } from '../../reading/change-order.ts';
import type { Directory, WorkerEntry } from '../../reading/directory.ts';
import type { Fields } from '../../reading/fields.ts';
import type { ParsedRecord } from '../../reading/parsed-record.ts';
import type { ParsedRecords } from '../../reading/parsed-records.ts';
import type { Gone, Left, Revisions } from '../../reading/revisions.ts';
import type { Selection } from '../../reading/selection.ts';
import { MAX_LEFT_REMEMBERED } from '../http-limits.ts';
import { ViewCounters } from './counters.ts';
import { ShownItems } from './shown-items.ts';

/** Equal for what shares a view. */
export function viewKey(selection: Selection, fields: Fields): string {
  return JSON.stringify([selection.key, isNewWithHeartbeats(fields) ? '' : fields.key]);
}

/** Where they tell the time of the last heartbeat there is no use in comparing. */
function isNewWithHeartbeats({ names }: Fields): boolean {
  return names.includes('last_update_at') || names.includes('telemetry');
}

export interface ViewParts {
  readonly directory: Directory;
  readonly revisions: Revisions;
  readonly readings: ParsedRecords;
  readonly nowMs: () => number;
}

export class View {
  /** See {@link viewKey}. */
  readonly key: string;
  readonly #selection: Selection;
  readonly #fields: Fields;
  readonly #directory: Directory;
  readonly #revisions: Revisions;
  readonly #readings: ParsedRecords;
  readonly #nowMs: () => number;
  readonly #isAsSeen = (row: number) => this.#revisions.isAsSeen(row);
  /** Undefined where every change of a worker is one of what is shown. */
  #items: ShownItems | undefined;
  readonly #shown = new Set<string>();
  /** Rows of workers that may have changed while they were looked at. */
  readonly #unsure = new Set<number>();
  /** Who left, in that order; those that came back since are still among them. */
  #left: Left[] = [];
  readonly counters = new ViewCounters();
  /** About since when there are changes that it has not seen. */
  #lateSinceMs = 0;

  /** Complete when it is no longer behind. */
  constructor(selection: Selection, fields: Fields, { directory, revisions, readings, nowMs }: ViewParts) {
    this.key = viewKey(selection, fields);
    this.#selection = selection;
    this.#fields = fields;
    this.#directory = directory;
    this.#revisions = revisions;
    this.#readings = readings;
    this.#nowMs = nowMs;
    this.#begin();
  }

  /** Up to this counter every change was seen. */
  get seenTo(): number {
    return this.counters.seenTo;
  }

  /** Whether it has been through all workers that there were at first: nobody is told anything before. */
  get isComplete(): boolean {
    return this.counters.isComplete;
  }

  get isBehind(): boolean {
    return this.counters.seenTo < this.#revisions.counter;
  }

  /** A look has found changes, of which it had seen all that were found before. */
  becameLate(nowMs: number): void {
    this.#lateSinceMs = nowMs;
  }

  /** For so long nobody could have it look. */
  stood(forMs: number): void {
    this.#lateSinceMs += forMs;
  }

  /** For how long there have been changes that it has not seen; up to twice as long as it is late. */
  lateMs(nowMs: number): number {
    return this.isBehind ? nowMs - this.#lateSinceMs : 0;
  }

  /** Who left after a counter that is not below this one is known. */
  get horizon(): number {
    return this.counters.horizon;
  }

  /** Rows in the order of the last changes of what is shown of them; of who is not shown, the last that may matter. */
  get order(): ChangeOrder {
    return this.#items?.order ?? this.#revisions.order;
  }

  /** A client is told what was read of a worker. */
  shown(reading: ParsedRecord): void {
    this.#items?.shown(reading);
  }

  /** The counter of the last change of what is shown of a worker that is, or was until then, shown; at first that of its making. */
  get changedAt(): number {
    return this.counters.changedAt;
  }

  shows(workerId: string): boolean {
    return this.#shown.has(workerId);
  }

  /** Who left after `counter`, in that order. */
  leftAfter(counter: number): readonly Left[] {
    let first = this.#left.length;
    while (first > 0 && (this.#left[first - 1] as Left).at > counter) first--;
    return this.#left.slice(first);
  }

  /** Looks at changes that it has not seen, one worker after the other, at least at one, until there are no more or `isOver`. */
  catchUp(isOver: () => boolean): void {
    const revisions = this.#revisions;
    const { counters } = this;
    const { order } = revisions;
    // Some that are gone are not remembered.
    if (counters.goneTo < revisions.horizon) this.#begin();
    const going = revisions.goneAfter(counters.goneTo);
    let gone = nextOf(going);
    let row = order.firstAfter(counters.seenTo);
    while (row !== -1 || gone !== undefined) {
      const at = row === -1 ? Number.POSITIVE_INFINITY : order.at(row);
      if (gone !== undefined && gone.at < at) {
        this.#gone(gone);
        counters.saw(gone.at);
        gone = nextOf(going);
      } else {
        this.#look(revisions.entryAt(row) as WorkerEntry, at);
        counters.saw(at);
        row = order.next(row);
      }
      if (isOver()) break;
    }
    if (row === -1 && gone === undefined) counters.saw(revisions.counter);
    if (counters.pause(revisions.counter)) this.#lateSinceMs = this.#nowMs();
  }

  #begin(): void {
    this.#shown.clear();
    this.#unsure.clear();
    this.#left = [];
    this.#items = isNewWithHeartbeats(this.#fields) ? undefined : new ShownItems(this.#fields, this.#directory);
    this.counters.begin(this.#revisions.counter);
    this.#lateSinceMs = this.#nowMs();
  }

  #look(entry: WorkerEntry, at: number): void {
    const { workerId, row } = entry;
    const reading = this.#readings.of(entry, at);
    const wasShown = this.#shown.has(workerId);
    const wasUnsure = this.#unsure.delete(row);
    const isShown = this.#matches(reading, wasShown);
    if (isShown) this.#shown.add(workerId);
    if (at <= this.counters.beganAt) this.#items?.begin(reading, at, isShown);
    else this.#follow(reading, at, { wasShown, isShown, isCertain: !wasUnsure && this.#isCertain(row) });
    if (reading.isSure(this.#isAsSeen)) return;
    this.#unsure.add(row);
    this.#items?.unsure(row);
  }

  #follow(
    reading: ParsedRecord,
    at: number,
    { wasShown, isShown, isCertain }: { wasShown: boolean; isShown: boolean; isCertain: boolean },
  ): void {
    if (isShown) {
      if (this.#items?.changed(reading, at, wasShown && isCertain) !== false) this.counters.changed(at);
      return;
    }
    const leaves = wasShown || !isCertain;
    this.#items?.hidden(reading.entry.row, at, leaves);
    if (leaves) this.#leaves(reading.entry.workerId, at);
  }

  #gone({ row, workerId, at, before }: Gone): void {
    const isCertain = !this.#unsure.delete(row) && this.counters.isCertain(before);
    this.#items?.gone(row);
    this.#readings.forget(row, workerId);
    if (this.#shown.has(workerId) || !isCertain) this.#leaves(workerId, at);
  }

  #isCertain(row: number): boolean {
    return this.counters.isCertain(this.#revisions.changeBefore(row));
  }

  /** A record that changes too fast to be read, or whose worker is gone, changes again: the next look decides. Others must not miss this one. */
  #matches(reading: ParsedRecord, wasShown: boolean): boolean {
    try {
      return this.#selection.matches(reading.entry, this.#directory, reading);
    } catch {
      return wasShown;
    }
  }

  #leaves(workerId: string, at: number): void {
    this.#shown.delete(workerId);
    this.counters.changed(at);
    this.#left.push({ workerId, at });
    if (this.#left.length < 2 * MAX_LEFT_REMEMBERED) return;
    // Half at a time, since taking the first of an array one by one would move all others each time.
    this.counters.forgotLeft((this.#left[MAX_LEFT_REMEMBERED - 1] as Left).at);
    this.#left = this.#left.slice(MAX_LEFT_REMEMBERED);
  }
}

function nextOf(gone: Iterator<Gone>): Gone | undefined {
  const { done, value } = gone.next();
  return done ? undefined : value;
}
