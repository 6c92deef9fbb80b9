/**
 * The frames of `GET /api/v1/stream` for one view and one choice of fields. A frame goes on from a counter: it tells what
 * changed after it, in the order of the last changes, up to a bound of bytes. So a snapshot is nothing but the frames from
 * 0, whoever was cut off in its middle goes on from there, and a client that was slow gets the newest of everything.
 */
import type { Directory, WorkerEntry } from '../../store/directory.ts';
import { JsonText } from '../json-text.ts';
import type { Fields } from '../query/fields.ts';
import { putItem } from '../query/item.ts';
import type { Gone, Revisions } from '../revisions.ts';
import { type Flight, Frame } from './flight.ts';
import type { View } from './view.ts';

/** Up to where a client was told everything. */
export interface Position {
  readonly from: number;
  /** Who left up to this counter was never told to it. */
  readonly floor: number;
  /** Which part of a snapshot comes next, from 1; 0: none, but deltas. */
  readonly part: number;
}

export interface Step {
  /** Undefined if there is nothing to tell. */
  readonly frame: Frame | undefined;
  readonly next: Position;
  /** The frame was full: there is more to tell at once. */
  readonly more: boolean;
}

/** Of this thread: what is written into it is copied before anything else runs. */
const text = new JsonText();

export interface FeedParts {
  readonly directory: Directory;
  readonly revisions: Revisions;
  readonly flight: Flight;
  /** A frame ends with whatever reaches it. */
  readonly maxFrameBytes: number;
}

export class Feed {
  readonly view: View;
  readonly #fields: Fields;
  readonly #directory: Directory;
  readonly #revisions: Revisions;
  readonly #flight: Flight;
  readonly #maxFrameBytes: number;
  /** Made since the last change, by position. */
  readonly #steps = new Map<string, Step>();
  #madeAt = 0;

  constructor(view: View, fields: Fields, { directory, revisions, flight, maxFrameBytes }: FeedParts) {
    this.view = view;
    this.#fields = fields;
    this.#directory = directory;
    this.#revisions = revisions;
    this.#flight = flight;
    this.#maxFrameBytes = maxFrameBytes;
  }

  /** What comes next for a client at that position. The same until something changes, and made once for all. */
  step(position: Position): Step {
    if (this.#madeAt !== this.#revisions.counter) this.dropFrames();
    const { from, part } = position;
    const { counter } = this.#revisions;
    // Who has nothing yet cannot miss what left before.
    const floor = from === 0 && part > 0 ? counter : position.floor;
    const base = Math.max(from, floor);
    const isKnown = base >= this.view.since;
    if (part === 0 && isKnown && this.view.changedAt <= from) return quiet(counter);
    const key = `${part} ${from} ${base}`;
    const known = this.#steps.get(key);
    if (known !== undefined) return known;
    const step = this.#make({ from, floor, part }, base, isKnown);
    // While memory is scarce each client has frames of its own, which go with it.
    if (this.#flight.share > 1 / 2) return step;
    this.#steps.set(key, step);
    if (step.frame !== undefined) this.#flight.hold(step.frame);
    return step;
  }

  /** Those that were made are no longer kept for others. */
  dropFrames(): void {
    for (const { frame } of this.#steps.values()) if (frame !== undefined) this.#flight.release(frame);
    this.#steps.clear();
    this.#madeAt = this.#revisions.counter;
  }

  #make({ from, floor, part }: Position, base: number, isKnown: boolean): Step {
    const { counter } = this.#revisions;
    const told = this.#tell(from, base, isKnown);
    const { removed, to } = told;
    const isLast = to >= floor;
    const next = { from: to, floor, part: part === 0 || isLast ? 0 : part + 1 };
    const more = to < counter;
    const isEmpty = told.items === 0 && removed.size === 0;
    if (part === 0 && isEmpty) return { frame: undefined, next, more };
    const removedJson = JSON.stringify([...removed]);
    const revision = this.#revisions.textOf(to);
    if (part === 0) {
      return {
        frame: frameOf(`event: delta\nid: ${revision}\ndata: {"revision":"${revision}","updated":[`, removedJson),
        next,
        more,
      };
    }
    // Who left meanwhile had been told in an earlier part. Its id is where that part ended: it may be told twice.
    const before = this.#revisions.textOf(from);
    const leaving =
      removed.size === 0
        ? ''
        : `event: delta\nid: ${before}\ndata: {"revision":"${before}","updated":[],"removed":${removedJson}}\n\n`;
    const head = `${leaving}event: snapshot\nid: ${revision}\ndata: {"revision":"${revision}","part":${part},"last":${isLast},"workers":[`;
    return { frame: frameOf(head, undefined), next, more };
  }

  /** Appends the items to the text. */
  #tell(from: number, base: number, isKnown: boolean): { items: number; removed: ReadonlySet<string>; to: number } {
    const revisions = this.#revisions;
    const { order } = this.view;
    const leaving = (isKnown ? this.view.leftAfter(base) : revisions.goneAfter(base))[Symbol.iterator]();
    const removed = new Set<string>();
    let items = 0;
    let removedBytes = 0;
    let to = from;
    const isFull = () => text.length + removedBytes >= this.#maxFrameBytes;
    const remove = (workerId: string) => {
      if (this.view.shows(workerId)) return;
      removed.add(workerId);
      removedBytes += workerId.length + 3;
    };

    text.clear();
    let left = nextOf(leaving);
    let row = order.firstAfter(from);
    // Both in one order, so that the frame may end anywhere.
    while ((row !== -1 || left !== undefined) && !isFull()) {
      const changedAt = row === -1 ? Number.POSITIVE_INFINITY : order.at(row);
      if (left !== undefined && left.at < changedAt) {
        remove(left.workerId);
        to = left.at;
        left = nextOf(leaving);
        continue;
      }
      const entry = revisions.entryAt(row) as WorkerEntry;
      if (this.view.shows(entry.workerId)) {
        const before = text.length;
        if (items > 0) text.ascii(',');
        const begin = text.length;
        if (putItem(text, entry, this.#directory, this.#fields)) {
          items++;
          this.view.told(row, text.bytes().subarray(begin));
        } else text.cutTo(before);
      } else if (!isKnown && changedAt > base) {
        // It may have left the view since, before anybody watched it: telling that of one who never was there is harmless.
        remove(entry.workerId);
      }
      to = changedAt;
      row = order.next(row);
    }
    return { items, removed, to: row === -1 && left === undefined ? revisions.counter : to };
  }
}

function nextOf(leaving: Iterator<Gone>): Gone | undefined {
  const { done, value } = leaving.next();
  return done ? undefined : value;
}

function quiet(counter: number): Step {
  return { frame: undefined, next: { from: counter, floor: 0, part: 0 }, more: false };
}

/** The event around the items in the text; `removed` is JSON, undefined where an event has no such member. */
function frameOf(head: string, removed: string | undefined): Frame {
  const tail = removed === undefined ? ']}\n\n' : `],"removed":${removed}}\n\n`;
  return new Frame(Buffer.concat([Buffer.from(head), text.bytes(), Buffer.from(tail)]));
}
