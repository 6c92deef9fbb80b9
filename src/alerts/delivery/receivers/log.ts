/** Writes alerts to the log of the master: what they do until another receiver is set. */

import { urgencyOf } from '../../rules/severities.ts';
import type { Notification, Sender, SendOutcome } from '../notification.ts';
import { isoTime, isResolved, startedUnixMs } from './alert-facts.ts';
import type { Log, ReceiverContext } from './context.ts';
import { oneLine, subjectText } from './message.ts';
import { MAX_LOGGED_ALERTS } from './receiver-limits.ts';

export class LogSender implements Sender {
  readonly #log: Log;

  constructor({ log }: ReceiverContext) {
    this.#log = log;
  }

  async send({ alerts, receiver, truncatedAlerts, isTrial }: Notification): Promise<SendOutcome> {
    for (const alert of alerts.slice(0, MAX_LOGGED_ALERTS)) {
      const resolved = isResolved(alert);
      const level = resolved || urgencyOf(alert.severity) === 'info' ? 'info' : 'warn';
      const summary = oneLine(alert.annotations.summary ?? subjectText(alert.subject));
      this.#log(
        level,
        `${isTrial ? 'trial, not a real alert: ' : ''}alert ${resolved ? 'resolved' : 'firing'}: ${oneLine(alert.rule)}: ${summary}`,
        {
          alert: oneLine(alert.rule),
          alertId: alert.id,
          state: alert.state,
          severity: oneLine(alert.severity),
          ...(alert.subject.name === '' ? {} : { [alert.subject.kind]: oneLine(alert.subject.name) }),
          since: isoTime(startedUnixMs(alert)),
          ...(resolved && alert.closedBecause !== null ? { closedBecause: alert.closedBecause } : {}),
          ...(isTrial ? { isTrial } : {}),
          ...(alert.link === '' ? {} : { link: alert.link }),
        },
      );
    }
    const left = Math.max(0, alerts.length - MAX_LOGGED_ALERTS) + truncatedAlerts;
    if (left > 0) this.#log('warn', `${left} more alerts of the same group, for the receiver ${oneLine(receiver)}`);
    return { outcome: 'sent' };
  }

  async close(): Promise<void> {}
}
