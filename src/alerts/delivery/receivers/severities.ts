/** Which of several alerts is the most urgent. */
import type { Alert } from '../../../model/alert.ts';
import { URGENCIES, urgencyOf } from '../../rules/severities.ts';
import { isResolved } from './alert-facts.ts';

/** The most urgent firing alert; if none fires, the most urgent. */
export function mostUrgent(alerts: readonly Alert[]): Alert | undefined {
  const firing = alerts.filter((alert) => !isResolved(alert));
  const rank = ({ severity }: Alert) => URGENCIES.indexOf(urgencyOf(severity));
  return (firing.length > 0 ? firing : alerts).reduce<Alert | undefined>(
    (most, alert) => (most === undefined || rank(alert) > rank(most) ? alert : most),
    undefined,
  );
}
