/**
 * Keeps what a worker causes at will, such as its restarts, from filling the log of events: the first ones are told, then
 * one event says that it is noisy, the others are counted, and one says how many there were. Each kind of event is counted
 * by itself, so that a worker which restarts all the time is still told to be inactive. Changes of state are damped before
 * that, see flap-damper.ts; here they are bounded even if the worker is forgotten and comes back.
 */
import { MapRound } from '../../lib/map-round.ts';
import type { EventType, NewEvent } from '../../model/events.ts';
import { afterArrival, NEVER_MS, type RateLimit } from '../../model/heartbeat-rate.ts';

/** 30 at once, and then 4 a minute: at that rate the log of 10,000 events holds 40 hours of one worker. */
const LIMIT: RateLimit = { intervalMs: 15_000, toleranceMs: 29 * 15_000 };
/** It is not noisy any more when it could cause half of what it may at once. */
const OVER_BELOW_MS = LIMIT.toleranceMs / 2;
/** Workers that caused events of late, forgotten ones included; of more no event is damped. Some 10 MB. */
const MAX_REMEMBERED = 50_000;
/** Of those, in each look: a fleet that came at once is not forgotten at once, which would hold up main. */
const MOST_A_LOOK = 2000;

/** What is counted together; a kind that is not here is bounded by whoever tells it. */
const COUNTED_AS: Readonly<Partial<Record<EventType, EventType>>> = {
  state: 'state',
  restarted: 'restarted',
  stuck: 'stuck',
  stuck_over: 'stuck',
  id_conflict: 'id_conflict',
  id_conflict_over: 'id_conflict',
};

interface Source {
  readonly workerId: string;
  readonly type: EventType;
  /** When its next event is due at the most that it may cause. */
  dueMs: number;
  suppressed: number;
}

export class EventDamper {
  readonly #tell: (event: NewEvent) => void;
  /** By kind and worker. */
  readonly #sources = new Map<string, Source>();
  readonly #round = new MapRound(this.#sources);

  constructor(record: (event: NewEvent) => void) {
    this.#tell = record;
  }

  /** Tells the event, or counts it. @returns whether it was told */
  record(event: NewEvent, nowMs: number): boolean {
    // That a worker is inactive takes it a whole timeout each time.
    const type = event.to === 'inactive' ? undefined : COUNTED_AS[event.type];
    const source = event.workerId === undefined || type === undefined ? undefined : this.#source(type, event.workerId);
    const dueMs = source && afterArrival(source.dueMs, nowMs, LIMIT);
    if (source === undefined || (dueMs !== undefined && source.suppressed === 0)) {
      if (source !== undefined) source.dueMs = dueMs as number;
      this.#tell(event);
      return true;
    }
    // Whoever goes on is noisy for as long as it does.
    source.dueMs = Math.max(source.dueMs, nowMs + LIMIT.toleranceMs);
    if (source.suppressed++ === 0) {
      const detail = `events of the kind "${source.type}" come too often; further ones are counted, not told`;
      this.#tell({ type: 'noisy', workerId: source.workerId, detail });
    }
    return false;
  }

  /** At times: says that a worker is not noisy any more, and forgets who has been quiet. */
  look(nowMs: number): void {
    for (const [key, source] of this.#round.next(MOST_A_LOOK)) {
      if (source.suppressed > 0 && source.dueMs - nowMs <= OVER_BELOW_MS) {
        const detail = `events of the kind "${source.type}" that were not told: ${source.suppressed}`;
        source.suppressed = 0;
        this.#tell({ type: 'noisy_over', workerId: source.workerId, detail });
      }
      if (source.dueMs <= nowMs) this.#sources.delete(key);
    }
  }

  #source(type: EventType, workerId: string): Source | undefined {
    const key = `${type} ${workerId}`;
    let source = this.#sources.get(key);
    if (source === undefined && this.#sources.size < MAX_REMEMBERED) {
      source = { workerId, type, dueMs: NEVER_MS, suppressed: 0 };
      this.#sources.set(key, source);
    }
    return source;
  }
}
