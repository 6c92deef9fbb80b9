/**
 * Calls the embedding program when records change: in order per worker, with the latest record. Records replaced
 * between two looks are merged and counted. Costs nothing unless a callback is set.
 */
import type { Clock, Timer } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';
import type { Logger } from '../lib/logging.ts';
import type { WorkerTelemetry } from '../model/telemetry.ts';
import type { RosterEntry } from './workers/roster.ts';

export type UpdateCallback = (telemetry: WorkerTelemetry) => void;

export interface UpdateWatcherOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetryOf: (entry: RosterEntry) => WorkerTelemetry;
  /** Removes from the worker's mailbox what its lane has processed. */
  readonly settle: (entry: RosterEntry) => void;
}

/** Interval between checks for changed records: too short for a person to notice, long enough to cost nothing. */
const LOOK_EVERY_MS = 10;

export class UpdateWatcher {
  readonly #options: UpdateWatcherOptions;
  readonly #awaited = new Map<RosterEntry, number>();
  #callback: UpdateCallback | undefined;
  #timer: Timer | undefined;
  #merged = 0;
  #callbackErrors = 0;

  constructor(options: UpdateWatcherOptions) {
    this.#options = options;
  }

  /** Number of records that were never delivered because a newer one replaced them. */
  get merged(): number {
    return this.#merged;
  }

  get callbackErrors(): number {
    return this.#callbackErrors;
  }

  set(callback: UpdateCallback | undefined): void {
    this.#callback = callback;
    if (callback === undefined) this.stop();
  }

  /** Called when a heartbeat of the worker was accepted, so that its record is about to change. */
  expect(entry: RosterEntry): void {
    if (this.#callback === undefined) return;
    if (!this.#awaited.has(entry)) this.#awaited.set(entry, entry.slot.counts().applied);
    this.#timer ??= this.#options.clock.every(LOOK_EVERY_MS, () => this.look());
  }

  /** Called when the worker is removed. */
  forget(entry: RosterEntry): void {
    this.#awaited.delete(entry);
  }

  /** Delivers what has changed since the last look. */
  look(): void {
    for (const [entry, seen] of this.#awaited) {
      // Settle before reading what was applied: in the other order, the last record could be missed.
      this.#options.settle(entry);
      const isDone = entry.mailbox.isEmpty;
      const { applied } = entry.slot.counts();
      if (applied !== seen) {
        this.#merged += applied - seen - 1;
        this.#hand(entry);
      }
      // The callback may have removed the worker or itself.
      if (!this.#awaited.has(entry)) continue;
      if (isDone) this.#awaited.delete(entry);
      else this.#awaited.set(entry, applied);
    }
    if (this.#awaited.size === 0) this.stop();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#awaited.clear();
  }

  #hand(entry: RosterEntry): void {
    try {
      this.#callback?.(this.#options.telemetryOf(entry));
    } catch (error) {
      this.#callbackErrors++;
      this.#options.logger.error({ worker: entry.workerId, err: messageOf(error) }, 'the update callback threw');
    }
  }
}
