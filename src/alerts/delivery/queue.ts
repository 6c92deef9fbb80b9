/**
 * The queue of notifications: sends each at least once, in order per group and target, and never waits for one target to serve
 * another.
 *
 *     plan ─► transaction ─► add ─► lanes of its target ─► sent: off the disk, at once
 *                                     ▲        │
 *                                     └ retry ─┴─► given up: a dead letter, with the next transaction
 *
 * Everything that waits is in memory, and on disk for a master that is killed: what was under way then is sent again with the same
 * `dedupKey`. A disk that cannot be written keeps nobody from being told.
 */
import { isDeepStrictEqual } from 'node:util';
import { type Clock, endsWithin, type Timer } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import type { GivenUpBecause } from '../../model/dead-letter.ts';
import type { Lost } from '../notify/given-up.ts';
import { type PlannedTarget, plannedTargets } from '../notify/notify-rules.ts';
import type { PlannedNotification } from '../notify/plan.ts';
import type { Receiver, ReceiverTarget } from '../rules/rule.ts';
import { backoffMs } from './backoff.ts';
import type { GivenUp } from './dead-letter.ts';
import {
  ABORT_WITHIN_MS,
  FIRST_BACKOFF_MS,
  LEAST_ATTEMPTS,
  MAX_AGE_MS,
  MAX_ASKED_WAIT_MS,
  MAX_ATTEMPTS,
  MAX_BACKOFF_MS,
  MAX_LOOKED_BACK,
  MAX_TARGET_BACKOFF_MS,
  MAX_UNDER_WAY,
  QUEUE_LIMITS,
  type QueueLimits,
  SEND_WITHIN_MS,
  STOP_WITHIN_MS,
} from './delivery-limits.ts';
import { inTurn, type MakeSender, type Notification, type Sender, type SendOutcome } from './notification.ts';
import { withoutOvertaken } from './overtaken.ts';
import { SenderUse } from './sender-use.ts';
import { type Entry, type Lane, TargetState } from './target-state.ts';

/** Of a target that is gone, nobody asks any more. */
const NOTHING_LOST: Lost = { fresh: [], again: [], ended: [] };

const GONE = 'the rules no longer have it';

export interface QueueOptions {
  readonly clock: Clock;
  /** From 0 to 1. */
  readonly random: () => number;
  readonly makeSender: MakeSender;
  /** A notification was delivered: it is to be taken off the disk, together with others of the same turn. */
  readonly onSent: (ids: readonly number[]) => void;
  /** A notification was given up. */
  readonly onGivenUp: (given: GivenUp) => void;
  readonly limits?: QueueLimits;
}

export class DeliveryQueue {
  readonly #options: QueueOptions;
  readonly #limits: QueueLimits;
  readonly #targets = new Map<string, TargetState>();
  #underWay = 0;
  #sent: number[] = [];
  #timer: Timer | undefined;
  #isPumping = false;
  readonly #aborts = new Set<AbortController>();
  /** Nothing is sent any more. */
  #isStopped = false;
  /** What ends now was cut off. */
  #isAbandoned = false;
  #onIdle: (() => void) | undefined;

  constructor(options: QueueOptions) {
    this.#options = options;
    this.#limits = options.limits ?? QUEUE_LIMITS;
  }

  get targets(): Iterable<TargetState> {
    return this.#targets.values();
  }

