/** The bounded log of events, the same on the main thread, which writes it, and in reading threads. */
import type { ClosedBecause } from './alert.ts';
import type { StateCause, WorkerState } from './liveness.ts';

/**
 * | type             | meaning                                                                          |
 * |------------------|----------------------------------------------------------------------------------|
 * | state            | a worker changed its state; `from` is absent for a new worker                    |
 * | stuck            | a worker sends heartbeats but makes no progress, see stuck.ts                    |
 * | stuck_over       | it makes progress again                                                          |
 * | flapping         | a worker keeps changing its state; further changes are counted, not recorded     |
 * | flapping_over    | it stopped flapping; contains the number of changes that were not recorded       |
 * | noisy            | a worker causes too many events of a kind; they are counted, not recorded        |
 * | noisy_over       | it no longer does; contains the number of events that were not recorded          |
 * | restarted        | a new instance of the worker reports                                             |
 * | id_conflict      | an older instance keeps sending besides the newer one, and is refused            |
 * | id_conflict_over | it has stopped trying                                                            |
 * | identity         | a call was refused because its credentials do not allow this worker or group     |
 * | pending          | an unknown worker asks for admission, and waits for an operator                  |
 * | isolation        | an operator set the kind of lane of a worker                                     |
 * | brake            | most of a group went silent at the same time: it is not judged for now           |
 * | brake_released   | it is judged again                                                               |
 * | grace            | after a restart, this master waits for the workers of an earlier one             |
 * | grace_over       | it no longer waits                                                               |
 * | stall            | the main thread did not run for a while; deadlines of workers are extended       |
 * | clock_set        | the wall clock of the master went forward or back; samples keep their order      |
 * | new_normal       | what a metric of a worker does was unusual for so long that it is usual now      |
 * | fault            | the master has a fault of its own: threads do not start, files are not written   |
 * | fault_over       | the fault is over                                                                |
 * | alert            | an alert fires                                                                   |
 * | alert_over       | it is resolved; `closedBecause` says why                                         |
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
  'clock_set',
  'new_normal',
  'fault',
  'fault_over',
  'alert',
  'alert_over',
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

export interface NewEvent {
  readonly type: EventType;
  /** The worker; absent for an event about a group, the cluster or the master. */
  readonly workerId?: string;
  /** The group of a brake or of an alert; empty: workers without a group. */
  readonly group?: string;
  readonly from?: WorkerState;
  readonly to?: WorkerState | 'gone';
  readonly cause?: StateCause;
  /** Readable text. */
  readonly detail?: string;
  /** Of `clock_set`: by how far, in ms; negative: back. */
  readonly stepMs?: number;
  /** Of an alert: its id, its rule and the rule's severity. */
  readonly alertId?: string;
  readonly rule?: string;
  readonly severity?: string;
  readonly closedBecause?: ClosedBecause;
}

export interface WorkerEvent extends NewEvent {
  /** Greater than that of every earlier event, including those of earlier masters with the same data directory. */
  readonly id: number;
  readonly atUnixMs: number;
}

/** A few minutes of a fleet of 10,000 that comes and goes as a whole; about 2 MB. */
export const MAX_EVENTS = 10_000;

export class EventLog {
  readonly #capacity: number;
  /** A ring; once full, `#oldest` is the index of its oldest element. */
  readonly #events: WorkerEvent[] = [];
  #oldest = 0;
  #lastId = 0;
  #added = 0;
  /** Ids of new events are above it. */
  #floor = 0;

  constructor(capacity = MAX_EVENTS) {
    this.#capacity = capacity;
  }

  get lastId(): number {
    return this.#lastId;
  }

  /** New events get ids above this one, which an earlier master has used. */
  raise(id: number): void {
    this.#floor = Math.max(this.#floor, id);
  }

  /** @param atUnixMs also the start of ids: those of an earlier master are lower, unless the wall clock was set back */
  append(event: NewEvent, atUnixMs: number): WorkerEvent {
    const id = Math.max(this.#lastId + 1, this.#floor + 1, this.#lastId === 0 ? Math.floor(atUnixMs) : 0);
    const appended = { id, atUnixMs, ...event };
    this.add(appended);
    return appended;
  }

  /** Adds an event that another log has numbered; a known one is ignored. */
  add(event: WorkerEvent): void {
    if (event.id <= this.#lastId) return;
    this.#lastId = event.id;
    this.#added++;
    if (this.#events.length < this.#capacity) {
      this.#events.push(event);
      return;
    }
    this.#events[this.#oldest] = event;
    this.#oldest = (this.#oldest + 1) % this.#capacity;
  }

  /** Events that were added so far, also those that are no longer there. */
  get added(): number {
    return this.#added;
  }

  /** The events behind the first `added` ones, oldest first, and how many of them are no longer there. */
  since(added: number): { readonly events: readonly WorkerEvent[]; readonly missed: number } {
    const wanted = this.#added - added;
    const events = wanted <= 0 ? [] : this.all().slice(-wanted);
    return { events, missed: Math.max(0, wanted - events.length) };
  }

  /** Oldest first. */
  all(): readonly WorkerEvent[] {
    return [...this.#events.slice(this.#oldest), ...this.#events.slice(0, this.#oldest)];
  }
}
