/**
 * The positions of clients and views in the sequence of changes. There is one sequence, numbered by `Revisions`: each change
 * of a worker found by a poll gets a number, as does each removal. All values below are such numbers, so they compare.
 *
 * | of              | counter         | meaning                                               | moves                             |
 * | --------------- | --------------- | ----------------------------------------------------- | --------------------------------- |
 * | `Revisions`     | `counter`       | the last change found                                 | up, with each change found        |
 * |                 | `order.at(row)` | the last change of that worker                        | to a new one, when it changes     |
 * |                 | `changeBefore`  | the one before; the last itself if it had several     | with `order.at(row)`              |
 * |                 | `horizon`       | removals after it are remembered                      | up, when there are too many       |
 * | `View`          | `beganAt`       | `counter` when the view began                         | when it begins again              |
 * |                 | `seenTo`        | its position: it has seen every change up to it       | up, with each worker it checks    |
 * |                 | `changedAt`     | the last change of what it shows                      | to a change that it sees          |
 * |                 | `order.at(row)` | the last change of what it shows of that worker       | to a change that it sees          |
 * |                 | `horizon`       | workers that left it after that are remembered        | up, when there are too many       |
 * |                 | `certainTo`     | of workers still to come, it missed nothing up to it  | to `mark.seenTo`                  |
 * |                 | `mark`          | `counter` and `seenTo` at an earlier moment           | when `seenTo` passes its counter  |
 * | `Feed`          | `framesAsOf`    | `seenTo` when its frames were built                   | to `seenTo`, when it is used      |
 * | a client        | `sentTo`        | its position: it was sent everything up to it         | up, with each frame; 0 by a reset |
 * |                 | `joinedAt`      | `seenTo` when its snapshot began                      | never, within a snapshot          |
 * | a waiting query | `sentTo`        | the index of its request                              | never                             |
 *
 * Each is written only by its owner, and these invariants hold whenever no owner is running:
 *
 *     Revisions   changeBefore ≤ order.at(row) ≤ counter       horizon ≤ counter
 *     View        certainTo ≤ mark.seenTo ≤ seenTo ≤ counter   mark.seenTo ≤ mark.counter ≤ counter
 *                 beganAt ≤ horizon ≤ max(beganAt, seenTo)     beganAt ≤ changedAt ≤ max(beganAt, seenTo)
 *                 order.at(row) ≤ seenTo, if it has its own order
 *     a client    0 ≤ sentTo ≤ counter                         in a snapshot: 0 < sentTo < joinedAt
 *
 * A view is complete once beganAt ≤ seenTo, and is not used before. Then also framesAsOf ≤ seenTo of its feeds, and
 * joinedAt ≤ seenTo of their clients.
 *
 * A client may be ahead of a late view, because it was served from another view or list: it is sent nothing until the
 * view has caught up.
 */

/** Up to which counter a stream client has been sent everything. */
export type ClientPosition =
  /** Nothing sent yet. */
  | { readonly state: 'new' }
  /** `part` is the next part. Workers that left up to `joinedAt` were never sent. */
  | { readonly state: 'snapshot'; readonly sentTo: number; readonly joinedAt: number; readonly part: number }
  /** At 0 there were no workers. */
  | { readonly state: 'deltas'; readonly sentTo: number };

/**
 * Removals up to this counter need not be sent: the client already has them, or never had the worker.
 * Undefined if it was sent nothing.
 */
export function leavesSentTo(position: ClientPosition): number | undefined {
  if (position.state === 'new') return undefined;
  return position.state === 'snapshot' ? position.joinedAt : position.sentTo;
}

/**
 * The counters of one view. A view checks workers in the order of their last changes. A worker that changes again before its
 * turn moves further back. Then the question is whether that was the only change the view missed.
 *
 * A change that was found after a mark, and missed, lies after `mark.seenTo`, because the view had already got that far. Once
 * the view has passed `mark.counter`, every change still to come was found after the mark. So up to `mark.seenTo` the view
 * has missed nothing of it, and the next mark is made.
 */
export class ViewCounters {
  #beganAt = 0;
  #seenTo = 0;
  #changedAt = 0;
  #horizon = 0;
  #certainTo = 0;
  #mark = { counter: 0, seenTo: 0 };

  get beganAt(): number {
    return this.#beganAt;
  }

  get seenTo(): number {
    return this.#seenTo;
  }

  get changedAt(): number {
    return this.#changedAt;
  }

  get horizon(): number {
    return this.#horizon;
  }

  get certainTo(): number {
    return this.#certainTo;
  }

  get mark(): { readonly counter: number; readonly seenTo: number } {
    return this.#mark;
  }

  get isComplete(): boolean {
    return this.#seenTo >= this.#beganAt;
  }

  /** Removals up to this counter were seen, or are of workers that were never shown. */
  get goneTo(): number {
    return Math.max(this.#beganAt, this.#seenTo);
  }

  /** Starts again from the beginning. @param counter that of `Revisions` */
  begin(counter: number): void {
    this.#beganAt = counter;
    this.#seenTo = 0;
    this.#changedAt = counter;
    this.#horizon = counter;
    this.#certainTo = 0;
    this.#mark = { counter, seenTo: 0 };
  }

  /** It has seen the change at this counter and all before. */
  saw(at: number): void {
    this.#seenTo = at;
  }

  /** What it shows has changed at this counter, which it is seeing now. */
  changed(at: number): void {
    this.#changedAt = at;
  }

  /** Workers that left up to this counter are no longer remembered. */
  forgotLeft(at: number): void {
    this.#horizon = at;
  }

  /** Whether it saw a worker's previous change, at this counter; the worker has changed again and is being checked now. */
  isCertain(changeBefore: number): boolean {
    return changeBefore <= this.#certainTo;
  }

  /** It pauses, and changes may be found meanwhile. @param counter that of `Revisions` @returns whether a mark was made */
  pause(counter: number): boolean {
    if (this.#seenTo >= counter) this.#certainTo = counter;
    else if (this.#seenTo >= this.#mark.counter) this.#certainTo = this.#mark.seenTo;
    else return false;
    this.#mark = { counter, seenTo: this.#seenTo };
    return true;
  }
}
