/** The colour of a message, as 0xRRGGBB. */
import type { Alert } from '../../../model/alert.ts';
import { type Urgency, urgencyOf } from '../../rules/severities.ts';
import { isResolved } from './alert-facts.ts';
import { mostUrgent } from './severities.ts';

const RESOLVED = 0x2e8b57;
const COLOURS: Readonly<Record<Urgency, number>> = {
  critical: 0xd32f2f,
  error: 0xe8590c,
  warning: 0xf2a600,
  info: 0x4c8bf5,
};

export function colourOf(alerts: readonly Alert[]): number {
  const most = mostUrgent(alerts);
  return most === undefined || isResolved(most) ? RESOLVED : COLOURS[urgencyOf(most.severity)];
}
