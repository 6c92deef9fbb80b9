/** One target of a receiver: what waits for it, in order by group, and how it does. */
import type { AlertReceiverStatus } from '../../model/alerts-status.ts';
import type { PlannedTarget } from '../notify/notify-rules.ts';
import type { ReceiverTarget } from '../rules/rule.ts';
import { UNDER_WAY_PER_TARGET } from './delivery-limits.ts';
import type { SenderUse } from './sender-use.ts';

/** A notification that waits. */
export interface Entry {
  readonly id: number;
  readonly groupKey: string;
  /** The notification, as JSON. */
  json: string;
  readonly createdUnixMs: number;
  /** Ids of the alerts that were not told before. */
  fresh: readonly string[];
  /** Kept on disk until it is delivered; false: another one follows soon anyway. */
  readonly isDurable: boolean;
  /** That failed. */
  attempts: number;
  /** It was sent before a restart, perhaps: then nobody knows whether it arrived. */
  readonly isRestored: boolean;
}

/** What waits for a target of one group: the first is under way or is next. */
export interface Lane {
  readonly groupKey: string;
  readonly entries: Entry[];
  /** By the monotonic clock. */
  dueMs: number;
  isUnderWay: boolean;
}

export class TargetState {
  readonly receiver: string;
  readonly key: string;
  planned: PlannedTarget;
  target: ReceiverTarget;
  use: SenderUse;
  /** By group; those that were served last come last. */
  readonly lanes = new Map<string, Lane>();
  underWay = 0;
  count = 0;
  size = 0;
  /** Attempts that failed since the last that did not. */
  failures = 0;
  /** By the monotonic clock: nothing is sent before. */
  notBeforeMs = 0;
  /** By the monotonic clock; undefined: the last attempt succeeded. */
  failingSinceMs: number | undefined;
  failingSinceUnixMs = 0;
  /** Since then it has refused a notification, which is lost. */
  hasRefused = false;
  sent = 0;
  failedAttempts = 0;
  lastSentUnixMs: number | null = null;
  lastError: AlertReceiverStatus['lastError'] = null;

  constructor(receiver: string, planned: PlannedTarget, target: ReceiverTarget, use: SenderUse) {
    this.receiver = receiver;
    this.key = planned.key;
    this.planned = planned;
    this.target = target;
    this.use = use;
  }

  add(entry: Entry): void {
    const lane = this.lanes.get(entry.groupKey) ?? {
      groupKey: entry.groupKey,
      entries: [],
      dueMs: 0,
      isUnderWay: false,
    };
    this.lanes.set(entry.groupKey, lane);
    lane.entries.push(entry);
    this.count++;
    this.size += entry.json.length;
  }

  /** @returns whether it was still there */
  remove(entry: Entry): boolean {
    const lane = this.lanes.get(entry.groupKey);
    const at = lane?.entries.indexOf(entry) ?? -1;
    if (lane === undefined || at === -1) return false;
    lane.entries.splice(at, 1);
    this.count--;
    this.size -= entry.json.length;
    if (lane.entries.length === 0 && !lane.isUnderWay) this.lanes.delete(entry.groupKey);
    return true;
  }

  rewrite(entry: Entry, json: string): void {
    this.size += json.length - entry.json.length;
    entry.json = json;
  }

  /** The next one to send; undefined: none may be sent now. */
  next(nowMs: number): Lane | undefined {
    const most = this.failures > 0 ? 1 : UNDER_WAY_PER_TARGET;
    if (this.underWay >= most || this.notBeforeMs > nowMs) return undefined;
    for (const lane of this.lanes.values()) if (!lane.isUnderWay && lane.dueMs <= nowMs) return lane;
    return undefined;
  }

  /** When the next one may be sent that only time holds up; undefined: none. */
  dueMs(): number | undefined {
    let due: number | undefined;
    for (const lane of this.lanes.values()) {
      if (!lane.isUnderWay && (due === undefined || lane.dueMs < due)) due = lane.dueMs;
    }
    return due === undefined ? undefined : Math.max(due, this.notBeforeMs);
  }

  /** The oldest that is not under way. */
  oldest(): Entry | undefined {
    let oldest: Entry | undefined;
    for (const { entries, isUnderWay } of this.lanes.values()) {
      const entry = entries[isUnderWay ? 1 : 0];
      if (entry !== undefined && (oldest === undefined || entry.id < oldest.id)) oldest = entry;
    }
    return oldest;
  }

  oldestUnixMs(): number | null {
    let oldest: Entry | undefined;
    for (const { entries } of this.lanes.values()) {
      const [entry] = entries;
      if (entry !== undefined && (oldest === undefined || entry.id < oldest.id)) oldest = entry;
    }
    return oldest?.createdUnixMs ?? null;
  }
}
