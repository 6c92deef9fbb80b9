/**
 * Keeps events that a worker can cause at will, such as restarts, and those of alerts that come and go, from filling the
 * event log: the first ones are recorded, then one event says that there are too many, further ones are counted, and a
 * last event says how many there were. Each kind of event is counted separately, so that a worker that restarts constantly is still reported as
 * inactive. State changes are damped earlier, see flap-damper.ts; here they are limited even if the worker is removed
 * and comes back.
 */
import { MapRound } from '../../lib/map-round.ts';
import type { EventType, NewEvent } from '../../model/events.ts';
import { afterArrival, NEVER_MS, type RateLimit } from '../../model/heartbeat-rate.ts';

/** 30 at once, then 4 per minute: at that rate the log of 10,000 events holds 40 hours of one worker. */
const LIMIT: RateLimit = { intervalMs: 15_000, toleranceMs: 29 * 15_000 };
/** A worker is no longer noisy when it could cause half of a full burst again. */
const OVER_BELOW_MS = LIMIT.toleranceMs / 2;
/**
 * Maximum number of workers with recent events, including removed ones; events of further ones are not damped. About 10
 * MB.
 */
const MAX_REMEMBERED = 50_000;
/** Maximum number of them forgotten per look, since forgetting a whole fleet at once would block main. */
const MOST_A_LOOK = 2000;

/** Events that are counted together. Kinds that are missing here are limited by whoever records them. */
const COUNTED_AS: Readonly<Partial<Record<EventType, EventType>>> = {
  state: 'state',
  restarted: 'restarted',
  stuck: 'stuck',
  stuck_over: 'stuck',
  id_conflict: 'id_conflict',
  id_conflict_over: 'id_conflict',
  new_normal: 'new_normal',
  alert: 'alert',
  alert_over: 'alert',
};

interface Source {
  /** Whose events these are, as all of them say: a worker, or what an alert is about. */
  readonly about: Pick<NewEvent, 'workerId' | 'group' | 'alertId' | 'rule' | 'severity'>;
  readonly type: EventType;
  /** When its next event is within the rate limit. */
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

  /** Records the event, or counts it. @returns whether it was recorded */
  record(event: NewEvent, nowMs: number): boolean {
    // Becoming inactive takes a whole timeout each time, so it needs no limit.
    const type = event.to === 'inactive' ? undefined : COUNTED_AS[event.type];
    const source = type === undefined ? undefined : this.#source(type, event);
    const dueMs = source && afterArrival(source.dueMs, nowMs, LIMIT);
    if (source === undefined || (dueMs !== undefined && source.suppressed === 0)) {
      if (source !== undefined) source.dueMs = dueMs as number;
      this.#tell(event);
      return true;
    }
    // A worker that continues stays noisy.
    source.dueMs = Math.max(source.dueMs, nowMs + LIMIT.toleranceMs);
    if (source.suppressed++ === 0) {
      const detail = `events of the kind "${source.type}" are too frequent; further ones are counted, not recorded`;
      this.#tell({ type: 'noisy', ...source.about, detail });
    }
    return false;
  }

  /** Called periodically: records that workers are no longer noisy, and forgets quiet ones. */
  look(nowMs: number): void {
    for (const [key, source] of this.#round.next(MOST_A_LOOK)) {
      if (source.suppressed > 0 && source.dueMs - nowMs <= OVER_BELOW_MS) {
        const detail = `events of the kind "${source.type}" that were not recorded: ${source.suppressed}`;
        source.suppressed = 0;
        this.#tell({ type: 'noisy_over', ...source.about, detail });
      }
      if (source.dueMs <= nowMs) this.#sources.delete(key);
    }
  }

  #source(type: EventType, { workerId, group, alertId, rule, severity }: NewEvent): Source | undefined {
    // An alert of a group or of the cluster is counted by itself, the alerts of a worker together.
    const about = workerId === undefined ? { group, alertId, rule, severity } : { workerId };
    const key = JSON.stringify([type, workerId ?? null, about.alertId ?? null]);
    let source = this.#sources.get(key);
    if (source === undefined && this.#sources.size < MAX_REMEMBERED) {
      source = { about: withoutAbsent(about), type, dueMs: NEVER_MS, suppressed: 0 };
      this.#sources.set(key, source);
    }
    return source;
  }
}

function withoutAbsent<T extends object>(members: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as never;
}
