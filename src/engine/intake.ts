/**
 * Accepts heartbeats, in the order below. A heartbeat that is refused for lack of memory still counts as a sign of
 * life. One refused by the rate limit does not, and need not, since earlier ones did.
 *
 *     admission ──► rate ──► liveness: instance, sequence ──► receipt on the board ──► memory ──► mailbox ──► lane
 *
 * Nothing here blocks or decodes the heartbeat; only its head has been parsed. delivery-watch.ts follows it from here.
 */
import type { Clock } from '../lib/clock.ts';
import { PulselaneError } from '../lib/errors.ts';
import { afterArrival, heartbeatsText, type RateLimit, rateLimit } from '../model/heartbeat-rate.ts';
import type { HeartbeatHead } from '../model/heartbeat-scan.ts';
import { replacementReason } from '../model/lanes.ts';
import { SampleFlag } from '../model/sample-flags.ts';
import type { Transport } from '../model/transports.ts';
import type { BoardWriter } from '../store/board.ts';
import type { DeliveryWatch } from './delivery-watch.ts';
import type { Liveness } from './liveness/liveness.ts';
import type { Via } from './liveness/worker-liveness.ts';
import type { Refusals } from './refusals.ts';
import { RejectedOnArrival } from './rejected-on-arrival.ts';
import type { RunPhase } from './run-phase.ts';
import { forgetReplaced } from './untold-rejections.ts';
import type { UpdateWatcher } from './update-watcher.ts';
import type { Admission } from './workers/admission.ts';
import { ALWAYS_TAKEN_BYTES, type RecordMemory } from './workers/record-memory.ts';
import type { RosterEntry } from './workers/roster.ts';

export interface IntakeOptions {
  /** Maximum rate of one worker; 0: no limit. */
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
/** A worker that exceeds its rate is asked to pause for a second, after which a burst is allowed again. */
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
  /** Per worker; undefined: no limit. */
  readonly #rateLimit: RateLimit | undefined;
  /** Both errors are created once: a worker that floods must not cost an error object per heartbeat. */
  readonly #tooOften: PulselaneError;
  readonly #noMemory: RejectedOnArrival;

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
    this.#noMemory = new RejectedOnArrival(
      'resource_exhausted',
      `the memory for records and queued heartbeats (RECORD_MEMORY, ${Math.round(records.budgetBytes / MIB)} MiB) is ` +
        'nearly exhausted: a heartbeat of this size only counts as a sign of life; smaller ones are accepted',
    );
  }

  /**
   * Accepts a heartbeat. An unknown worker is admitted if admission allows it.
   * @param bytes kept until the worker's lane has processed them; must not change
   * @param head parsed from these bytes
   * @param via the stream that delivered them; undefined: there was none
   * @returns false for a late or duplicate heartbeat: a sign of life, but its worker's lane does not get it
   * @throws PulselaneError `unavailable` if the engine is not running; `not_admitted`; `failed_precondition` if a later
   * instance of the worker has reported; `rate_limited`; `resource_exhausted` if there is no room for the worker; {@link
   * RejectedOnArrival} if there is no memory for the heartbeat
   */
  accept(bytes: Buffer, head: HeartbeatHead, transport: Transport, via?: Via): boolean {
    this.#phase.mustRun();
    const entry = this.#admission.admitted(head.workerId);
    const receipt = { monotonicMs: this.#clock.monotonicMs(), wallMs: this.#clock.wallMs() };
    if (this.#rateLimit !== undefined) this.#limitRate(entry, receipt.monotonicMs, this.#rateLimit);
    const wasActive = this.#board.isActive(entry.row);
    const arrival = this.#liveness.received(entry, head, receipt, via);
    this.#board.accepted(entry.row, receipt, transport);
    if (arrival === 'late' || arrival === 'duplicate') {
      this.#board.countReplaced(entry.row, arrival);
      return false;
    }
    if (bytes.length > ALWAYS_TAKEN_BYTES) this.#checkMemory(entry, bytes.length);
    this.#updates.expect(entry);
    // The lane may have processed everything since the last look. Releasing the bytes now, while they are in the young
    // generation, makes collecting them free.
    if (!entry.mailbox.isEmpty) this.#deliveries.settle(entry);
    this.#deliveries.expect(entry);
    const { post, replaced } = entry.mailbox.accept(bytes, receipt, {
      sampleFlags: sampleFlags(entry, head, wasActive),
      heartbeatIntervalS: entry.liveness.heartbeatIntervalS,
      hasEndedTasks: head.hasEndedTasks,
      mostBytes: this.#records.mostHeartbeatBytes,
    });
    if (post !== undefined) entry.lane?.post(entry, post);
    else if (entry.lane?.state === 'ready') this.#deliveries.awaitRoom(entry);
    if (replaced) {
      this.#board.countReplaced(entry.row, replacementReason(entry.lane?.state));
      forgetReplaced(entry);
    }
    if (!entry.liveness.hasRecord) this.#deliveries.awaitRecord(entry);
    return true;
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

  /** @throws RejectedOnArrival if there is no memory for a heartbeat of that size */
  #checkMemory(entry: RosterEntry, bytes: number): void {
    const { slot, mailbox, row } = entry;
    if (!mailbox.isEmpty) this.#deliveries.settle(entry);
    if (this.#records.mayTake({ bytes, room: slot.capacityBytes, isFirst: mailbox.isEmpty })) return;
    this.#board.countReplaced(row, 'memory');
    this.#refusals.count('record_memory');
    throw this.#noMemory;
  }
}

/** What main knows about the heartbeat's sample. */
function sampleFlags({ liveness }: RosterEntry, { leaving }: HeartbeatHead, wasActive: boolean): number {
  return (
    (leaving ? SampleFlag.leaving : 0) |
    (wasActive ? 0 : SampleFlag.returned) |
    (liveness.isFlapping ? SampleFlag.flapping : 0) |
    (liveness.stuck === undefined ? 0 : SampleFlag.stuck)
  );
}