  /** From now on these receivers. What waits for one that is gone is given up. */
  load(receivers: readonly Receiver[]): void {
    const gone = new Map(this.#targets);
    for (const receiver of receivers) {
      for (const planned of plannedTargets(receiver)) {
        const target = receiver.targets[planned.index] as ReceiverTarget;
        const id = targetId(receiver.name, planned.key);
        gone.delete(id);
        this.#loadTarget(id, receiver.name, planned, target);
      }
    }
    for (const [id, target] of gone) {
      this.#targets.delete(id);
      for (const { entries, isUnderWay } of [...target.lanes.values()]) {
        // Of one that is under way, the outcome is awaited.
        for (const entry of entries.slice(isUnderWay ? 1 : 0)) this.#giveUp(target, entry, 'receiver_gone', GONE);
      }
      target.use.retire();
    }
    this.#pump();
  }

  #loadTarget(id: string, receiver: string, planned: PlannedTarget, target: ReceiverTarget): void {
    const known = this.#targets.get(id);
    if (known === undefined) {
      const use = new SenderUse(this.#options.makeSender(target));
      this.#targets.set(id, new TargetState(receiver, planned, target, use));
      return;
    }
    known.planned = planned;
    if (isDeepStrictEqual(known.target, target)) return;
    // What waits goes on with the new settings, at once; what is under way ends with the old ones.
    known.use.retire();
    known.use = new SenderUse(this.#options.makeSender(target));
    known.target = target;
    known.notBeforeMs = 0;
    for (const lane of known.lanes.values()) lane.dueMs = 0;
  }

  /**
   * In the order of their ids.
   * @param isRestored they were stored by an earlier master or thread
   */
  add(planned: Iterable<PlannedNotification>, isRestored = false): void {
    const touched = new Set<TargetState>();
    for (const { notification, targetKey, fresh, isResend } of planned) {
      const { id, receiver, groupKey, createdUnixMs } = notification;
      const target = this.#targets.get(targetId(receiver, targetKey));
      if (target === undefined) {
        this.#options.onGivenUp({
          notification,
          targetKey,
          because: 'receiver_gone',
          detail: GONE,
          attempts: 0,
          lost: NOTHING_LOST,
        });
        continue;
      }
      const json = JSON.stringify(notification);
      const entry = { id, groupKey, json, createdUnixMs, fresh, isDurable: !isResend, attempts: 0, isRestored };
      target.add(entry);
      this.#dropOvertaken(target, entry);
      touched.add(target);
    }
    for (const target of touched) this.#makeRoom(target);
    this.#pump();
  }

  /** What is to be kept on disk, as it is now, in the order of its ids. */
  waiting(): PlannedNotification[] {
    return [...this.#targets.values()]
      .flatMap((target) =>
        [...target.lanes.values()].flatMap(({ entries }) => entries.map((entry) => ({ target, entry }))),
      )
      .filter(({ entry }) => entry.isDurable)
      .sort((a, b) => a.entry.id - b.entry.id)
      .map(({ target, entry: { json, fresh } }) => {
        return { notification: JSON.parse(json) as Notification, targetKey: target.key, fresh, isResend: false };
      });
  }

  /** Whether something of the group has not reached the target. */
  isWaiting(receiver: string, targetKey: string, groupKey: string): boolean {
    return this.#targets.get(targetId(receiver, targetKey))?.lanes.has(groupKey) === true;
  }

  /** Sends nothing more. What is under way may end, for a moment; then it counts as not sent. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    const ended = Promise.withResolvers<void>();
    this.#onIdle = ended.resolve;
    if (this.#underWay === 0) ended.resolve();
    await endsWithin(this.#options.clock, STOP_WITHIN_MS, ended.promise);
    this.#isAbandoned = true;
    for (const abort of this.#aborts) abort.abort();
    await Promise.allSettled([...this.#targets.values()].map(({ use }) => use.sender.close()));
  }

  /** The receiver was away meanwhile: nobody is woken for what is over by now. What is on disk is left as it is, unless it is empty now. */
  #dropOvertaken(target: TargetState, last: Entry): void {
    const lane = target.lanes.get(last.groupKey);
    if (lane === undefined) return;
    const waiting = lane.entries.slice(lane.isUnderWay ? 1 : 0, lane.entries.indexOf(last)).slice(-MAX_LOOKED_BACK);
    if (!waiting.some(({ fresh }) => fresh.length > 0)) return;
    const entries = [...waiting, last];
    const before = entries.map(({ json, fresh, attempts, isRestored }) => {
      return { notification: JSON.parse(json) as Notification, fresh, mayHaveArrived: attempts > 0 || isRestored };
    });
    for (const [i, { notification, fresh }] of withoutOvertaken(before).entries()) {
      const entry = entries[i] as Entry;
      if (notification === before[i]?.notification) continue;
      entry.fresh = fresh;
      if (notification.alerts.length > 0) target.rewrite(entry, JSON.stringify(notification));
      else if (target.remove(entry)) this.#tookOff(entry);
    }
  }

