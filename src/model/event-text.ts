/** An event as one line of text, without its worker and time, which are shown next to it. */
import type { EventType, NewEvent } from './events.ts';

export function eventText(event: NewEvent): string {
  const { type, detail } = event;
  const text = type === 'state' ? stateText(event) : (alertNoise(event) ?? TEXTS[type]);
  return detail === undefined ? text : `${text}: ${detail}`;
}

/** Of an alert that is not about a worker. */
function alertNoise({ type, alertId }: NewEvent): string | undefined {
  if (alertId === undefined) return undefined;
  if (type === 'noisy') return 'alert causes too many events';
  return type === 'noisy_over' ? 'alert no longer causes too many events' : undefined;
}

const TEXTS: Readonly<Record<Exclude<NewEvent['type'], 'state'>, string>> = {
  stuck: 'worker is stuck',
  stuck_over: 'worker is no longer stuck',
  flapping: 'worker is flapping',
  flapping_over: 'worker has stopped flapping',
  noisy: 'worker causes too many events',
  noisy_over: 'worker no longer causes too many events',
  restarted: 'worker has restarted',
  id_conflict: 'two instances use this id',
  id_conflict_over: 'the older instance has stopped trying',
  identity: 'a call for this worker was refused',
  pending: 'worker waits for approval',
  isolation: 'an operator set the worker’s lane',
  brake: 'brake on mass failure',
  brake_released: 'brake released',
  grace: 'waiting for known workers to reconnect after a restart',
  grace_over: 'no longer waiting for known workers to reconnect',
  stall: 'the master did not run for a while',
  clock_set: 'the master’s wall clock was set',
  fault: 'the master has a fault',
  fault_over: 'the master’s fault is over',
  new_normal: 'something unusual has become usual',
  alert: 'alert fires',
  alert_over: 'alert is resolved',
};

/** Whether it needs attention. */
export function isWarning({ type, to }: NewEvent): boolean {
  return WARNINGS.has(type) || to === 'inactive';
}

const WARNINGS: ReadonlySet<EventType> = new Set([
  'stuck',
  'flapping',
  'noisy',
  'id_conflict',
  'identity',
  'brake',
  'stall',
  'clock_set',
  'fault',
  'alert',
]);

function stateText({ from, to, cause }: NewEvent): string {
  switch (to) {
    case 'registered':
      return cause === 'no_record' ? 'worker has no values yet' : 'worker registered';
    case 'active':
      return from === 'registered' || from === undefined ? 'worker is active' : 'worker is active again';
    case 'gone':
      return cause === 'unregistered' ? 'worker unregistered' : 'worker removed after its retention';
    case 'leaving':
      return 'worker says farewell';
    case 'left':
      return 'worker has left';
    default:
      return cause === 'silence' ? `worker is ${to}` : `worker is ${to} (${cause?.replaceAll('_', ' ')})`;
  }
}
