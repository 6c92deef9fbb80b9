/**
 * The frames of `GET /api/v1/stream` for one view and one set of fields. A frame starts at a counter and has what changed
 * after it, in the order of the last changes, up to a size limit. So a snapshot is just the frames from 0, a client whose
 * connection broke in the middle resumes there, and a slow client gets the newest state of everything.
 */
import type { Directory, WorkerEntry } from '../../reading/directory.ts';
import type { Fields } from '../../reading/fields.ts';
import { ParsedRecord } from '../../reading/parsed-record.ts';
import type { ParsedRecords } from '../../reading/parsed-records.ts';
import type { Left, Revisions } from '../../reading/revisions.ts';
import { JsonText } from '../bodies/json-text.ts';
import { putItem } from '../query/item.ts';
import { type ClientPosition, leavesSentTo } from './counters.ts';
import { type FrameBudget, SharedFrame } from './frame-budget.ts';
import type { View } from './view.ts';

export interface FeedStep {
  /** Undefined if there is nothing to send. */
  readonly frame: SharedFrame | undefined;
  readonly next: ClientPosition;
  /** The frame was full: more is ready. */
  readonly more: boolean;
}

/** Shared by this thread: its content is copied before anything else runs. */
const text = new JsonText();

export interface FeedParts {
  readonly directory: Directory;
  readonly revisions: Revisions;
  readonly readings: ParsedRecords;
  readonly budget: FrameBudget;
  /** A frame ends once it reaches this size. */
  readonly maxFrameBytes: number;
}

export class Feed {
  readonly key: string;
  readonly view: View;
  readonly #fields: Fields;
  readonly #directory: Directory;
  readonly #revisions: Revisions;
  readonly #readings: ParsedRecords;
  readonly #budget: FrameBudget;
  readonly #maxFrameBytes: number;
  /** By position; valid for `#framesAsOf`. */
  readonly #steps = new Map<string, FeedStep>();
  #framesAsOf = 0;

  /** @param key equal for clients that share a feed */
  constructor(
    key: string,
    view: View,
    fields: Fields,
    { directory, revisions, readings, budget, maxFrameBytes }: FeedParts,
  ) {
    this.key = key;
    this.view = view;
    this.#fields = fields;
    this.#directory = directory;
    this.#revisions = revisions;
    this.#readings = readings;
    this.#budget = budget;
    this.#maxFrameBytes = maxFrameBytes;
  }

