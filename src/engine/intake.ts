/**
 * Takes heartbeats. In this order, since a heartbeat that is refused for want of memory must still count as heard; one that
 * comes too often does not, and need not: those before it do.
 *
 *     admission ──► rate ──► liveness: heard, instance, sequence ──► receipt on the board ──► memory ──► mailbox ──► lane
 *
 * Nothing here waits, and nothing decodes: what is known of a heartbeat is its head. What becomes of it afterwards is
 * followed by delivery-watch.ts.
 */
import type { Clock } from '../lib/clock.ts';
import { PulselaneError } from '../lib/errors.ts';
import { afterArrival, heartbeatsText, type RateLimit, rateLimit } from '../model/heartbeat-rate.ts';
import type { HeartbeatHead } from '../model/heartbeat-scan.ts';
import { replacementReason } from '../model/lanes.ts';
import type { BoardWriter } from '../store/board.ts';
import type { DeliveryWatch } from './delivery-watch.ts';
import type { Liveness } from './liveness/liveness.ts';
import type { Via } from './liveness/worker-liveness.ts';
import type { Refusals } from './refusals.ts';
import type { RunPhase } from './run-phase.ts';
import type { UpdateWatcher } from './update-watcher.ts';
import type { Admission } from './workers/admission.ts';
import { ALWAYS_TAKEN_BYTES, type RecordMemory } from './workers/record-memory.ts';
import type { RosterEntry } from './workers/roster.ts';

export interface IntakeOptions {
  /** Heartbeats of one worker; 0: no limit. */
  readonly maxWorkerHeartbeatsPerS: number;
  readonly phase: RunPhase;
  readonly admission: Admission;
  readonly board: BoardWriter;
  readonly liveness: Liveness;
  readonly records: RecordMemory;
  readonly deliveries: DeliveryWatch;
  readonly updates: UpdateWatcher;
  readonly refusals: Refusals;
  readonly clock: Clock;
}

const MIB = 1024 ** 2;
/** A worker that sends too often is quiet for a second, in which its burst may begin anew. */
const RATE_RETRY_AFTER_MS = 1000;

export class Intake {
  readonly #phase: RunPhase;
  readonly #admission: Admission;
  readonly #board: BoardWriter;
  readonly #liveness: Liveness;
  readonly #records: RecordMemory;
  readonly #deliveries: DeliveryWatch;
  readonly #updates: UpdateWatcher;
  readonly #refusals: Refusals;
  readonly #clock: Clock;
  /** Of each worker; undefined: none. */
  readonly #rateLimit: RateLimit | undefined;
  /** Both made once: a worker that floods must not cost an error for each heartbeat. */
  readonly #tooOften: PulselaneError;
  readonly #noMemory: PulselaneError;

  constructor(options: IntakeOptions) {
    const { maxWorkerHeartbeatsPerS, records } = options;
    this.#phase = options.phase;
    this.#admission = options.admission;
    this.#board = options.board;
    this.#liveness = options.liveness;
    this.#records = records;
    this.#deliveries = options.deliveries;
    this.#updates = options.updates;
    this.#refusals = options.refusals;
    this.#clock = options.clock;
    this.#rateLimit = rateLimit(maxWorkerHeartbeatsPerS);
    this.#tooOften = new PulselaneError(
      'rate_limited',
      `the worker sends more than ${heartbeatsText(maxWorkerHeartbeatsPerS)} a second (MAX_HEARTBEAT_RATE)`,
      { retryAfterMs: RATE_RETRY_AFTER_MS },
    );
    this.#noMemory = new PulselaneError(
      'resource_exhausted',
      `the memory for records and heartbeats on their way (RECORD_MEMORY, ${Math.round(records.budgetBytes / MIB)} MiB) is ` +
        'nearly used up: a heartbeat of this size counts as a sign of life alone, smaller ones are taken',
    );
  }

  /**
   * A worker that is not known is let in if it may be.
   * @param bytes are kept until the worker's lane is done with them, and must not change
   * @param head of these bytes
   * @param via the stream by which they came; undefined: a call of its own
   * @throws PulselaneError `unavailable` unless the engine runs; `not_admitted`; `failed_precondition` if a later instance of
   * the worker has spoken; `rate_limited`; `resource_exhausted` if there is no room for the worker, or no memory for it
   */
  accept(bytes: Buffer, head: HeartbeatHead, via?: Via): void {
    this.#phase.mustRun();
    const entry = this.#admission.admitted(head.workerId);
    const receipt = { monotonicMs: this.#clock.monotonicMs(), wallMs: this.#clock.wallMs() };
    if (this.#rateLimit !== undefined) this.#limitRate(entry, receipt.monotonicMs, this.#rateLimit);
    const arrival = this.#liveness.received(entry, head, receipt, via);
    this.#board.accepted(entry.row, receipt);
    if (arrival === 'late' || arrival === 'duplicate') {
      this.#board.countReplaced(entry.row, arrival);
      return;
    }
    if (bytes.length > ALWAYS_TAKEN_BYTES) this.#checkMemory(entry, bytes.length);
    this.#updates.expect(entry);
    // The lane may have done them all since anybody looked. Bytes that are let go of while they are young cost nothing
    // to collect: waiting until the mailbox is full takes longer.
    if (!entry.mailbox.isEmpty) this.#deliveries.settle(entry);
    this.#deliveries.expect(entry);
    const { post, replaced } = entry.mailbox.accept(bytes, receipt);
    if (post !== undefined) entry.lane?.post(entry, post);
    else if (entry.lane?.state === 'ready') this.#deliveries.awaitRoom(entry);
    if (replaced) this.#board.countReplaced(entry.row, replacementReason(entry.lane?.state));
    if (!entry.liveness.hasRecord) this.#deliveries.awaitRecord(entry);
  }

  #limitRate(entry: RosterEntry, nowMs: number, limit: RateLimit): void {
    const dueMs = afterArrival(entry.heartbeatDueMs, nowMs, limit);
    if (dueMs !== undefined) {
      entry.heartbeatDueMs = dueMs;
      return;
    }
    this.#refusals.count('worker_heartbeat_rate');
    throw this.#tooOften;
  }

  /** @throws PulselaneError if there is no memory for a heartbeat of that size: it was heard, and is nothing else */
  #checkMemory(entry: RosterEntry, bytes: number): void {
    const { slot, mailbox, row } = entry;
    if (!mailbox.isEmpty) this.#deliveries.settle(entry);
    if (this.#records.mayTake({ bytes, room: slot.capacityBytes, isFirst: mailbox.isEmpty })) return;
    this.#board.countReplaced(row, 'memory');
    this.#refusals.count('record_memory');
    throw this.#noMemory;
  }
}
