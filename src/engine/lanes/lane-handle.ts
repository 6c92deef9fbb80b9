/**
 * The main thread's side of one lane: its thread, the workers it serves, and the heartbeats on their way to it. Its
 * states are those of model/lanes.ts.
 *
 * When the thread fails, the heartbeat in hand is charged to the worker it came from and counted as lost; all behind it
 * are given to the next thread.
 */

import type { FromLane } from '../../lane/messages.ts';
import type { Timer } from '../../lib/clock.ts';
import type { ThreadDeath } from '../../lib/supervised-thread.ts';
import { type FaultCause, isLaneTransition, type LaneKind, type LaneState } from '../../model/lanes.ts';
import type { LedgerReader, Place } from '../../store/lane-ledger.ts';
import { Publications } from '../../store/publications.ts';
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
 * A record is a text in the lane's heap before it is written, of a byte or more a character there and at most two in
 * UTF-8 for each of them; a slot holds it twice, with a quarter to spare.
 */
const SLOT_TO_HEAP = 5;

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
  /** Its thread of now takes heartbeats. */
  #isReady = false;
  #restarts = 0;
  #lastError: string | undefined;
  /** Failures of its threads, whoever is to blame. Kept by the pool. */
  faults: FaultHistory = [];
  readonly #endNotes = new EndNotes();
  #quarantine: Timer | undefined;
  /** What its messages may speak of. */
  readonly #given: GivenToLane;

  constructor(options: LaneHandleOptions) {
    const { number, kind, rows, limits, processor, allowance, publications, clock } = options;
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
      data: () => ({ processor, allowance, publications, ledger: account?.open() }),
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

  /** Why its thread failed last; undefined if none did. */
  get lastError(): string | undefined {
    return this.#lastError;
  }

  get workers(): Iterable<LaneWorker> {
    return this.#workers.served;
  }

  get workerCount(): number {
    return this.#workers.servedCount;
  }

  /** Whether no worker is on it, nor on its way from it. */
  get isEmpty(): boolean {
    return this.#workers.isEmpty;
  }

  /** Undefined without a processor, and while it has no thread. */
  get ledger(): LedgerReader | undefined {
    return this.#isReady ? this.#account?.ledger : undefined;
  }

  /** The memory of the process grew by this lane, for this worker. */
  endForMemory(reason: string, owner: Place): void {
    if (this.#thread.running !== undefined) this.#fail('memory', reason, owner);
  }

  /** Its processor's time for the worker, in µs modulo 2^32 and since its thread began; undefined if it is not known. */
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

  /** The worker is this lane's from now on, and so is what its mailbox holds. No other lane may serve it any more. */
  serve(worker: LaneWorker): void {
    this.#workers.serve(worker);
    this.#account?.hold(worker, false);
    this.#give(worker);
  }

  /** Has the thread leave the worker's heartbeats where they are, from the next one on: until it is served again. */
  hold(worker: LaneWorker): void {
    this.#account?.hold(worker, true);
  }

  /** A worker that seems to take too much of the lane's time, the one that takes the most; undefined if none does. */
  get suspect(): LaneWorker | undefined {
    return this.#account?.suspect(this.#workers.served);
  }

  /** How the worker took more of the lane's time than it may, for people; undefined if it did not. Asked once. */
  excess(worker: LaneWorker): string | undefined {
    return this.#account?.excess(worker);
  }

  /**
   * Serves the worker no longer. Resolves when its slot is not in the thread's hands any more.
   * @returns whether nobody writes the slot from now on: the thread has said so, or has ended. One that is given up may
   */
  leave(worker: LaneWorker): Promise<boolean> {
    // Was it told to, and has not yet?
    if (!this.#workers.stopServing(worker)) return this.#workers.departureOf(worker) ?? Promise.resolve(true);
    if (this.#thread.running === undefined) return Promise.resolve(true);
    this.#thread.flush();
    this.#thread.send({ type: 'leave', slot: worker.row });
    return this.#workers.leave(worker);
  }

  /**
   * Sends the heartbeat with the others of this turn. While there is no thread, or the worker is on its way here from
   * another lane, the heartbeat stays in its mailbox.
   */
  post(worker: LaneWorker, parcel: Parcel): void {
    if (this.#thread.running === undefined || !this.#workers.servesRow(worker.row)) return;
    this.#thread.post({
      slot: worker.row,
      ordinal: parcel.ordinal,
      receivedMonotonicMs: parcel.receipt.monotonicMs,
      receivedUnixMs: parcel.receipt.wallMs,
      bytes: parcel.bytes,
    });
  }

  /** A heartbeat of a worker whose slot it may write was seen to be done. */
  noteProgress(): void {
    this.#progress.noteProgress();
  }

  /** A heartbeat of a worker whose slot it may write is not done. */
  noteDebt(): void {
    this.#progress.noteDebt();
  }

  /** At each sweep, after mailboxes have let go of what is done: ends the thread if it stands still. */
  watch(elapsedMs: number): void {
    if (this.#thread.running === undefined || this.#endNotes.isEnding) return;
    this.#account?.look(elapsedMs);
    this.#progress.look(elapsedMs, this.#isReady);
    if (!this.#progress.standsStill) this.#account?.noteProgress();
  }

  /** Whether it has been given something and did nothing since the last look. */
  get standsStill(): boolean {
    return this.#progress.standsStill;
  }

  /** Ends the thread if its memory outside the heap, which V8 does not limit, is over the limit. */
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
      // It ended while it was asked.
    }
  }

  /** Has its thread collect the memory of slots that it no longer writes. */
  collect(): void {
    if (this.#thread.running !== undefined) this.#thread.send({ type: 'collect' });
  }

  /** Has no thread and gets none, until the time is over or it is released. `worker` is whose lane it is. */
  quarantine(forMs: number, lastError: string | undefined, worker: LaneWorker | undefined): void {
    const { clock, logger, events } = this.#options;
    this.#lastError = lastError;
    this.#setState('quarantined');
    this.#quarantine = clock.after(forMs, () => events.onQuarantineOver(this));
    // Why is told of the failure itself.
    logger.error({ worker: worker?.workerId, lane: this.number, forMs }, 'worker quarantined');
  }

  /** It may be started again. */
  release(): void {
    this.#quarantine?.cancel();
    this.#setState('restarting');
  }

  /** It gets no new workers, and its state says so; whoever owns it stops it when it has finished what it was given. */
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
    for (const { left } of leaving) left(hasEnded);
  }

  /** The thread may have been ended between a publication and its count. */
  #countForDead(workers: Iterable<LaneWorker>): void {
    for (const { row } of workers) this.#publications.add(row);
  }

  /** A new thread knows nothing. */
  #begin(): void {
    this.#isReady = false;
    this.#progress.reset();
    for (const worker of this.#workers.served) this.#give(worker);
  }

  /** Gives the thread the worker's slot, and then every heartbeat that is not done. */
  #give(worker: LaneWorker): void {
    const { row, occupant, workerId, slot, mailbox } = worker;
    // What another lane has done since anybody looked is not given again.
    mailbox.done(slot.finished);
    this.#thread.send({ type: 'serve', slot: row, occupant, workerId, memory: slot.memory });
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
      case 'left':
        this.#progress.noteProgress();
        this.#workers.leftNext();
        return;
      case 'failed':
        // It ends by itself; or, if something holds it up on its way, it is given up.
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

  /** The thread is gone. @returns when to start another; undefined: not by itself. */
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
    const worker = culprit?.workerId;
    const what = isFailedStart ? 'a lane could not be started' : 'lane failed';
    logger.error({ lane: this.number, kind: this.kind, cause, reason, worker, restartInMs }, what);
    if ('quarantineMs' in after) this.quarantine(after.quarantineMs, reason, touched[0]);
    events.onChange(this);
    for (const { left } of leaving) left(!death.abandoned);
    events.onStartOver(this);
    return restartInMs;
  }

  /** For whom the processor ran in the thread that is dead, or given up; undefined if it ran for nobody. */
  #ranFor(cause: FaultCause): Place | 'nobody known' | undefined {
    if (this.#account === undefined || !this.#isReady) return undefined;
    // Whatever its processor does, it does it for the only one there is.
    if (this.kind === 'dedicated') return [...this.#workers.served][0];
    return this.#account.ranFor(cause);
  }

  /** The only place that changes the state. */
  #setState(next: LaneState): void {
    if (next === this.#state) return;
    if (!isLaneTransition(this.#state, next)) throw new Error(`lane ${this.number}: ${this.#state} → ${next}`);
    this.#state = next;
    this.#options.events.onChange(this);
  }
}