  /**
   * The next frame for a client at this position, from all that the view has seen. Built once for all clients, and the same until
   * the view sees more. Call it only while the view is complete.
   */
  step(position: ClientPosition): FeedStep {
    const { view } = this;
    const { seenTo } = view;
    if (this.#framesAsOf !== seenTo) this.dropFrames();
    // A client that has nothing yet misses no earlier removal.
    const leavesTo = leavesSentTo(position) ?? seenTo;
    const isKnown = leavesTo >= view.horizon;
    if (position.state === 'deltas' && isKnown && view.changedAt <= position.sentTo) {
      return { frame: undefined, next: { state: 'deltas', sentTo: Math.max(position.sentTo, seenTo) }, more: false };
    }
    const key = keyOf(position);
    const known = this.#steps.get(key);
    if (known !== undefined) return known;
    const step =
      position.state === 'deltas' ? this.#delta(position.sentTo, isKnown) : this.#snapshot(position, leavesTo, isKnown);
    // While memory is scarce, each client has its own frames, which are freed with it.
    if (this.#budget.share > 1 / 2) return step;
    this.#steps.set(key, step);
    if (step.frame !== undefined) this.#budget.hold(step.frame);
    return step;
  }

  /** Stops keeping built frames for other clients. */
  dropFrames(): void {
    for (const { frame } of this.#steps.values()) if (frame !== undefined) this.#budget.release(frame);
    this.#steps.clear();
    this.#framesAsOf = this.view.seenTo;
  }

  #delta(sentTo: number, isKnown: boolean): FeedStep {
    const { items, removed, to } = this.#tell(sentTo, sentTo, isKnown);
    const next: ClientPosition = { state: 'deltas', sentTo: to };
    const more = to < this.view.seenTo;
    if (items === 0 && removed.size === 0) return { frame: undefined, next, more };
    const revision = this.#revisions.textOf(to);
    const head = `event: delta\nid: ${revision}\ndata: {"revision":"${revision}","updated":[`;
    return { frame: frameOf(head, `],"removed":${JSON.stringify([...removed])}}\n\n`), next, more };
  }

  #snapshot(position: ClientPosition, joinedAt: number, isKnown: boolean): FeedStep {
    const { sentTo, part } = position.state === 'snapshot' ? position : { sentTo: 0, part: 1 };
    const { removed, to } = this.#tell(sentTo, joinedAt, isKnown);
    const isLast = to >= joinedAt;
    const next: ClientPosition = isLast
      ? { state: 'deltas', sentTo: to }
      : { state: 'snapshot', sentTo: to, joinedAt, part: part + 1 };
    // A worker that has left since was in an earlier part. The event has the id at which that part ended, so it may come twice.
    const before = this.#revisions.textOf(sentTo);
    const leaving =
      removed.size === 0
        ? ''
        : `event: delta\nid: ${before}\ndata: {"revision":"${before}","updated":[],"removed":${JSON.stringify([...removed])}}\n\n`;
    const revision = this.#revisions.textOf(to);
    const head = `${leaving}event: snapshot\nid: ${revision}\ndata: {"revision":"${revision}","part":${part},"last":${isLast},"workers":[`;
    return { frame: frameOf(head, ']}\n\n'), next, more: to < this.view.seenTo };
  }

  /**
   * Appends the items to the text.
   * @param isKnown whether the view knows all workers that left after `leavesTo`
   * @returns `to`: up to which counter everything is in the frame
   */
  #tell(
    sentTo: number,
    leavesTo: number,
    isKnown: boolean,
  ): { items: number; removed: ReadonlySet<string>; to: number } {
    const revisions = this.#revisions;
    const { order, seenTo } = this.view;
    const leaving = (isKnown ? this.view.leftAfter(leavesTo) : revisions.goneAfter(leavesTo))[Symbol.iterator]();
    const removed = new Set<string>();
    let items = 0;
    let removedBytes = 0;
    let to = sentTo;
    const isFull = () => text.length + removedBytes >= this.#maxFrameBytes;
    const remove = (workerId: string) => {
      if (this.view.shows(workerId)) return;
      removed.add(workerId);
      removedBytes += workerId.length + 3;
    };
    const nextLeft = () => {
      const left = nextOf(leaving);
      return left === undefined || left.at > seenTo ? undefined : left;
    };
    const upToSeen = (row: number) => (row === -1 || order.at(row) > seenTo ? -1 : row);

    text.clear();
    let left = nextLeft();
    let row = upToSeen(order.firstAfter(sentTo));
    // Changes and removals in one order, so that the frame may end anywhere.
    while ((row !== -1 || left !== undefined) && !isFull()) {
      const changedAt = row === -1 ? Number.POSITIVE_INFINITY : order.at(row);
      if (left !== undefined && left.at < changedAt) {
        remove(left.workerId);
        to = left.at;
        left = nextLeft();
        continue;
      }
      // Undefined if the worker was removed and the view has not seen it yet.
      const entry = revisions.entryAt(row);
      if (entry !== undefined && this.view.shows(entry.workerId)) {
        if (this.#append(entry, items > 0)) items++;
      } else if (entry !== undefined && !isKnown && changedAt > leavesTo) {
        // It may have left the view before anyone watched it; an unnecessary removal does no harm.
        remove(entry.workerId);
      }
      to = changedAt;
      row = upToSeen(order.next(row));
    }
    return { items, removed, to: row === -1 && left === undefined ? Math.max(sentTo, seenTo) : to };
  }

  /** @returns false if the worker was forgotten meanwhile; then nothing is appended */
  #append(entry: WorkerEntry, isFurther: boolean): boolean {
    const before = text.length;
    if (isFurther) text.ascii(',');
    // Use what the views have read, if it is still current.
    const { row } = entry;
    const reading = this.#revisions.isAsSeen(row)
      ? this.#readings.of(entry, this.#revisions.order.at(row))
      : new ParsedRecord(entry);
    if (!putItem(text, entry, this.#directory, this.#fields, reading)) {
      text.cutTo(before);
      return false;
    }
    this.view.shown(reading);
    return true;
  }
}

function nextOf(leaving: Iterator<Left>): Left | undefined {
  const { done, value } = leaving.next();
  return done ? undefined : value;
}

function keyOf(position: ClientPosition): string {
  if (position.state === 'new') return 'new';
  if (position.state === 'deltas') return `${position.sentTo}`;
  return `${position.sentTo} ${position.joinedAt} ${position.part}`;
}

/** An event around the items in the text. */
function frameOf(head: string, tail: string): SharedFrame {
  return new SharedFrame(Buffer.concat([Buffer.from(head), text.bytes(), Buffer.from(tail)]));
}