  #makeRoom(target: TargetState): void {
    const { perTarget, notifications, size } = this.#limits;
    while (target.count > perTarget.notifications || target.size > perTarget.size) {
      if (!this.#dropOldest(target)) return;
    }
    const all = [...this.#targets.values()];
    for (;;) {
      const sum = all.reduce((so, one) => ({ count: so.count + one.count, size: so.size + one.size }), {
        count: 0,
        size: 0,
      });
      if (sum.count <= notifications && sum.size <= size) return;
      const most = all.reduce((a, b) => (b.size > a.size ? b : a));
      if (!this.#dropOldest(most)) return;
    }
  }

  #dropOldest(target: TargetState): boolean {
    const entry = target.oldest();
    if (entry === undefined) return false;
    const cause = target.lastError === null ? '' : `: ${target.lastError.detail}`;
    this.#giveUp(target, entry, 'queue_full', `too much waits for the receiver${cause}`);
    return true;
  }

  #pump(): void {
    // A sender may end at once, and so call this again.
    if (this.#isPumping || this.#isStopped) return;
    this.#isPumping = true;
    const nowMs = this.#options.clock.monotonicMs();
    for (let isBusy = true; isBusy; ) {
      isBusy = false;
      // One of each target in turn.
      for (const target of this.#targets.values()) {
        if (this.#underWay >= MAX_UNDER_WAY && target.underWay > 0) continue;
        const lane = target.next(nowMs);
        if (lane === undefined) continue;
        isBusy = true;
        void this.#send(target, lane);
      }
    }
    this.#isPumping = false;
    this.#schedule(nowMs);
  }

  #schedule(nowMs: number): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    let due: number | undefined;
    for (const target of this.#targets.values()) {
      const dueMs = target.dueMs();
      // What is due and not sent waits for one that is under way to end.
      if (dueMs !== undefined && dueMs > nowMs && (due === undefined || dueMs < due)) due = dueMs;
    }
    if (due !== undefined) this.#timer = this.#options.clock.after(due - nowMs, () => this.#pump());
  }

  async #send(target: TargetState, lane: Lane): Promise<void> {
    const entry = lane.entries[0] as Entry;
    lane.isUnderWay = true;
    target.underWay++;
    this.#underWay++;
    const notification = { ...(JSON.parse(entry.json) as Notification), target: target.planned.index };
    const outcome = await target.use.during((sender) =>
      inTurn(sender, async () => (this.#isStopped ? undefined : this.#outcome(sender, notification))),
    );
    this.#underWay--;
    if (this.#isAbandoned) return;
    if (outcome !== undefined) {
      this.#ended(target, entry, outcome);
      this.#pump();
    }
    if (this.#underWay === 0) this.#onIdle?.();
  }

  async #outcome(sender: Sender, notification: Notification): Promise<SendOutcome> {
    const { clock } = this.#options;
    const abort = new AbortController();
    this.#aborts.add(abort);
    const late = Promise.withResolvers<SendOutcome>();
    const tooLate = { outcome: 'retry', detail: `no result within ${SEND_WITHIN_MS / 1000} s` } as const;
    let timer = clock.after(SEND_WITHIN_MS, () => {
      abort.abort();
      timer = clock.after(ABORT_WITHIN_MS, () => late.resolve(tooLate));
    });
    try {
      return await Promise.race([sender.send(notification, abort.signal), late.promise]);
    } catch (error) {
      return { outcome: 'retry', detail: messageOf(error) };
    } finally {
      timer.cancel();
      this.#aborts.delete(abort);
    }
  }

  #ended(target: TargetState, entry: Entry, outcome: SendOutcome): void {
    const { clock, random } = this.#options;
    target.underWay--;
    const nowMs = clock.monotonicMs();
    const lane = target.lanes.get(entry.groupKey);
    if (lane !== undefined) {
      lane.isUnderWay = false;
      // To the end: others of the target come first.
      target.lanes.delete(entry.groupKey);
      if (lane.entries.length > 0) target.lanes.set(entry.groupKey, lane);
    }
    if (outcome.outcome === 'sent') {
      target.sent++;
      target.lastSentUnixMs = clock.wallMs();
      target.failures = 0;
      target.failingSinceMs = undefined;
      target.hasRefused = false;
      target.notBeforeMs = 0;
      if (lane !== undefined) lane.dueMs = 0;
      target.remove(entry);
      this.#tookOff(entry);
      return;
    }
    entry.attempts++;
    target.failedAttempts++;
    target.lastError = { atUnixMs: clock.wallMs(), detail: outcome.detail };
    if (target.failingSinceMs === undefined) {
      target.failingSinceMs = nowMs;
      target.failingSinceUnixMs = clock.wallMs();
    }
    if (outcome.outcome === 'refused') {
      target.hasRefused = true;
      this.#giveUp(target, entry, 'refused', outcome.detail);
      return;
    }
    if (this.#targets.get(targetId(target.receiver, target.key)) !== target) {
      this.#giveUp(target, entry, 'receiver_gone', `${GONE}; ${outcome.detail}`);
      return;
    }
    target.failures++;
    // A receiver may ask for a longer wait, not for a shorter one.
    const askedMs = Math.min(outcome.afterMs ?? 0, MAX_ASKED_WAIT_MS);
    const targetWaitMs = backoffMs(target.failures, FIRST_BACKOFF_MS / 2, MAX_TARGET_BACKOFF_MS, random());
    target.notBeforeMs = nowMs + Math.max(askedMs, targetWaitMs);
    if (lane !== undefined) {
      const laneWaitMs = backoffMs(entry.attempts, FIRST_BACKOFF_MS, MAX_BACKOFF_MS, random());
      lane.dueMs = nowMs + Math.max(askedMs, laneWaitMs);
    }
    // What came while it was under way may have ended it.
    for (const later of lane?.entries.slice(1, MAX_LOOKED_BACK) ?? []) this.#dropOvertaken(target, later);
    const ageMs = clock.wallMs() - entry.createdUnixMs;
    if (entry.attempts >= MAX_ATTEMPTS) this.#giveUp(target, entry, 'attempts', outcome.detail);
    else if (ageMs > MAX_AGE_MS && entry.attempts >= LEAST_ATTEMPTS)
      this.#giveUp(target, entry, 'too_old', outcome.detail);
  }

  #giveUp(target: TargetState, entry: Entry, because: GivenUpBecause, detail: string): void {
    const { fresh, attempts, groupKey } = entry;
    const lane = target.lanes.get(groupKey)?.entries ?? [];
    const later = lane.slice(lane.indexOf(entry) + 1);
    target.remove(entry);
    const notification = JSON.parse(entry.json) as Notification;
    const lost = entry.isDurable ? lostOf(notification, fresh, later) : NOTHING_LOST;
    this.#options.onGivenUp({ notification, targetKey: target.key, because, detail, attempts, lost });
    this.#withholdEnds(target, fresh, later);
  }

  /** Nobody was told that these alerts fire, so nobody is told of their end, and an incident does not stay open for them. */
  #withholdEnds(target: TargetState, ids: readonly string[], later: readonly Entry[]): void {
    const unknown = new Set(ids);
    const open = new Set(ids);
    for (const entry of unknown.size === 0 ? [] : later) {
      const notification = JSON.parse(entry.json) as Notification;
      const firing = notification.alerts.flatMap(({ id, state }) => (state === 'firing' ? id : []));
      for (const id of [...entry.fresh, ...firing]) {
        unknown.delete(id);
        open.delete(id);
      }
      if (unknown.size === 0) return;
      for (const { id, state } of notification.alerts) if (state === 'resolved') open.delete(id);
      const alerts = notification.alerts.filter(({ id, state }) => state === 'firing' || !unknown.has(id));
      // Those that were only counted, and ended since, are not known by name: then an incident is closed a bit early, at worst.
      const openAlerts = Math.max(0, notification.openAlerts - open.size);
      if (alerts.length > 0) target.rewrite(entry, JSON.stringify({ ...notification, alerts, openAlerts }));
      else if (target.remove(entry)) this.#tookOff(entry);
    }
  }

