/**
 * Keeps the Alertmanagers of one receiver in step with what fires. An Alertmanager resolves what it does not hear of, so each firing
 * alert is sent again every minute with an end that lies minutes ahead, and once more with its end when it is over. Nothing needs to
 * be kept on disk: after a restart all that fires is sent, and all that ended shortly before.
 *
 * Each Alertmanager is served by itself: one that is away holds up none of the others.
 */
import type { Clock, Timer } from '../../../lib/clock.ts';
import type { Alert } from '../../../model/alert.ts';
import type { AlertmanagerSettings } from '../../rules/receivers/alertmanager.ts';
import { isResolved } from './alert-facts.ts';
import { alertmanagersOf } from './alertmanager.ts';
import { postedAlert } from './alertmanager-alerts.ts';
import type { ReceiverContext } from './context.ts';
import type { HttpReceiver } from './http-receiver.ts';
import { FIRST_RESEND_AFTER_MS, MAX_BATCH_ALERTS, RESEND_EVERY_MS, RESOLVED_FOR_MS } from './receiver-limits.ts';

export interface AlertmanagerStatus {
  readonly place: string;
  /** Why the last attempt failed; undefined: it did not. */
  readonly failure: { readonly detail: string; readonly sinceUnixMs: number } | undefined;
  readonly sent: number;
  readonly failed: number;
}

export class AlertmanagerLoop {
  readonly #peers: readonly Peer[];
  readonly #clock: Clock;
  readonly #resend: Timer;
  /** By id; an Alertmanager knows these, or is to. */
  #alerts: ReadonlyMap<string, Alert> = new Map();

