/** Joins notify/ and delivery/ with the kinds of receivers. */
import { sendersOf } from '../../alerts/delivery/receivers/make-senders.ts';
import type { AlertsSettings } from '../../alerts/messages.ts';
import { AlertNotices } from '../../alerts/notices.ts';
import type { AlertsParts, Log } from '../../alerts/port-side.ts';
import { systemClock } from '../../lib/clock.ts';

export function makeNotices(
  { publicUrl, commandEnvironment, timeZone }: AlertsSettings,
  log: Log,
  writeNow: Parameters<AlertsParts['makeNotices']>[2],
): AlertNotices {
  return new AlertNotices({
    clock: systemClock,
    random: Math.random,
    timeZone: timeZone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
    publicUrl,
    makeSender: sendersOf({ clock: systemClock, log, externalUrl: publicUrl, commandEnvironment }),
    writeNow,
    log,
  });
}
