/** An event as one line for people, without its worker and time: those stand beside it. */
import type { NewEvent } from './events.ts';

export function eventText(event: NewEvent): string {
  const { type, detail } = event;
  const text = type === 'state' ? stateText(event) : TEXTS[type];
  return detail === undefined ? text : `${text}: ${detail}`;
}

const TEXTS: Readonly<Record<Exclude<NewEvent['type'], 'state'>, string>> = {
  stuck: 'worker is stuck',
  stuck_over: 'worker is not stuck any more',
  flapping: 'worker is flapping',
  flapping_over: 'worker is steady again',
  noisy: 'worker causes too many events',
  noisy_over: 'worker does not cause too many events any more',
  restarted: 'worker has restarted',
  id_conflict: 'two instances claim this id',
  id_conflict_over: 'the older instance does not try any more',
  identity: 'a call that speaks for this worker was refused',
  pending: 'worker waits for approval',
  isolation: 'an operator decided about the worker’s lane',
  brake: 'brake on mass failure',
  brake_released: 'brake released',
  grace: 'workers of an earlier master are waited for',
  grace_over: 'workers of an earlier master are waited for no longer',
  stall: 'the master stood still',
  fault: 'fault of the master',
  fault_over: 'fault of the master is over',
};

function stateText({ from, to, cause }: NewEvent): string {
  switch (to) {
    case 'registered':
      return cause === 'no_record' ? 'worker has no values yet' : 'worker registered';
    case 'active':
      return from === 'registered' || from === undefined ? 'worker is active' : 'worker is active again';
    case 'gone':
      return cause === 'unregistered' ? 'worker unregistered' : 'worker forgotten after its retention';
    case 'leaving':
      return 'worker says farewell';
    case 'left':
      return 'worker has left';
    default:
      return cause === 'silence' ? `worker is ${to}` : `worker is ${to} (${cause?.replaceAll('_', ' ')})`;
  }
}
