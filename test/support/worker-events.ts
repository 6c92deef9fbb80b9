/** What masters say of transitions, in process and over HTTP, and what the fault suite asks of it. */

export interface WorkerEvent {
  readonly id: number;
  readonly atUnixMs: number;
  readonly type: string;
  readonly workerId?: string | null;
  readonly group?: string | null;
  readonly from?: string | null;
  readonly to?: string | null;
  readonly cause?: string | null;
  readonly detail?: string | null;
}

/** An event as `GET /api/v1/events` has it. */
export interface ApiEvent extends Omit<WorkerEvent, 'atUnixMs' | 'workerId'> {
  readonly at: string;
  readonly worker_id: string | null;
}

export function workerEventOf({ at, worker_id: workerId, ...event }: ApiEvent): WorkerEvent {
  return { ...event, atUnixMs: Date.parse(at), workerId };
}

/** Which workers went into one of these states, once for each time; in the order of the events. */
export function transitionsTo(states: readonly string[], events: readonly WorkerEvent[]): string[] {
  return events
    .filter(({ type, to }) => type === 'state' && states.includes(String(to)))
    .map(({ workerId }) => String(workerId));
}

/** Who was suspected or declared dead. */
export function alarms(events: readonly WorkerEvent[]): string[] {
  return transitionsTo(['suspect', 'inactive'], events);
}

export function inactivated(events: readonly WorkerEvent[]): string[] {
  return transitionsTo(['inactive'], events);
}

export function ofType(type: string, events: readonly WorkerEvent[]): WorkerEvent[] {
  return events.filter((event) => event.type === type);
}

/** What a manager in this process tells, oldest first. */
export function eventsOf(manager: object): readonly WorkerEvent[] {
  return (manager as { readonly events: { all(): readonly WorkerEvent[] } }).events.all();
}
