/** What the severities of alerts mean to receivers. Rules may use any word; these are the usual ones. */
import type { Alert } from '../../../model/alert.ts';
import { isResolved } from './alert-facts.ts';

/** From the least. */
export const URGENCIES = ['info', 'warning', 'error', 'critical'] as const;
export type Urgency = (typeof URGENCIES)[number];

const WORDS: Readonly<Record<Urgency, readonly string[]>> = {
  info: ['info', 'information', 'informational', 'notice', 'low', 'none', 'debug'],
  warning: ['warning', 'warn', 'ticket', 'medium', 'minor', 'moderate'],
  error: ['error', 'err', 'high', 'major'],
  critical: ['critical', 'crit', 'page', 'emergency', 'emerg', 'fatal', 'alert', 'disaster'],
};

/** A word that is not known counts as an error: someone invented it to be noticed. */
export function urgencyOf(severity: string): Urgency {
  const word = severity.toLowerCase();
  return URGENCIES.find((urgency) => WORDS[urgency].includes(word)) ?? 'error';
}

/** The most urgent firing alert; if none fires, the most urgent. */
export function mostUrgent(alerts: readonly Alert[]): Alert | undefined {
  const firing = alerts.filter((alert) => !isResolved(alert));
  const rank = ({ severity }: Alert) => URGENCIES.indexOf(urgencyOf(severity));
  return (firing.length > 0 ? firing : alerts).reduce<Alert | undefined>(
    (most, alert) => (most === undefined || rank(alert) > rank(most) ? alert : most),
    undefined,
  );
}
