/**
 * How a reading thread learns which workers there are:
 *
 *     host                                thread
 *        roster, part 1 ──────────────────►
 *        announcements … ─────────────────►  changes in the meantime
 *        roster, part 2, … ───────────────►
 *        (fed) messages of the owner ─────►
 *        announcements … ─────────────────►
 *
 * | state   | entered when                           | an announcement                      |
 * |---------|----------------------------------------|--------------------------------------|
 * | unheard | created, or `end`: no thread listens   | is dropped: the next roster has it   |
 * | feeding | `begin`: a thread has started          | is sent                              |
 * | fed     | every part of the roster was sent      | is sent                              |
 *
 * A part is read and sent in one turn of the event loop, and each announcement is sent in the turn in which the change
 * happened. So their order does not matter: a worker that came meanwhile may be sent twice, which changes nothing in a
 * directory, and a removed one is not sent at all. If the roster has one part, nothing is sent twice. Nothing waits in a
 * queue, and nothing is lost.
 *
 * Everything goes over one port, in order: an answer of the thread includes everything known here when it was asked.
 */
import { type Announcement, announcementsOf, type Directory } from './directory.ts';
import { ROSTER_PART } from './reading-limits.ts';

export interface RosterFeedOptions {
  readonly tell: (items: readonly Announcement[]) => void;
  /** The thread knows all workers. */
  readonly onFed: () => void;
  /** Calls `fn` in a later turn of the event loop. Default: `setImmediate`. */
  readonly nextTurn?: (fn: () => void) => void;
}

export class RosterFeed {
  readonly #options: RosterFeedOptions;
  /** The rest of the roster for the present thread. */
  #rest: Iterator<readonly Announcement[]> | undefined;
  #state: 'unheard' | 'feeding' | 'fed' = 'unheard';

  constructor(options: RosterFeedOptions) {
    this.#options = options;
  }

  get isFed(): boolean {
    return this.#state === 'fed';
  }

  /** A new thread listens. @param parts of the roster, each read when it is sent */
  begin(parts: Iterable<readonly Announcement[]>): void {
    this.#state = 'feeding';
    const rest = parts[Symbol.iterator]();
    this.#rest = rest;
    this.#tellNext(rest);
  }

  /** Publishes changes. */
  announce(items: readonly Announcement[]): void {
    if (items.length > 0 && this.#state !== 'unheard') this.#options.tell(items);
  }

  /** There is no thread any more, or it is being ended. */
  end(): void {
    this.#state = 'unheard';
    this.#rest = undefined;
  }

  #tellNext(rest: Iterator<readonly Announcement[]>): void {
    // It was for a thread that is gone.
    if (this.#rest !== rest) return;
    const { tell, onFed, nextTurn = setImmediate } = this.#options;
    const { value, done } = rest.next();
    if (done === true) {
      this.#state = 'fed';
      this.#rest = undefined;
      onFed();
      return;
    }
    tell(value);
    nextTurn(() => this.#tellNext(rest));
  }
}

/** The workers of a directory in parts, so that a busy thread is not blocked by sending them all. */
export function* rosterParts(directory: Directory, size = ROSTER_PART): Generator<readonly Announcement[]> {
  const ids = Array.from(directory.all(), ({ workerId }) => workerId);
  for (let from = 0; from < ids.length; from += size) {
    yield ids.slice(from, from + size).flatMap((workerId) => {
      const entry = directory.get(workerId);
      return entry === undefined ? [] : announcementsOf(entry);
    });
  }
}
