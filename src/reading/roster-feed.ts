/**
 * How a reading thread comes to know which workers there are:
 *
 *     host                                thread
 *        roster, part 1 ──────────────────►
 *        announcements … ─────────────────►  whatever happens meanwhile
 *        roster, part 2, … ───────────────►
 *        (fed) what its owner has to say ─►
 *        announcements … ─────────────────►
 *
 * | state   | entered when                          | an announcement                     |
 * |---------|---------------------------------------|-------------------------------------|
 * | unheard | made, or `end`: no thread listens     | is dropped: the next roster has it  |
 * | feeding | `begin`: a thread began               | is told                             |
 * | fed     | every part of the roster was told     | is told                             |
 *
 * A part is read when it is told, in one turn of the loop, and each announcement is told in the turn in which what it says
 * came about. So it does not matter which of them is first: a worker that came while the roster was told may be told twice,
 * which changes nothing in a directory, and one that has gone is not told any more; where the roster is one part, nobody is
 * told twice. Nothing waits in a queue, and nothing is lost.
 *
 * All goes over one port, in order: whoever asks the thread something is answered by what was known here when they asked.
 */
import { type Announcement, announcementsOf, type Directory } from './directory.ts';
import { ROSTER_PART } from './reading-limits.ts';

export interface RosterFeedOptions {
  readonly tell: (items: readonly Announcement[]) => void;
  /** The thread has been told of everybody. */
  readonly onFed: () => void;
  /** Calls `fn` in a turn of the loop to come. Default: `setImmediate`. */
  readonly nextTurn?: (fn: () => void) => void;
}

export class RosterFeed {
  readonly #options: RosterFeedOptions;
  /** What is still to be told of the roster, to the thread that there is now. */
  #rest: Iterator<readonly Announcement[]> | undefined;
  #state: 'unheard' | 'feeding' | 'fed' = 'unheard';

  constructor(options: RosterFeedOptions) {
    this.#options = options;
  }

  get isFed(): boolean {
    return this.#state === 'fed';
  }

  /** A new thread listens. @param parts of the roster, each read when it is asked for */
  begin(parts: Iterable<readonly Announcement[]>): void {
    this.#state = 'feeding';
    const rest = parts[Symbol.iterator]();
    this.#rest = rest;
    this.#tellNext(rest);
  }

  /** Tells what has changed. */
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

/** The workers of a directory in parts, so that a thread with other things to do is not held up by telling of them. */
export function* rosterParts(directory: Directory, size = ROSTER_PART): Generator<readonly Announcement[]> {
  const ids = Array.from(directory.all(), ({ workerId }) => workerId);
  for (let from = 0; from < ids.length; from += size) {
    yield ids.slice(from, from + size).flatMap((workerId) => {
      const entry = directory.get(workerId);
      return entry === undefined ? [] : announcementsOf(entry);
    });
  }
}
