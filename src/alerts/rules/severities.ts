/** What the severities of rules mean. Rules may use any word; these are the usual ones. */

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
