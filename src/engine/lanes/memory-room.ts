/**
 * Whether the machine has memory for another lane. Read before a lane is started, and cached briefly, since a storm of
 * registrations asks for each worker.
 */
import type { Clock } from '../../lib/clock.ts';
import { carriesAnother, type Limit } from './thread-budget.ts';

/** Reading the limits takes about 0.1 ms; a lane takes longer than this to allocate its memory. */
const REMEMBERED_MS = 250;

export class MemoryRoom {
  readonly #clock: Clock;
  readonly #atStart: readonly Limit[];
  readonly #read: () => readonly Limit[];
  #isRoom = true;
  #readMs = Number.NEGATIVE_INFINITY;

  /** @param read returns the current limits */
  constructor(clock: Clock, atStart: readonly Limit[], read: () => readonly Limit[]) {
    this.#clock = clock;
    this.#atStart = atStart;
    this.#read = read;
  }

  get isRoom(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#readMs < REMEMBERED_MS) return this.#isRoom;
    this.#readMs = nowMs;
    this.#isRoom = carriesAnother(this.#atStart, this.#read());
    return this.#isRoom;
  }
}
