/** Events of alerts: each begin and each end of firing, in history for as long as history is kept. */
import { shortText } from '../lib/foreign-text.ts';
import type { NewEvent } from '../model/events.ts';
import type { AlertChange } from './state/alert-states.ts';

/** Annotations are written by people, but hold values of workers. */
const MAX_DETAIL_LENGTH = 300;

/** In order. Pending is no event: nobody was told of it. */
export function eventsOf(transitions: readonly AlertChange[]): NewEvent[] {
  return transitions.flatMap(({ record, from, to }): NewEvent[] => {
    const { id: alertId, rule, severity, subject, annotations, closedBecause } = record;
    const about = {
      ...(subject.kind === 'worker' ? { workerId: subject.name } : {}),
      ...(subject.kind === 'group' ? { group: subject.name } : {}),
      alertId,
      rule,
      severity,
    };
    if (to === 'firing') {
      const summary = annotations.summary === undefined ? '' : `: ${annotations.summary}`;
      return [{ type: 'alert', ...about, detail: shortText(`${rule} (${severity})${summary}`, MAX_DETAIL_LENGTH) }];
    }
    if (from !== 'firing' || closedBecause === null) return [];
    return [{ type: 'alert_over', ...about, closedBecause, detail: `${rule}: ${closedBecause.replaceAll('_', ' ')}` }];
  });
}
