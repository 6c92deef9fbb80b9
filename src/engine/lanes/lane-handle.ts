/**
 * Main's side of one lane: its thread, the workers it serves, and the heartbeats queued for it. The states are those of
 * model/lanes.ts.
 *
 * When the thread fails, the heartbeat in process is charged to its worker and counted as lost; the ones after it are
 * given to the next thread.
 */

import type { ExpectedMetrics, FromLane } from '../../lane/messages.ts';
import type { Timer } from '../../lib/clock.ts';
import type { ThreadDeath } from '../../lib/supervised-thread.ts';
import { type FaultCause, isLaneTransition, type LaneKind, type LaneState } from '../../model/lanes.ts';
import type { LedgerReader, Place } from '../../store/lane-ledger.ts';
import { Publications } from '../../store/publications.ts';
import { SlotWriter } from '../../store/slot-writer.ts';
import type { Parcel } from '../workers/mailbox.ts';
import { blameFor } from './blame.ts';
import { settleDead } from './dead-thread.ts';
import { EndNotes } from './end-notes.ts';
import type { FaultHistory } from './fault-history.ts';
import { claimProblem, type GivenToLane } from './lane-claims.ts';
import type { EventsOf, FailureOf, OptionsOf, WorkerOf } from './lane-contract.ts';
import { LaneThread } from './lane-thread.ts';
import { LaneWorkers } from './lane-workers.ts';
import { ProcessorAccount } from './processor-account.ts';
import { ProgressWatch } from './progress-watch.ts';

export type LaneWorker = WorkerOf<LaneHandle>;
export type LaneFailure = FailureOf<LaneHandle>;
export type LaneEvents = EventsOf<LaneHandle>;

export type LaneHandleOptions = OptionsOf<LaneHandle>;

const MIB = 1024 ** 2;
/**
 * Ratio of heap to slot size. Before it is written, a record is a string in the lane's heap, with at least one byte per
 * character, each of which takes at most two bytes in UTF-8; a slot holds the record twice, plus a quarter.
 */
const SLOT_TO_HEAP = 5;

/** Until a thread is given the worker: at most one value for each metric. */
export function keepExpected(worker: Pick<LaneWorker, 'untoldExpected'>, values: ExpectedMetrics): void {
  worker.untoldExpected = [...new Map([...(worker.untoldExpected ?? []), ...values])];
}

export class LaneHandle {
  readonly number: number;
  readonly kind: LaneKind;
  readonly #options: LaneHandleOptions;
  readonly #thread: LaneThread;
  readonly #workers = new LaneWorkers<LaneWorker>();
  readonly #progress: ProgressWatch;
  readonly #publications: Publications;
  /** Undefined without a processor. */
  readonly #account: ProcessorAccount | undefined;
  #state: LaneState = 'starting';
  /** The current thread accepts heartbeats. */
  #isReady = false;
  #restarts = 0;
  #lastError: string | undefined;
  /** Failures of its threads, whatever the cause. Set by the pool. */
  faults: FaultHistory = [];
  readonly #endNotes = new EndNotes();
  #quarantine: Timer | undefined;
  /** What the thread's messages may concern. */
  readonly #given: GivenToLane;

