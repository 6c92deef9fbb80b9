/**
 * Joins notify/ with delivery/: plans after each evaluation, stores with the states, and delivers after that.
 *
 *     alerts, silences ─► plan ─► write, in the transaction of the states ─► written ─► queue ─► receivers
 *                          ▲                                                              │
 *                          └──────────── what was given up counts as not told ◄───────────┘
 *
 * What could not be stored is delivered all the same, and stored by the next transaction that can, if it still waits.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../lib/clock.ts';
import type { Alert } from '../model/alert.ts';
import type { AlertCommand, AlertReply } from '../model/alert-command.ts';
import type { AlertReceiverStatus } from '../model/alerts-status.ts';
import type { DeadLetter } from '../model/dead-letter.ts';
import { formatMatcher, labelTest } from '../model/label-matchers.ts';
import type { Silence } from '../model/silence.ts';
import { deadLetterOf, type GivenUp } from './delivery/dead-letter.ts';
import { DeadLetters } from './delivery/dead-letters.ts';
import { FAULT_AFTER_MS, QUEUE_LIMITS } from './delivery/delivery-limits.ts';
import { GivenUpLog } from './delivery/given-up-log.ts';
import type { MakeSender } from './delivery/notification.ts';
import { DeliveryQueue } from './delivery/queue.ts';
import {
  addDeadLetters,
  addNotifications,
  readQueue,
  removeNotifications,
  writeNextId,
} from './delivery/stored-queue.ts';
import { trialReply } from './delivery/trial.ts';
import { withoutGivenUp } from './notify/given-up.ts';
import { type NotifyRules, notifyRulesOf } from './notify/notify-rules.ts';
import { type PlannedNotification, plan } from './notify/plan.ts';
import { ActiveSilences, endSilence, outdatedSilences, type SilenceChange, setSilence } from './notify/silences.ts';
import { readTold, writeSilences, writeTold } from './notify/stored-told.ts';
import { NOT_SUPPRESSED, type Suppression } from './notify/suppression.ts';
import { groupId, type PlannedAlert, type ToldGroup } from './notify/told.ts';
import type { Notices } from './parts.ts';
import type { Receiver, RuleSet } from './rules/rule.ts';
import { alertOf } from './shown-alert.ts';
import type { AlertStates, StateChanges } from './state/alert-states.ts';
import type { AlertRecord, Now } from './state/record.ts';
import type { Connection } from './store/connection.ts';

/** Silences that are over for long are looked for so often. */
const PRUNE_EVERY_MS = 60_000;

export interface AlertNoticesOptions {
  readonly clock: Clock;
  readonly random: () => number;
  /** TIME_ZONE, or that of the machine. */
  readonly timeZone: string;
  /** Base of alerts' links. */
  readonly publicUrl: string;
  readonly makeSender: MakeSender;
  /** A transaction of its own, between those of the states. @returns whether it was committed */
  readonly writeNow: (work: (connection: Connection) => void) => boolean;
  readonly log: (level: 'info' | 'warn' | 'error', message: string) => void;
}

export class AlertNotices implements Notices {
  readonly #options: AlertNoticesOptions;
  readonly #queue: DeliveryQueue;
  readonly #deadLetters = new DeadLetters();
  readonly #active = new ActiveSilences();
  readonly #givenUpLog: GivenUpLog;
  #rules: NotifyRules | undefined;
  #receivers: readonly Receiver[] = [];
  #ruleNames: ReadonlySet<string> = new Set();
  /** As of the last plan; undefined: there was none. */
  #states: AlertStates | undefined;
  readonly #silences = new Map<string, Silence>();
  #silenceList: readonly Silence[] = [];
  #prunedUnixMs = Number.NEGATIVE_INFINITY;
  readonly #told = new Map<string, ToldGroup>();
  #suppressed: ReadonlyMap<string, Suppression> = new Map();
  #shown = new Set<string>();
  #dueUnixMs: number | undefined;
  #nextId = 1;
  /** Read before there were receivers. */
  #restored: readonly PlannedNotification[] = [];
  /** Planned, and in the queue once the transaction has ended, however it did. */
  #planned: PlannedNotification[] = [];
  // What the next transaction has to store.
  readonly #unsavedTold = new Set<string>();
  readonly #unsavedSilences = new Set<string>();
  readonly #unsaved = new Map<number, PlannedNotification>();
  readonly #delivered = new Set<number>();
  #isNextIdUnsaved = false;

