/**
 * Which workers pass a selection now, which did before, and when their shown fields changed last: shared by all clients and
 * blocking queries with the same selection and fields.
 *
 * Like a client, a view has a position: the counter up to which it has seen every change (counters.ts lists all counters). It
 * advances one worker at a time, so it can be paused after any of them. A new view starts at 0, and is not used before it has
 * gone through all workers that existed when it was created.
 *
 * A view may be late and then sees only the last of several changes of a worker. The others are unknown: the worker may have
 * passed or shown other values, and a list may have sent these to a client. So the worker counts as changed, and as removed
 * if it does not pass now: a client may be sent more than it needs, never less. The same holds for a worker that changes
 * while it is being checked.
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

/** Equal for selections and fields that share a view. */
export function viewKey(selection: Selection, fields: Fields): string {
  return JSON.stringify([selection.key, isNewWithHeartbeats(fields) ? '' : fields.key]);
}

/** With the time of the last heartbeat among the fields, every heartbeat is a change, and comparing is useless. */
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
  /** Undefined if every change of a worker changes the shown fields. */
  #items: ShownItems | undefined;
  readonly #shown = new Set<string>();
  /** Rows of workers that may have changed while they were being checked. */
  readonly #unsure = new Set<number>();
  /** Workers that left, in that order, including those that have come back since. */
  #left: Left[] = [];
  readonly counters = new ViewCounters();
  /** Approximately since when there have been unseen changes. */
  #lateSinceMs = 0;

  /** Complete once it has caught up. */
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

  /** Every change up to this counter was seen. */
  get seenTo(): number {
    return this.counters.seenTo;
  }

  /** Whether it has gone through all workers that existed at its start: it is not used before. */
  get isComplete(): boolean {
    return this.counters.isComplete;
  }

  get isBehind(): boolean {
    return this.counters.seenTo < this.#revisions.counter;
  }

  /** A poll has found changes, and the view had seen all earlier ones. */
  becameLate(nowMs: number): void {
    this.#lateSinceMs = nowMs;
  }

  /** The thread was stalled for this long, so the view could not run. */
  stood(forMs: number): void {
    this.#lateSinceMs += forMs;
  }

  /** For how long there have been unseen changes; up to twice the real delay. */
  lateMs(nowMs: number): number {
    return this.isBehind ? nowMs - this.#lateSinceMs : 0;
  }

  /** Workers that left after this counter are known. */
  get horizon(): number {
    return this.counters.horizon;
  }

  /** Rows in the order of the last changes of their shown fields; for workers not shown, the last change that may matter. */
  get order(): ChangeOrder {
    return this.#items?.order ?? this.#revisions.order;
  }

  /** A client is sent what was read of a worker. */
  shown(reading: ParsedRecord): void {
    this.#items?.shown(reading);
  }

  /** The counter of the last change of a worker that is, or was until then, shown; at first the counter at its start. */
  get changedAt(): number {
    return this.counters.changedAt;
  }

  shows(workerId: string): boolean {
    return this.#shown.has(workerId);
  }

  /** Workers that left after `counter`, in that order. */
  leftAfter(counter: number): readonly Left[] {
    let first = this.#left.length;
    while (first > 0 && (this.#left[first - 1] as Left).at > counter) first--;
    return this.#left.slice(first);
  }

  /** Checks unseen changes one worker at a time, at least one, until there are none left or `isOver`. */
  catchUp(isOver: () => boolean): void {
    const revisions = this.#revisions;
    const { counters } = this;
    const { order } = revisions;
    // Some removals are no longer remembered: start again.
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

  /** A record that changes too fast to be read, or whose worker was removed, changes again: the next poll decides. It must not affect others. */
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
    // Half at once: removing the first one each time would move all others each time.
    this.counters.forgotLeft((this.#left[MAX_LEFT_REMEMBERED - 1] as Left).at);
    this.#left = this.#left.slice(MAX_LEFT_REMEMBERED);
  }
}

function nextOf(gone: Iterator<Gone>): Gone | undefined {
  const { done, value } = gone.next();
  return done ? undefined : value;
}