  constructor(options: LaneHandleOptions) {
    const { number, kind, rows, limits, processor, allowance, publications, applyTimes, clock } = options;
    this.#options = options;
    this.#given = this.#whatIsGiven();
    this.number = number;
    this.kind = kind;
    this.#publications = new Publications(publications);
    const account = processor && new ProcessorAccount(kind === 'dedicated' ? 0 : rows, limits.budgetMs);
    this.#account = account;
    this.#thread = new LaneThread({
      name: `lane ${number}`,
      heapMib: limits.heapMib,
      data: () => ({ processor, allowance, publications, applyTimes, lane: number, ledger: account?.open() }),
      hasProcessor: processor !== undefined,
      clock,
      onStart: () => this.#begin(),
      problemOf: (message) => claimProblem(message, this.#given),
      onMessage: (message) => this.#handle(message),
      onDeath: (death) => this.#ended(death),
      onRestartDue: () => options.events.onRestartDue(this),
    });
    this.#progress = new ProgressWatch({
      clock,
      stallMs: limits.stallMs,
      thread: () => this.#thread.running,
      onStuck: (problem) => this.#fail('stall', problem),
    });
  }

  get state(): LaneState {
    return this.#state;
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** Why its thread last failed; undefined if it never did. */
  get lastError(): string | undefined {
    return this.#lastError;
  }

  get workers(): Iterable<LaneWorker> {
    return this.#workers.served;
  }

  get workerCount(): number {
    return this.#workers.servedCount;
  }

  /** Whether it has no workers, including those that are leaving. */
  get isEmpty(): boolean {
    return this.#workers.isEmpty;
  }

  /** Undefined without a processor or a thread. */
  get ledger(): LedgerReader | undefined {
    return this.#isReady ? this.#account?.ledger : undefined;
  }

  /** Ends the thread because the process's memory grew for this worker. */
  endForMemory(reason: string, owner: Place): void {
    if (this.#thread.running !== undefined) this.#fail('memory', reason, owner);
  }

  /** Processor time for the worker since the thread started, in µs modulo 2^32; undefined if unknown. */
  processorMicros(worker: LaneWorker): number | undefined {
    const { ledger } = this;
    return this.kind === 'dedicated' ? ledger?.totalMicros : ledger?.microsOf(worker);
  }

  get isStarting(): boolean {
    return this.#thread.state === 'starting';
  }

  start(): void {
    this.#thread.start();
  }

  /** Takes over the worker and the content of its mailbox. No other lane may serve it any more. */
  serve(worker: LaneWorker): void {
    this.#workers.serve(worker);
    this.#account?.hold(worker, false);
    this.#give(worker);
  }

  /** Makes the thread skip the worker's heartbeats, from the next one on, until the worker is served again. */
  hold(worker: LaneWorker): void {
    this.#account?.hold(worker, true);
  }

  /** The worker that seems to exceed its time budget by the most; undefined if none does. */
  get suspect(): LaneWorker | undefined {
    return this.#account?.suspect(this.#workers.served);
  }

  /** Describes how the worker exceeded its time budget; undefined if it did not. Resets the worker's time. */
  excess(worker: LaneWorker): string | undefined {
    return this.#account?.excess(worker);
  }

  /**
   * Stops serving the worker. Resolves when the thread no longer uses its slot.
   * @returns whether no thread writes the slot any more: the thread has confirmed it, or has ended. An abandoned one
   * may write
   */
  leave(worker: LaneWorker): Promise<boolean> {
    // It may have been told to leave earlier.
    if (!this.#workers.stopServing(worker)) return this.#workers.departureOf(worker) ?? Promise.resolve(true);
    if (this.#thread.running === undefined) return Promise.resolve(true);
    this.#thread.flush();
    this.#thread.send({ type: 'leave', slot: worker.row });
    return this.#workers.leave(worker);
  }

  /**
   * Sends the heartbeat together with the others of this turn. Without a thread, or while the worker is moving here
   * from another lane, the heartbeat stays in its mailbox.
   */
  post(worker: LaneWorker, parcel: Parcel): void {
    if (this.#thread.running === undefined || !this.#workers.servesRow(worker.row)) return;
    this.#thread.post({
      slot: worker.row,
      ordinal: parcel.ordinal,
      receivedMonotonicMs: parcel.receipt.monotonicMs,
      receivedUnixMs: parcel.receipt.wallMs,
      sampleFlags: parcel.sampleFlags,
      heartbeatIntervalS: parcel.heartbeatIntervalS,
      bytes: parcel.bytes,
    });
  }

  /** A heartbeat of one of its workers was processed. */
  noteProgress(): void {
    this.#progress.noteProgress();
  }

  /** A heartbeat of one of its workers is not processed yet. */
  noteDebt(): void {
    this.#progress.noteDebt();
  }

  /** At each sweep, after mailboxes released processed heartbeats: terminates the thread if it is stalled. */
  watch(elapsedMs: number): void {
    if (this.#thread.running === undefined || this.#endNotes.isEnding) return;
    this.#account?.look(elapsedMs);
    this.#progress.look(elapsedMs, this.#isReady);
    if (!this.#progress.standsStill) this.#account?.noteProgress();
  }

  /** Whether it has work and made no progress since the last look. */
  get standsStill(): boolean {
    return this.#progress.standsStill;
  }

  /** Terminates the thread if its memory outside the heap, which V8 does not limit, exceeds the limit. */
  async watchOffHeap(): Promise<void> {
    const { running: thread } = this.#thread;
    if (thread === undefined) return;
    const limitMib = this.#options.limits.offHeapMib;
    try {
      const { external_memory: bytes } = await thread.getHeapStatistics();
      if (thread !== this.#thread.running || bytes <= limitMib * MIB) return;
      this.#fail(
        'memory',
        `memory outside the heap reached ${Math.round(bytes / MIB)} MiB; the limit is ${limitMib} MiB`,
      );
    } catch {
      // The thread ended meanwhile.
    }
  }

  /** Tells the thread what is expected of a worker's metrics from now on. */
  expect(worker: LaneWorker, values: ExpectedMetrics): void {
    if (this.#thread.running === undefined || !this.#workers.servesRow(worker.row)) {
      keepExpected(worker, values);
      return;
    }
    this.#thread.send({ type: 'expect', slot: worker.row, occupant: worker.occupant, values });
  }

  /** Makes the thread collect the memory of slots that it no longer writes. */
  collect(): void {
    if (this.#thread.running !== undefined) this.#thread.send({ type: 'collect' });
  }

  /**
   * Leaves the lane without a thread until the time has passed or it is released. `worker` is the worker of the lane.
   */
  quarantine(forMs: number, lastError: string | undefined, worker: LaneWorker | undefined): void {
    const { clock, logger, events } = this.#options;
    this.#lastError = lastError;
    this.#setState('quarantined');
    this.#quarantine = clock.after(forMs, () => events.onQuarantineOver(this));
    // The reason was logged with the failure.
    logger.error({ worker: worker?.workerId, lane: this.number, forMs }, 'worker quarantined');
  }

  /** Allows it to be started again. */
  release(): void {
    this.#quarantine?.cancel();
    this.#setState('restarting');
  }

  /** Stops assigning new workers; the owner stops the lane when it has finished its work. */
  drain(): void {
    this.#setState('draining');
  }

  async stop(): Promise<void> {
    this.#quarantine?.cancel();
    this.#setState('stopped');
    this.#options.events.onStartOver(this);
    const hasEnded = await this.#thread.stop();
    const leaving = this.#workers.takeLeaving();
    this.#countForDead(leaving.map(({ worker }) => worker));
    this.#endLeaving(leaving, hasEnded);
  }

  /**
   * @param hasEnded the thread may have ended between a record and its sample. The slots have no next thread that would complete
   * that, and their last samples are read now
   */
  #endLeaving(leaving: ReturnType<LaneWorkers<LaneWorker>['takeLeaving']>, hasEnded: boolean): void {
    for (const { worker, left } of leaving) {
      if (hasEnded) new SlotWriter(worker.slot.memory, { publications: this.#publications, row: worker.row }).mend();
      left(hasEnded);
    }
  }

  /** The thread may have ended between a publication and its count. */
  #countForDead(workers: Iterable<LaneWorker>): void {
    for (const { row } of workers) this.#publications.add(row);
  }

  /** Gives a new thread its workers. */
  #begin(): void {
    this.#isReady = false;
    this.#progress.reset();
    for (const worker of this.#workers.served) this.#give(worker);
  }

  /** Gives the thread the worker's slot and all unprocessed heartbeats. */
  #give(worker: LaneWorker): void {
    const { row, occupant, workerId, slot, mailbox } = worker;
    // Skips what another lane has processed since the last look.
    mailbox.done(slot.finished);
    this.#thread.send({ type: 'serve', slot: row, occupant, workerId, memory: slot.memory });
    const { untoldExpected } = worker;
    worker.untoldExpected = undefined;
    if (untoldExpected !== undefined) this.expect(worker, untoldExpected);
    for (const parcel of mailbox.undone()) this.post(worker, parcel);
  }

  #handle(message: FromLane): void {
    switch (message.type) {
      case 'ready':
        this.#isReady = true;
        if (this.#state !== 'draining') this.#setState('ready');
        this.#options.events.onReady(this);
        this.#options.events.onStartOver(this);
        return;
      case 'grown': {
        const worker = this.#workers.givenAt(message.slot, message.occupant);
        if (worker !== undefined) this.#options.events.onGrown(worker, message.memory);
        return;
      }
      case 'accepted': {
        const worker = this.#workers.givenAt(message.slot, message.occupant);
        if (worker !== undefined) this.#options.events.onAccepted(worker, message);
        return;
      }
      case 'left':
        this.#progress.noteProgress();
        this.#workers.leftNext();
        return;
      case 'failed':
        // The thread ends by itself; if it does not, it is abandoned.
        this.#thread.kill(this.#endNotes.report(message));
        return;
      default:
        message satisfies never;
    }
  }

  #whatIsGiven(): GivenToLane {
    const lane = this;
    return {
      maxSlotBytes: SLOT_TO_HEAP * this.#options.limits.heapMib * MIB,
      get isReady() {
        return lane.#thread.state === 'ready';
      },
      get nextToLeave() {
        return lane.#workers.nextToLeave?.row;
      },
      workerAt: (row, occupant) => lane.#workers.givenAt(row, occupant),
    };
  }

  /** @param accused see {@link EndNotes.endFor} */
  #fail(cause: FaultCause, reason: string, accused?: Place): void {
    if (this.#endNotes.isEnding) return;
    this.#endNotes.endFor(cause, accused);
    this.#thread.kill(reason);
  }

  /** The thread has ended. @returns the delay before the next start; undefined: no automatic start */
  #ended(death: ThreadDeath): number | undefined {
    const { logger, events } = this.#options;
    this.#restarts++;
    const { cause, reason, named } = this.#endNotes.take(death, this.#options.limits.heapMib);
    const leaving = this.#workers.takeLeaving();
    const touched = [...this.#workers.served, ...leaving.map((leave) => leave.worker)];
    this.#countForDead(touched);
    const inHand: LaneWorker[] = [];
    for (const worker of touched) {
      if (death.abandoned && worker.slot.isInHand) events.onAbandoned(worker);
      if (settleDead(worker)) inHand.push(worker);
    }
    for (const worker of inHand) events.onLost(worker, cause);
    const { culprit, isUntraced } = blameFor(
      { isDisbelieved: death.isDisbelieved, named, inHand, ran: this.#ranFor(cause) },
      this.#options.workerAt,
    );
    this.#lastError = reason;
    if (this.#state !== 'draining') this.#setState('restarting');
    const isFailedStart = !this.#isReady && culprit === undefined;
    this.#isReady = false;
    const after = events.onFailure(this, {
      cause,
      reason,
      culprit,
      isAbandoned: death.abandoned,
      isFailedStart,
      isUntraced,
    });
    const restartInMs = 'restartInMs' in after ? after.restartInMs : undefined;
    if (!('isReported' in after && after.isReported)) {
      const worker = culprit?.workerId;
      const what = isFailedStart ? 'a lane could not be started' : 'lane failed';
      logger.error({ lane: this.number, kind: this.kind, cause, reason, worker, restartInMs }, what);
    }
    if ('quarantineMs' in after) this.quarantine(after.quarantineMs, reason, touched[0]);
    events.onChange(this);
    this.#endLeaving(leaving, !death.abandoned);
    events.onStartOver(this);
    return restartInMs;
  }

  /** The worker for which the processor of the dead or abandoned thread ran; undefined if for none. */
  #ranFor(cause: FaultCause): Place | 'nobody known' | undefined {
    if (this.#account === undefined || !this.#isReady) return undefined;
    // A dedicated lane's processor always runs for its only worker.
    if (this.kind === 'dedicated') return [...this.#workers.served][0];
    return this.#account.ranFor(cause);
  }

  /** The only function that changes the state. */
  #setState(next: LaneState): void {
    if (next === this.#state) return;
    if (!isLaneTransition(this.#state, next)) throw new Error(`lane ${this.number}: ${this.#state} → ${next}`);
    this.#state = next;
    this.#options.events.onChange(this);
  }
}
