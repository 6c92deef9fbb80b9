/** What masters tell of their workers, and what the fault suite asks of it. */
import type { EventType, WorkerEvent } from '../../src/model/events.ts';

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

/** In which state each worker is by now. */
export function statesOf(events: readonly WorkerEvent[]): Map<string, string> {
  const states = new Map<string, string>();
  for (const { workerId, to } of ofType('state', events)) states.set(String(workerId), String(to));
  return states;
}

export function ofType(type: EventType, events: readonly WorkerEvent[]): WorkerEvent[] {
  return events.filter((event) => event.type === type);
}
