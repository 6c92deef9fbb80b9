/** Records events: in the event log, for every reader, and as one line of the program's log. */
import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/logging.ts';
import { eventText, isWarning } from '../../model/event-text.ts';
import type { EventLog, NewEvent, WorkerEvent } from '../../model/events.ts';
import { EventDamper } from './event-damper.ts';

export interface EventRecorderOptions {
  readonly log: EventLog;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Publishes events to readers in other threads, in order. */
  readonly onEvents: (events: readonly WorkerEvent[]) => void;
}

export class EventRecorder {
  readonly #options: EventRecorderOptions;
  /** Published together at the end of this turn: a fleet that comes back causes thousands of events. */
  #unpublished: WorkerEvent[] = [];
  readonly #damper = new EventDamper((event) => this.#append(event));

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  /** @returns whether it was recorded: events of a noisy worker are only counted */
  record(event: NewEvent): boolean {
    return this.#damper.record(event, this.#options.clock.monotonicMs());
  }

  /** Called periodically: records which workers are no longer noisy. */
  look(nowMonotonicMs: number): void {
    this.#damper.look(nowMonotonicMs);
  }

  #append(event: NewEvent): void {
    const { log, clock, logger } = this.#options;
    const recorded = log.append(event, clock.wallMs());
    const { workerId: worker, group, from, to, cause } = event;
    logger[levelOf(event)]({ worker, group, from, to, cause }, eventText(event));
    if (this.#unpublished.push(recorded) === 1) setImmediate(() => this.#flush());
  }

  #flush(): void {
    const events = this.#unpublished;
    this.#unpublished = [];
    this.#options.onEvents(events);
  }
}

/** Alerts are written to the log by the receiver `log`, grouped, unless their rules send them elsewhere. */
function levelOf(event: NewEvent): 'debug' | 'info' | 'warn' {
  if (event.type === 'alert' || event.type === 'alert_over') return 'debug';
  return isWarning(event) ? 'warn' : 'info';
}
