/** Plans one time after the other, and keeps what was told as the thread does: through JSON, as a restart would. */
import type { Notification } from '../../src/alerts/delivery/notification.ts';
import { withoutGivenUp } from '../../src/alerts/notify/given-up.ts';
import type { NotifyRules } from '../../src/alerts/notify/notify-rules.ts';
import { type Plan, type PlannedNotification, plan } from '../../src/alerts/notify/plan.ts';
import { ActiveSilences } from '../../src/alerts/notify/silences.ts';
import { groupId, type ToldGroup, toldGroupOfJson, toldGroupToJson } from '../../src/alerts/notify/told.ts';
import type { Alert } from '../../src/model/alert.ts';
import type { Silence } from '../../src/model/silence.ts';

export class Notifier {
  rules: NotifyRules;
  readonly alerts = new Map<string, Alert>();
  readonly silences = new Map<string, Silence>();
  told: ReadonlyMap<string, ToldGroup> = new Map();
  isWaiting = false;
  restarts: boolean;
  /** As they ended since the last plan, if they are something else by now. */
  readonly ended = new Map<string, Alert>();
  readonly #active = new ActiveSilences();
  #nextId = 1;

  constructor(rules: NotifyRules, { restarts = false } = {}) {
    this.rules = rules;
    this.restarts = restarts;
  }

  set(...alerts: readonly Alert[]): void {
    for (const alert of alerts) this.alerts.set(alert.id, alert);
  }

  resolve(id: string, atUnixMs: number, over: Partial<Alert> = {}): void {
    const alert = this.alerts.get(id) as Alert;
    this.set({ ...alert, state: 'resolved', resolvedUnixMs: atUnixMs, closedBecause: 'recovered', ...over });
  }

  planAt(nowUnixMs: number): Plan & { readonly notifications: readonly Notification[] } {
    const made = plan(this.rules, {
      alerts: this.alerts.values(),
      alertOf: (id) => this.alerts.get(id) as Alert,
      endedOf: (id) => this.ended.get(id),
      silences: this.silences,
      active: this.#active,
      told: this.told,
      isWaiting: () => this.isWaiting,
      nowUnixMs,
      nextId: this.#nextId,
    });
    this.ended.clear();
    const told = new Map(this.told);
    for (const group of made.changed) told.set(groupId(group), group);
    for (const id of made.removed) told.delete(id);
    this.told = this.restarts ? restarted(told) : told;
    this.#nextId += made.planned.length;
    return { ...made, notifications: made.planned.map(({ notification }) => notification) };
  }

  /** A notification is given up, and nothing that waits after it tells of the same. */
  giveUp({ notification, fresh }: PlannedNotification, atUnixMs: number): void {
    const { alerts } = notification;
    const lost = {
      fresh,
      again: alerts.flatMap(({ id, state }) => (state === 'firing' && !fresh.includes(id) ? id : [])),
      ended: alerts.filter(({ state }) => state === 'resolved'),
    };
    const group = withoutGivenUp(this.told, notification, lost, atUnixMs);
    if (group !== undefined) this.told = new Map(this.told).set(groupId(group), group);
  }

  /** What is sent at this time, in short. */
  at(nowUnixMs: number): string[] {
    return this.planAt(nowUnixMs).notifications.map(inShort);
  }
}

function restarted(told: ReadonlyMap<string, ToldGroup>): Map<string, ToldGroup> {
  return new Map([...told].map(([id, group]) => [id, toldGroupOfJson(toldGroupToJson(group))]));
}

/** `hook/0 {alertname="Hot"}: +a -b`. */
export function inShort({ receiver, target, groupLabels, alerts, truncatedAlerts }: Notification): string {
  const labels = Object.entries(groupLabels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  const told = alerts.map(({ id, state }) => `${state === 'firing' ? '+' : '-'}${id}`);
  const more = truncatedAlerts > 0 ? ` and ${truncatedAlerts} more` : '';
  return `${receiver}/${target} {${labels.join(', ')}}: ${told.join(' ')}${more}`;
}