  /** Several often end in the same turn: one transaction takes them off the disk. */
  #tookOff({ id, isDurable }: Entry): void {
    if (!isDurable) return;
    if (this.#sent.push(id) > 1) return;
    queueMicrotask(() => {
      const sent = this.#sent;
      this.#sent = [];
      this.#options.onSent(sent);
    });
  }
}

/** What the notification told, without what waits after it and tells it as well. */
function lostOf({ alerts }: Notification, fresh: readonly string[], later: readonly Entry[]): Lost {
  const told = later.map(({ json }) => (JSON.parse(json) as Notification).alerts);
  const firingLater = new Set(told.flat().flatMap(({ id, state }) => (state === 'firing' ? id : [])));
  const namedLater = new Set(told.flat().map(({ id }) => id));
  for (const { fresh } of later) for (const id of fresh) firingLater.add(id).add(id);
  const isFirst = new Set(fresh);
  return {
    fresh: fresh.filter((id) => !firingLater.has(id)),
    again: alerts.flatMap(({ id, state }) => (state === 'firing' && !isFirst.has(id) && !namedLater.has(id) ? id : [])),
    ended: alerts.filter(({ id, state }) => state === 'resolved' && !namedLater.has(id) && !firingLater.has(id)),
  };
}

function targetId(receiver: string, targetKey: string): string {
  return JSON.stringify([receiver, targetKey]);
}