  constructor(options: AlertNoticesOptions) {
    this.#options = options;
    const { clock, random, makeSender, log } = options;
    this.#givenUpLog = new GivenUpLog(clock, log);
    this.#queue = new DeliveryQueue({
      clock,
      random,
      makeSender,
      onSent: (ids) => this.#sent(ids),
      onGivenUp: (given) => this.#gaveUp(given),
    });
  }

  get silences(): readonly Silence[] {
    return this.#silenceList;
  }

  get maxQueued(): number {
    return QUEUE_LIMITS.notifications;
  }

  get deadLetters(): readonly DeadLetter[] {
    return this.#deadLetters.all;
  }

  get receivers(): readonly AlertReceiverStatus[] {
    return [...this.#queue.targets].map((target) => ({
      receiver: target.receiver,
      kind: target.target.kind,
      target: target.planned.index,
      sent: target.sent,
      failedAttempts: target.failedAttempts,
      queued: target.count,
      oldestQueuedUnixMs: target.oldestUnixMs(),
      deadLetters: this.#deadLetters.count(target.receiver, target.key),
      lastSentUnixMs: target.lastSentUnixMs,
      lastError: target.lastError,
    }));
  }

  /** Set while a receiver has failed for long, or has refused what is then lost: nobody is told by it. */
  get problem(): { readonly detail: string; readonly sinceUnixMs: number } | undefined {
    const nowMs = this.#options.clock.monotonicMs();
    const failing = [...this.#queue.targets].filter(
      ({ failingSinceMs, hasRefused }) =>
        failingSinceMs !== undefined && (hasRefused || nowMs - failingSinceMs >= FAULT_AFTER_MS),
    );
    if (failing.length === 0) return undefined;
    const detail = failing
      .map(({ receiver, target, lastError, count }) => {
        const waiting = count === 0 ? '' : `; ${count} ${count === 1 ? 'notification waits' : 'notifications wait'}`;
        return `receiver ${receiver} (${target.kind}) gets no notifications: ${lastError?.detail ?? 'it fails'}${waiting}`;
      })
      .join('; ');
    return { detail, sinceUnixMs: Math.min(...failing.map(({ failingSinceUnixMs }) => failingSinceUnixMs)) };
  }

  load(rules: RuleSet): void {
    this.#rules = notifyRulesOf(rules, this.#options.timeZone);
    this.#receivers = rules.receivers;
    this.#ruleNames = new Set(rules.rules.map(({ name }) => name));
    this.#queue.load(rules.receivers);
    this.#queue.add(this.#restored, true);
    this.#restored = [];
  }

  plan({ transitions }: StateChanges, states: AlertStates, now: Now): void {
    this.#states = states;
    if (this.#rules === undefined) return;
    this.#prune(now.unixMs);
    // Those that ended may be forgotten by now, if there are too many.
    const ended = new Map(transitions.filter(({ to }) => to === 'resolved').map(({ record }) => [record.id, record]));
    const made = plan(this.#rules, {
      alerts: plannedAlerts(states, ended),
      alertOf: (id) => this.#alertOf(states.get(id) ?? (ended.get(id) as AlertRecord)),
      endedOf: (id) => {
        const record = ended.get(id);
        return record && this.#alertOf(record);
      },
      silences: this.#silences,
      active: this.#active,
      told: this.#told,
      isWaiting: (receiver, targetKey, groupKey) => this.#queue.isWaiting(receiver, targetKey, groupKey),
      nowUnixMs: now.unixMs,
      nextId: this.#nextId,
    });
    for (const group of made.changed) this.#setTold(groupId(group), group);
    for (const id of made.removed) this.#setTold(id, undefined);
    for (const planned of made.planned) if (!planned.isResend) this.#unsaved.set(planned.notification.id, planned);
    this.#planned.push(...made.planned);
    this.#nextId += made.planned.length;
    if (made.planned.length > 0) this.#isNextIdUnsaved = true;
    this.#dueUnixMs = made.dueUnixMs;
    this.#show(made.suppressed);
  }

  dueInMs({ unixMs }: Now): number | undefined {
    return this.#dueUnixMs === undefined ? undefined : Math.max(0, this.#dueUnixMs - unixMs);
  }

  suppressionOf(id: string): Suppression {
    return this.#suppressed.get(id) ?? NOT_SUPPRESSED;
  }

  takeShown(): Iterable<string> {
    const shown = this.#shown;
    this.#shown = new Set();
    return shown;
  }

  read(connection: Connection): void {
    const { told, silences, unreadable } = readTold(connection);
    const queue = readQueue(connection);
    // What this thread knows already is newer: the file could be read only now.
    for (const [id, group] of told) if (!this.#told.has(id)) this.#told.set(id, group);
    for (const [id, silence] of silences) if (!this.#silences.has(id)) this.#silences.set(id, silence);
    this.#silenceList = [...this.#silences.values()];
    this.#deadLetters.restore(queue.deadLetters);
    this.#nextId = Math.max(this.#nextId, queue.nextId);
    if (this.#rules === undefined) this.#restored = queue.waiting;
    else this.#queue.add(queue.waiting, true);
    const lost = unreadable + queue.unreadable;
    if (lost > 0) {
      const what = 'silences, notifications and notes of what receivers were told';
      this.#options.log('error', `${lost} ${what} cannot be read from the file of alerts and are left out`);
    }
  }

  write(connection: Connection, isAll: boolean): void {
    const { told, silences } = { told: this.#told, silences: this.#silences };
    if (isAll) {
      addDeadLetters(connection, this.#deadLetters.all);
      addNotifications(connection, [...this.#restored, ...this.#queue.waiting()]);
    } else if (this.#deadLetters.unsaved.length > 0) addDeadLetters(connection, this.#deadLetters.unsaved);
    writeTold(connection, isAll ? told.keys() : this.#unsavedTold, told);
    writeSilences(connection, isAll ? silences.keys() : this.#unsavedSilences, silences);
    addNotifications(connection, this.#unsaved.values());
    removeNotifications(connection, this.#delivered);
    if (isAll || this.#isNextIdUnsaved) writeNextId(connection, this.#nextId);
  }

  written(isStored: boolean): void {
    if (isStored) {
      this.#unsavedTold.clear();
      this.#unsavedSilences.clear();
      this.#unsaved.clear();
      this.#delivered.clear();
      this.#isNextIdUnsaved = false;
      this.#deadLetters.saved();
    }
    const planned = this.#planned;
    this.#planned = [];
    if (planned.length > 0) this.#queue.add(planned);
  }

  change(command: AlertCommand, now: Now): AlertReply | undefined {
    switch (command.type) {
      case 'silence':
        return this.#changed(setSilence(this.#silences, command.silence, randomUUID(), now.unixMs), (silence) =>
          ['The silence is set.', ...this.#effectOf(silence)].join(' '),
        );
      case 'expire-silence':
        return this.#changed(
          endSilence(this.#silences, command.silenceId, now.unixMs),
          ({ id }) => `The silence ${id} has ended.`,
        );
      default:
        return undefined;
    }
  }

  trial(receiver: string, isFiringOnly: boolean): Promise<AlertReply> {
    const { clock, makeSender, publicUrl } = this.#options;
    return trialReply(this.#receivers, receiver, { clock, makeSender, externalUrl: publicUrl, isFiringOnly });
  }

  async stop(): Promise<void> {
    this.#givenUpLog.stop();
    await this.#queue.stop();
  }

  #alertOf(record: AlertRecord): Alert {
    return alertOf(record, NOT_SUPPRESSED, this.#options.publicUrl);
  }

  #setTold(id: string, group: ToldGroup | undefined): void {
    if (group === undefined) this.#told.delete(id);
    else this.#told.set(id, group);
    this.#unsavedTold.add(id);
  }

  #show(suppressed: ReadonlyMap<string, Suppression>): void {
    for (const [id, by] of suppressed) if (!isSame(by, this.suppressionOf(id))) this.#shown.add(id);
    for (const id of this.#suppressed.keys()) if (!suppressed.has(id)) this.#shown.add(id);
    this.#suppressed = suppressed;
  }

  /** What it matches now: a silence that matches nothing may be a typing error. */
  #effectOf({ matchers }: Silence): string[] {
    if (this.#states === undefined) return [];
    const matches = labelTest(matchers);
    let count = 0;
    for (const { core, labels } of this.#states.all()) if (core.state !== 'resolved' && matches(labels)) count++;
    const unknown = matchers
      .filter(({ name, isRegex, isEqual, value }) => {
        return name === 'alertname' && isEqual && !isRegex && !this.#ruleNames.has(value);
      })
      .map(({ value }) => `There is no rule ${JSON.stringify(value)}.`);
    const what = count === 0 ? 'no alert' : count === 1 ? '1 alert' : `${count} alerts`;
    return [`It matches ${what} now.`, ...unknown];
  }

  #changed(change: SilenceChange, message: (silence: Silence) => string): AlertReply {
    if (!change.ok) return { ok: false, code: change.code, message: change.message };
    for (const silence of change.changed) this.#setSilence(silence.id, silence);
    // Who kept whom from being told must be found later, also when the silence itself is forgotten.
    this.#options.log('info', silenceNote(change.silence, this.#options.clock.wallMs()));
    return { ok: true, message: message(change.silence), silenceId: change.silence.id };
  }

  #setSilence(id: string, silence: Silence | undefined): void {
    if (silence === undefined) this.#silences.delete(id);
    else this.#silences.set(id, silence);
    this.#unsavedSilences.add(id);
    this.#silenceList = [...this.#silences.values()];
  }

  #prune(nowUnixMs: number): void {
    if (Math.abs(nowUnixMs - this.#prunedUnixMs) < PRUNE_EVERY_MS) return;
    this.#prunedUnixMs = nowUnixMs;
    for (const id of outdatedSilences(this.#silences, nowUnixMs)) this.#setSilence(id, undefined);
  }

  /** Off the disk at once, so that a master that is killed sends again only what is under way. */
  #sent(ids: readonly number[]): void {
    for (const id of ids) this.#off(id);
    if (this.#delivered.size === 0) return;
    const isStored = this.#options.writeNow((connection) => removeNotifications(connection, this.#delivered));
    if (isStored) this.#delivered.clear();
  }

  /** The next transaction stores it: until then, a master that is killed tries it again. */
  #gaveUp(given: GivenUp): void {
    const { notification, lost } = given;
    const { clock } = this.#options;
    const letter = deadLetterOf(given, clock.wallMs());
    this.#deadLetters.add(letter);
    this.#off(notification.id);
    const group = withoutGivenUp(this.#told, notification, lost, clock.wallMs());
    if (group !== undefined) this.#setTold(groupId(group), group);
    this.#givenUpLog.add(letter);
  }

  #off(id: number): void {
    if (!this.#unsaved.delete(id)) this.#delivered.add(id);
  }
}

function* plannedAlerts(states: AlertStates, ended: ReadonlyMap<string, AlertRecord>): Iterable<PlannedAlert> {
  for (const record of states.all()) yield plannedAlert(record);
  for (const record of ended.values()) if (states.get(record.id) === undefined) yield plannedAlert(record);
}

function plannedAlert({ id, labels, core, firingSinceUnixMs }: AlertRecord): PlannedAlert {
  return { id, labels, state: core.state, firingSinceUnixMs, isFlapping: core.isFlapping };
}

/** Long enough for some matchers and a sentence. */
const MAX_NOTE_LENGTH = 500;

function silenceNote(
  { id, matchers, startsUnixMs, endsUnixMs, createdBy, comment }: Silence,
  nowUnixMs: number,
): string {
  if (endsUnixMs <= nowUnixMs) return `silence ${id} has ended`;
  const [from, to] = [startsUnixMs, endsUnixMs].map((ms) => new Date(ms).toISOString());
  const what = matchers.map(formatMatcher).join(', ');
  const note = `silence ${id} is set for ${what} from ${from} to ${to} by ${JSON.stringify(createdBy)}: ${JSON.stringify(comment)}`;
  return note.length > MAX_NOTE_LENGTH ? `${note.slice(0, MAX_NOTE_LENGTH - 1)}…` : note;
}

function isSame(a: Suppression, b: Suppression): boolean {
  const key = ({ silencedBy, inhibitedBy, mutedBy }: Suppression) => JSON.stringify([silencedBy, inhibitedBy, mutedBy]);
  return key(a) === key(b);
}
