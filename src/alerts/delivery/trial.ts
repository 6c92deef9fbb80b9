/**
 * Sends a made-up alert to each target of a receiver, past routes and queue: whether it would get a real one. Everything about it says
 * that it is a trial. It fires, and is then resolved, so that nothing stays open.
 */
import { randomUUID } from 'node:crypto';
import { type Clock, endsWithin } from '../../lib/clock.ts';
import type { Alert } from '../../model/alert.ts';
import type { AlertReply, TrialResult } from '../../model/alert-command.ts';
import { plannedTargets } from '../notify/notify-rules.ts';
import type { Receiver, ReceiverTarget } from '../rules/rule.ts';
import { inTurn, type MakeSender, type Notification, type Sender, type SendOutcome } from './notification.ts';

/** Of one target, for both: less than the host waits. One that takes longer is too slow for alerts. */
export const TRIAL_TARGET_WITHIN_MS = 28_000;

export interface TrialParts {
  readonly makeSender: MakeSender;
  readonly clock: Clock;
  /** PUBLIC_URL; empty: there is none. */
  readonly externalUrl: string;
  /** It is not resolved: to see how a firing alert looks. */
  readonly isFiringOnly?: boolean;
}

/** Never rejects. @param name of the receiver */
export async function trialReply(receivers: readonly Receiver[], name: string, parts: TrialParts): Promise<AlertReply> {
  const receiver = receivers.find((one) => one.name === name);
  if (receiver === undefined) {
    const names = receivers.map((one) => one.name);
    return { ok: false, code: 'not_found', message: `there is no receiver ${name}; there is ${names.join(', ')}` };
  }
  const trials = await sendTrial(receiver, parts);
  const sent = trials.filter(({ isSent }) => isSent).length;
  const all = sent === trials.length ? 'was sent' : `was sent to ${sent} of ${trials.length} targets`;
  return { ok: true, message: `The trial ${all}${sent === trials.length ? ` to ${name}` : ` of ${name}`}.`, trials };
}

/** To all targets at once. */
async function sendTrial(receiver: Receiver, parts: TrialParts): Promise<readonly TrialResult[]> {
  // Of one trial all notifications have the same group, so that the end of it closes what it has opened.
  const trial = randomUUID();
  return await Promise.all(
    plannedTargets(receiver).map(async ({ key, index }): Promise<TrialResult> => {
      const target = receiver.targets[index] as ReceiverTarget;
      const sender = parts.makeSender(target);
      const states = target.sendsResolved && parts.isFiringOnly !== true ? STATES : STATES.slice(0, 1);
      try {
        const failure = await sendAll(
          sender,
          states,
          { receiver: receiver.name, target: index, targetKey: key, trial },
          parts,
        );
        return { kind: target.kind, target: index, isSent: failure === undefined, detail: failure ?? '' };
      } finally {
        await sender.close();
      }
    }),
  );
}

const STATES = ['firing', 'resolved'] as const;
type TrialState = (typeof STATES)[number];

interface TrialTarget {
  readonly receiver: string;
  readonly target: number;
  readonly targetKey: string;
  readonly trial: string;
}

/** @returns why it was not sent */
async function sendAll(
  sender: Sender,
  states: readonly TrialState[],
  to: TrialTarget,
  { clock, externalUrl }: TrialParts,
): Promise<string | undefined> {
  const late = new AbortController();
  let failure: string | undefined;
  const sending = async () => {
    for (const state of states) {
      const outcome: SendOutcome = await inTurn(sender, () =>
        sender.send(trialNotification(state, to, externalUrl, clock), late.signal),
      );
      if (late.signal.aborted) return;
      if (outcome.outcome === 'sent') continue;
      failure = state === 'firing' ? outcome.detail : `its end was not taken: ${outcome.detail}`;
      return;
    }
  };
  const sent = sending();
  if (await endsWithin(clock, TRIAL_TARGET_WITHIN_MS, sent)) return failure;
  late.abort();
  await sent;
  return `it took longer than ${TRIAL_TARGET_WITHIN_MS / 1000} s`;
}

function trialNotification(
  state: TrialState,
  { receiver, target, targetKey, trial }: TrialTarget,
  externalUrl: string,
  clock: Clock,
): Notification {
  const alert = trialAlert(state, externalUrl, clock.wallMs());
  return {
    id: 0,
    receiver,
    target,
    targetKey,
    groupKey: `{}:{alertname="${alert.rule}"}/${trial}`,
    groupLabels: { alertname: alert.rule },
    alerts: [alert],
    openAlerts: state === 'firing' ? 1 : 0,
    truncatedAlerts: 0,
    dedupKey: `trial/${trial}/${target}/${state}`,
    isTrial: true,
    createdUnixMs: clock.wallMs(),
  };
}

/** A second is between its beginning and its end: to Alertmanager, an alert without length is none. */
const LENGTH_MS = 1000;

function trialAlert(state: TrialState, externalUrl: string, nowUnixMs: number): Alert {
  const startUnixMs = nowUnixMs - LENGTH_MS;
  const resolved = state === 'resolved';
  const values = { atUnixMs: nowUnixMs, parts: [{ text: 'cpu_usage', value: 99 }] };
  return {
    id: '7472696c00000000',
    rule: 'PulselaneTrial',
    subject: { kind: 'worker', name: 'trial-worker' },
    state,
    severity: 'info',
    labels: { alertname: 'PulselaneTrial', severity: 'info', worker: 'trial-worker', trial: 'true' },
    annotations: {
      summary: 'This is a trial, not a real alert',
      description: 'Somebody asked Pulselane to send it, to see whether alerts arrive here. Nothing needs to be done.',
    },
    runbookUrl: null,
    expression: 'cpu_usage > 90.0',
    pendingSinceUnixMs: startUnixMs,
    firingSinceUnixMs: startUnixMs,
    resolvedUnixMs: resolved ? nowUnixMs : null,
    closedBecause: resolved ? 'recovered' : null,
    noDataSinceUnixMs: null,
    values: { pending: values, firing: values, now: values },
    transitions: [],
    isFlapping: false,
    silencedBy: [],
    inhibitedBy: [],
    mutedBy: [],
    link: externalUrl,
  };
}
