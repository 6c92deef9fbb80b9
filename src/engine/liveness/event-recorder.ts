/** Tells what happened: into the log of events, to every reader, and as one line of the program's log. */
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/logging.ts';
import { eventText } from '../../model/event-text.ts';
import type { EventLog, EventType, NewEvent, WorkerEvent } from '../../model/events.ts';
import { EventDamper } from './event-damper.ts';

export interface EventRecorderOptions {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly logger: Logger;
  /** For readers in other threads; in the order in which they happened. */
  readonly onEvents: (events: readonly WorkerEvent[]) => void;
}

/** What a person should know of; a worker that becomes inactive is one more. */
const WARNINGS: ReadonlySet<EventType> = new Set([
  'stuck',
  'flapping',
  'noisy',
  'id_conflict',
  'identity',
  'brake',
  'stall',
  'fault',
]);

export class EventRecorder {
  readonly #options: EventRecorderOptions;
  /** Told to readers at the end of this turn, all at once: a fleet that comes back is thousands of events. */
  #unpublished: WorkerEvent[] = [];
  readonly #damper = new EventDamper((event) => this.#append(event));

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  /** @returns whether it was told: of a worker that causes too many they are counted */
  record(event: NewEvent): boolean {
    return this.#damper.record(event, this.#options.clock.monotonicMs());
  }

  /** At times: says who does not cause too many any more. */
  look(nowMonotonicMs: number): void {
    this.#damper.look(nowMonotonicMs);
  }

  #append(event: NewEvent): void {
    const { log, clock, logger } = this.#options;
    const recorded = log.append(event, clock.wallMs());
    const { type, workerId: worker, group, from, to, cause } = event;
    const isWarning = WARNINGS.has(type) || to === 'inactive';
    logger[isWarning ? 'warn' : 'info']({ worker, group, from, to, cause }, eventText(event));
    if (this.#unpublished.push(recorded) === 1) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const events = this.#unpublished;
    this.#unpublished = [];
    this.#options.onEvents(events);
  }
}