  constructor(settings: AlertmanagerSettings, context: ReceiverContext, sendsResolved: boolean) {
    this.#clock = context.clock;
    const peers = [...alertmanagersOf(settings, context).values()];
    this.#peers = peers.map((http) => new Peer(http, context, sendsResolved));
    this.#resend = context.clock.every(RESEND_EVERY_MS, () => {
      for (const peer of this.#peers) peer.resend(this.#alerts.values());
    });
  }

  /**
   * At each evaluation. An alert that is silenced, inhibited or muted before it was sent is not sent; one that was sent goes on to be,
   * because an Alertmanager would otherwise call it resolved.
   * @param alerts all that fire, or were resolved a while ago, of those that are routed to this receiver
   */
  update(alerts: Iterable<Alert>): void {
    const before = this.#alerts;
    const now = new Map<string, Alert>();
    const changed: Alert[] = [];
    const oldestUnixMs = this.#clock.wallMs() - RESOLVED_FOR_MS;
    for (const alert of alerts) {
      const known = before.get(alert.id);
      if (!isKept(alert, known !== undefined, oldestUnixMs)) continue;
      now.set(alert.id, alert);
      if (known === undefined || differs(known, alert)) changed.push(alert);
    }
    this.#alerts = now;
    for (const peer of this.#peers) peer.update(now, changed);
  }

  status(): readonly AlertmanagerStatus[] {
    return this.#peers.map((peer) => peer.status());
  }

  async close(): Promise<void> {
    this.#resend.cancel();
    await Promise.all(this.#peers.map((peer) => peer.close()));
  }
}

function isKept(alert: Alert, isKnown: boolean, oldestUnixMs: number): boolean {
  const { state, silencedBy, inhibitedBy, mutedBy, firingSinceUnixMs, resolvedUnixMs } = alert;
  if (state === 'pending' || firingSinceUnixMs === null) return false;
  if (isResolved(alert) && (resolvedUnixMs ?? 0) < oldestUnixMs) return false;
  return isKnown || (silencedBy.length === 0 && inhibitedBy.length === 0 && mutedBy.length === 0);
}

/** Whether an Alertmanager should hear of it at once. Values that change in an annotation wait for the next minute. */
function differs(before: Alert, now: Alert): boolean {
  return before.state !== now.state || before.firingSinceUnixMs !== now.firingSinceUnixMs;
}

/** One Alertmanager. */
class Peer {
  readonly #http: HttpReceiver;
  readonly #context: ReceiverContext;
  readonly #sendsResolved: boolean;
  /** Ids of alerts that it is to be told of. */
  readonly #due = new Set<string>();
  #alerts: ReadonlyMap<string, Alert> = new Map();
  readonly #stop = new AbortController();
  #sending: Promise<void> | undefined;
  #wait: Timer | undefined;
  #failures = 0;
  #failure: { detail: string; sinceUnixMs: number } | undefined;
  #sent = 0;
  #failed = 0;

  constructor(http: HttpReceiver, context: ReceiverContext, sendsResolved: boolean) {
    this.#http = http;
    this.#context = context;
    this.#sendsResolved = sendsResolved;
  }

  update(alerts: ReadonlyMap<string, Alert>, changed: readonly Alert[]): void {
    this.#alerts = alerts;
    for (const alert of changed) this.#add(alert);
    for (const id of this.#due) if (!alerts.has(id)) this.#due.delete(id);
    this.#send();
  }

  resend(alerts: Iterable<Alert>): void {
    for (const alert of alerts) if (!isResolved(alert)) this.#add(alert);
    this.#send();
  }

  status(): AlertmanagerStatus {
    return { place: this.#http.place, failure: this.#failure, sent: this.#sent, failed: this.#failed };
  }

  async close(): Promise<void> {
    this.#wait?.cancel();
    this.#stop.abort();
    await this.#sending;
    this.#http.close();
  }

  #add(alert: Alert): void {
    if (isResolved(alert) && !this.#sendsResolved) this.#due.delete(alert.id);
    else this.#due.add(alert.id);
  }

  #send(): void {
    if (this.#sending !== undefined || this.#wait !== undefined || this.#due.size === 0) return;
    if (this.#stop.signal.aborted) return;
    this.#sending = this.#sendDue().finally(() => {
      this.#sending = undefined;
      this.#send();
    });
  }

  /** One batch. Never rejects. */
  async #sendDue(): Promise<void> {
    const nowUnixMs = this.#context.clock.wallMs();
    const ids = [...this.#due].slice(0, MAX_BATCH_ALERTS);
    const batch = ids.flatMap((id) => this.#alerts.get(id) ?? []);
    for (const id of ids) this.#due.delete(id);
    const body = JSON.stringify(batch.map((alert) => postedAlert(alert, nowUnixMs)));
    const outcome = await this.#http.post(body, this.#stop.signal);
    if (outcome.outcome === 'sent') {
      this.#sent += batch.length;
      this.#told();
      return;
    }
    this.#failed += batch.length;
    this.#tellFailure(outcome.detail);
    // What it refuses is not sent at once again, but with the next round: it may have been a mistake of its configuration.
    if (outcome.outcome === 'refused') return;
    for (const { id } of batch) this.#due.add(id);
    this.#failures++;
    const waitMs = Math.min(FIRST_RESEND_AFTER_MS * 2 ** (this.#failures - 1), RESEND_EVERY_MS);
    this.#wait = this.#context.clock.after(Math.max(waitMs, Math.min(outcome.afterMs ?? 0, RESEND_EVERY_MS)), () => {
      this.#wait = undefined;
      this.#send();
    });
  }

  #told(): void {
    this.#failures = 0;
    if (this.#failure === undefined) return;
    this.#failure = undefined;
    this.#context.logger.info({ place: this.#http.place }, 'the Alertmanager takes alerts again');
  }

  /** Once, until it succeeds. */
  #tellFailure(detail: string): void {
    if (this.#stop.signal.aborted) return;
    const isFirst = this.#failure === undefined;
    this.#failure = { detail, sinceUnixMs: this.#failure?.sinceUnixMs ?? this.#context.clock.wallMs() };
    if (isFirst)
      this.#context.logger.warn(`alerts could not be sent to an Alertmanager, they are sent again: ${detail}`);
  }
}
