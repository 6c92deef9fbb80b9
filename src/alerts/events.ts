/** Events of alerts: each begin and each end of firing, in history for as long as history is kept. */
import type { NewEvent } from '../model/events.ts';
import type { AlertChange } from './state/alert-states.ts';

export function eventsOf(transitions: readonly AlertChange[]): NewEvent[] {
  void transitions;
  return [];
}
