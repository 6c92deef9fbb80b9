/** What happened to workers, as a log of bounded length: the same on the main thread, which writes it, and on readers. */
import type { StateCause, WorkerState } from './liveness.ts';

/**
 * | type             | says                                                                             |
 * |------------------|----------------------------------------------------------------------------------|
 * | state            | a worker went from one state to another; `from` is absent when it is new         |
 * | stuck            | heartbeats come, but nothing moves behind them: see stuck.ts                     |
 * | stuck_over       | it moves again                                                                   |
 * | flapping         | a worker keeps changing: until it is over, changes are counted and not told      |
 * | flapping_over    | it is steady again; tells how many changes were not told                         |
 * | noisy            | a worker causes too many events of a kind: they are counted and not told         |
 * | noisy_over       | it does not any more; tells how many were not told                               |
 * | restarted        | a new instance of the worker reports                                             |
 * | id_conflict      | an older instance keeps sending beside the newer one, and is refused             |
 * | id_conflict_over | it has not tried for a while                                                     |
 * | identity         | a call was refused whose credentials do not speak for the worker, or its group   |
 * | pending          | an unknown worker asks to be let in, and waits for an operator                   |
 * | isolation        | an operator decided which kind of lane a worker is to have                       |
 * | brake            | most of a group fell silent at once: it is not judged for now                    |
 * | brake_released   | it is judged again                                                               |
 * | grace            | this master took workers over from an earlier one, and waits for them            |
 * | grace_over       | it waits no longer                                                               |
 * | stall            | the main thread did not run for a while, which is held against nobody            |
 * | fault            | something of the master's own fails: threads do not start, files are not written |
 * | fault_over       | it works again                                                                   |
 */
export const EVENT_TYPES = [
  'state',
  'stuck',
  'stuck_over',
  'flapping',
  'flapping_over',
  'noisy',
  'noisy_over',
  'restarted',
  'id_conflict',
  'id_conflict_over',
  'identity',
  'pending',
  'isolation',
  'brake',
  'brake_released',
  'grace',
  'grace_over',
  'stall',
  'fault',
  'fault_over',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

export interface NewEvent {
  readonly type: EventType;
  /** Whom it is about; absent if it is about a group or the master. */
  readonly workerId?: string;
  /** Which group of workers a brake is about; empty: those that belong to none. */
  readonly group?: string;
  readonly from?: WorkerState;
  readonly to?: WorkerState | 'gone';
  readonly cause?: StateCause;
  /** For people. */
  readonly detail?: string;
}

export interface WorkerEvent extends NewEvent {
  /** Larger than that of every event before; of an earlier master's, unless the wall clock was set back. */
  readonly id: number;
  readonly atUnixMs: number;
}

/** A few minutes of a fleet of 10,000 that comes and goes as a whole; some 2 MB. */
export const MAX_EVENTS = 10_000;

export class EventLog {
  readonly #capacity: number;
  /** A ring; the oldest is at `#oldest` once it is full. */
  readonly #events: WorkerEvent[] = [];
  #oldest = 0;
  #lastId = 0;

  constructor(capacity = MAX_EVENTS) {
    this.#capacity = capacity;
  }

  get lastId(): number {
    return this.#lastId;
  }

  /** @param atUnixMs also where ids begin, so that they go on rising when the master is started again */
  append(event: NewEvent, atUnixMs: number): WorkerEvent {
    const id = Math.max(this.#lastId + 1, this.#lastId === 0 ? Math.floor(atUnixMs) : 0);
    const appended = { id, atUnixMs, ...event };
    this.add(appended);
    return appended;
  }

  /** Takes over an event that another log has given its number; one that is known already is left out. */
  add(event: WorkerEvent): void {
    if (event.id <= this.#lastId) return;
    this.#lastId = event.id;
    if (this.#events.length < this.#capacity) {
      this.#events.push(event);
      return;
    }
    this.#events[this.#oldest] = event;
    this.#oldest = (this.#oldest + 1) % this.#capacity;
  }

  /** Oldest first. */
  all(): readonly WorkerEvent[] {
    return [...this.#events.slice(this.#oldest), ...this.#events.slice(0, this.#oldest)];
  }
}
