/**
 * Who stands where in the count of changes. There is one count, that of `Revisions`: each change of a worker that a look
 * finds has a number of its own, and whoever goes away has one, too. All that follows are such numbers, so they compare.
 *
 * | of              | counter         | says                                                  | moves                             |
 * | --------------- | --------------- | ----------------------------------------------------- | --------------------------------- |
 * | `Revisions`     | `counter`       | the last change that was found                        | up, with each that a look finds   |
 * |                 | `order.at(row)` | the last change of that worker                        | to a new one, when it changes     |
 * |                 | `changeBefore`  | the one before; the last itself where it was several  | with `order.at(row)`              |
 * |                 | `horizon`       | who went after it is remembered                       | up, when too many have gone       |
 * | `View`          | `beganAt`       | what the counter was when it began                    | when it begins anew               |
 * |                 | `seenTo`        | its position: it has seen every change up to it       | up, with each worker it looks at  |
 * |                 | `changedAt`     | the last change of what it shows                      | to a change that it sees          |
 * |                 | `order.at(row)` | the last change of what it shows of that worker       | to a change that it sees          |
 * |                 | `horizon`       | who left it after that is remembered                  | up, when too many have left       |
 * |                 | `certainTo`     | of workers that come next, it missed nothing up to it | to `mark.seenTo`                  |
 * |                 | `mark`          | what `counter` and `seenTo` were a while ago          | when `seenTo` passes its counter  |
 * | `Feed`          | `framesAsOf`    | what `seenTo` was when its frames were made           | to `seenTo`, when it is asked     |
 * | a client        | `sentTo`        | its position: it was sent everything up to it         | up, with each frame; 0 by a reset |
 * |                 | `joinedAt`      | what `seenTo` was when its snapshot began             | never, within a snapshot          |
 * | a waiting query | `sentTo`        | the index that it came with                           | never                             |
 *
 * Each is written by its owner alone, and these hold whenever none of them is at work:
 *
 *     Revisions   changeBefore ≤ order.at(row) ≤ counter       horizon ≤ counter
 *     View        certainTo ≤ mark.seenTo ≤ seenTo ≤ counter   mark.seenTo ≤ mark.counter ≤ counter
 *                 beganAt ≤ horizon ≤ max(beganAt, seenTo)     beganAt ≤ changedAt ≤ max(beganAt, seenTo)
 *                 order.at(row) ≤ seenTo, where it has an order of its own
 *     a client    0 ≤ sentTo ≤ counter                         in a snapshot: 0 < sentTo < joinedAt
 *
 * A view is complete once beganAt ≤ seenTo, and is asked for nothing before. Then also framesAsOf ≤ seenTo of its feeds, and
 * joinedAt ≤ seenTo of their clients.
 *
 * A client may be ahead of a view that is late, since another view or a list was sent to it: it is sent nothing until the
 * view has passed it.
 */

/** Up to where a client of a stream was sent everything. */
export type ClientPosition =
  /** Nothing yet. */
  | { readonly state: 'new' }
  /** `part` is the one that comes next. Who left up to `joinedAt` was never sent to it. */
  | { readonly state: 'snapshot'; readonly sentTo: number; readonly joinedAt: number; readonly part: number }
  /** At 0 there was nobody to tell of. */
  | { readonly state: 'deltas'; readonly sentTo: number };

/**
 * Who left up to this counter need not be sent: the client was sent that, or never the worker.
 * Undefined: it was sent nothing.
 */
export function leavesSentTo(position: ClientPosition): number | undefined {
  if (position.state === 'new') return undefined;
  return position.state === 'snapshot' ? position.joinedAt : position.sentTo;
}

/**
 * Those of one view. It goes through workers in the order of their last changes, so that it passes a worker that changes
 * again before its turn, and finds it further on. Was that the only change it missed?
 *
 * A change that was found after a mark was made, and missed, lies behind `mark.seenTo`, since the view was there or
 * further. When the view has passed `mark.counter`, all that comes was found after the mark: so up to `mark.seenTo` it
 * missed nothing of it, and the next mark is made.
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

  /** Who went up to this counter was never shown, or was seen to go. */
  get goneTo(): number {
    return Math.max(this.#beganAt, this.#seenTo);
  }

  /** It has seen nothing, and goes through all. @param counter that of `Revisions` */
  begin(counter: number): void {
    this.#beganAt = counter;
    this.#seenTo = 0;
    this.#changedAt = counter;
    this.#horizon = counter;
    this.#certainTo = 0;
    this.#mark = { counter, seenTo: 0 };
  }

  /** It has seen the change at that counter, and all before. */
  saw(at: number): void {
    this.#seenTo = at;
  }

  /** What it shows has changed, at a counter that it sees just now. */
  changed(at: number): void {
    this.#changedAt = at;
  }

  /** Who left up to that counter is remembered no longer. */
  forgotLeft(at: number): void {
    this.#horizon = at;
  }

  /** Whether it saw the change at that counter of a worker that changed again and comes just now. */
  isCertain(changeBefore: number): boolean {
    return changeBefore <= this.#certainTo;
  }

  /** It pauses; others may find changes now. @param counter that of `Revisions` @returns whether a mark was made */
  pause(counter: number): boolean {
    if (this.#seenTo >= counter) this.#certainTo = counter;
    else if (this.#seenTo >= this.#mark.counter) this.#certainTo = this.#mark.seenTo;
    else return false;
    this.#mark = { counter, seenTo: this.#seenTo };
    return true;
  }
}
