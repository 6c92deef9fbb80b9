/**
 * The main thread's side of one lane: its thread, the workers it serves, and the heartbeats on their way to it. Its
 * states are those of model/lanes.ts.
 *
 * When the thread fails, the heartbeat in hand is charged to the worker it came from and counted as lost; all behind it
 * are given to the next thread.
 */

import { FrameBatch } from '../lane/frames.ts';
import type { FromLane, LaneThreadData, ToLane } from '../lane/messages.ts';
import { type Clock, endsWithin, type Timer } from '../lib/clock.ts';
import { MAX_FOREIGN_TEXT, shortText } from '../lib/foreign-text.ts';
import type { Logger } from '../lib/logging.ts';
import { SupervisedThread, type ThreadDeath } from '../lib/supervised-thread.ts';
import { type FaultCause, isLaneTransition, type LaneKind, type LaneState } from '../model/lanes.ts';
import { BellRinger, newBell } from '../store/bell.ts';
import { LedgerReader, newLedger, type Place } from '../store/lane-ledger.ts';
import { Publications, type PublicationsMemory } from '../store/publications.ts';
import type { AllowanceMemory } from '../store/record-allowance.ts';
import type { SlotMemory } from '../store/slot-memory.ts';
import type { SlotReader } from '../store/slot-reader.ts';
import { blameFor, ranFor } from './blame.ts';
import type { FaultHistory } from './fault-history.ts';
import { claimProblem, type GivenToLane } from './lane-claims.ts';
import type { Mailbox, Parcel } from './mailbox.ts';
import { isStuck, StallWatch } from './stall-watch.ts';
import { BUDGET_WINDOW_MS, TimeShares } from './time-shares.ts';
import type { WorkerPlace } from './worker-place.ts';

/** What a lane needs of a worker. */
export interface LaneWorker {
  readonly workerId: string;
  readonly row: number;
  /** Which occupant of the row it is. */
  readonly occupant: number;
  readonly mailbox: Mailbox;
  /** The newest memory of the worker, also after it is forgotten: until its lane has left it, that may change. */
  slot: SlotReader;
  /** Which lane takes its heartbeats, and where it is on its way to. Kept by the pool. */
  place: WorkerPlace<LaneHandle>;
  /** When it was charged with the failure of a lane. Kept by the pool. */
  faults: FaultHistory;
}

/** A thread of a lane ended without being asked to. */
export interface LaneFailure {
  readonly cause: FaultCause;
  /** For people. */
  readonly reason: string;
  /** Whose heartbeat did it, or what was begun for it; undefined if nobody's is known to. */
  readonly culprit: LaneWorker | undefined;
  /** It was a processor's doing, and nothing tells for which worker. */
  readonly isUntraced: boolean;
  /** The thread did not end and may still run. */
  readonly isAbandoned: boolean;
  /** It had not come so far as to take heartbeats: no worker has a part in that. */
  readonly isFailedStart: boolean;
}

/** What is to happen after a failure. */
export type AfterFailure = { readonly restartInMs: number } | { readonly quarantineMs: number };

/** What a lane tells whoever owns it. */
export interface LaneEvents {
  /** Its thread takes heartbeats. */
  onReady(lane: LaneHandle): void;
  /** A start is over: the thread is ready, or has failed to be, or is not wanted any more. */
  onStartOver(lane: LaneHandle): void;
  /** The lane's back-off after a failure is over: it is to be started again, in its turn. */
  onRestartDue(lane: LaneHandle): void;
  onQuarantineOver(lane: LaneHandle): void;
  /** State or restarts have changed. */
  onChange(lane: LaneHandle): void;
  /** The worker, which may be forgotten by now, has this memory from now on: `slot` is to be of it. */
  onGrown(worker: LaneWorker, memory: SlotMemory): void;
  /** The old thread would not end, and has the worker's slot in hand: the worker must go on in a copy of it. */
  onAbandoned(worker: LaneWorker): void;
  /** The heartbeat in hand is gone with the thread. */
  onLost(worker: LaneWorker, cause: FaultCause): void;
  /** The thread has ended. May move workers to other lanes. */
  onFailure(lane: LaneHandle, failure: LaneFailure): AfterFailure;
}

export interface LaneOptions {
  readonly number: number;
  readonly kind: LaneKind;
  readonly limits: LaneLimits;
  readonly processor: LaneThreadData['processor'];
  /** Workers that there can be; their rows are below it. */
  readonly rows: number;
  /** Whoever is known there, on whatever lane. */
  readonly workerAt: (row: number, occupant: number) => LaneWorker | undefined;
  readonly allowance: AllowanceMemory;
  readonly publications: PublicationsMemory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: LaneEvents;
}

export interface LaneLimits {
  readonly heapMib: number;
  readonly offHeapMib: number;
  /** Without progress for this long, the thread is ended. */
  readonly stallMs: number;
  /** Of a shared lane's time, for one worker, see time-shares.ts. */
  readonly budgetMs: number;
}

/** A lane keeps nothing between heartbeats, so what is young dies young. */
const YOUNG_GENERATION_MIB = 2;
const STACK_MIB = 1;
const MIB = 1024 ** 2;
/** Of what a thread says of its end: a foreign text, and words of ours around it. */
const MAX_REASON = 2 * MAX_FOREIGN_TEXT;
/**
 * A record is a text in the lane's heap before it is written, of a byte or more a character there and at most two in
 * UTF-8 for each of them; a slot holds it twice, with a quarter to spare.
 */
const SLOT_TO_HEAP = 5;
/** A message of this size is sent without waiting for the turn's end: waking the lane is no longer what costs. */
const FLUSH_AT_BYTES = 1024 ** 2;

interface Leaving {
  readonly worker: LaneWorker;
  /** Resolves to whether nobody writes its slot any more. */
  readonly hasLeft: Promise<boolean>;
  readonly left: (isUnwritten: boolean) => void;
}

export class LaneHandle {
  readonly number: number;
  readonly kind: LaneKind;
  readonly #options: LaneOptions;
  readonly #thread: SupervisedThread<FromLane, ToLane>;
  readonly #workers = new Map<number, LaneWorker>();
  readonly #batch = new FrameBatch();
  readonly #stall: StallWatch;
  /** Of the thread of now. */
  #bell: BellRinger | undefined;
  readonly #publications: Publications;
  /** Of the thread of now; undefined without a processor. */
  #ledger: LedgerReader | undefined;
  /** Its turns when it was last seen to make progress. */
  #turnsBefore = 0;
  /** Undefined also where there is one worker alone. */
  #shares: TimeShares | undefined;
  /** Processor time of the thread when it began to stand still. */
  #cpuBefore: { readonly atMs: number; readonly cpuMs: Promise<number | undefined> } | undefined;
  #judging = false;
  #state: LaneState = 'starting';
  /** Its thread of now takes heartbeats. */
  #isReady = false;
  #flushScheduled = false;
  #restarts = 0;
  #lastError: string | undefined;
  /** Failures of its threads, whoever is to blame. Kept by the pool. */
  faults: FaultHistory = [];
  /** What the thread said of its own end, which is about to follow. */
  #report: Extract<FromLane, { type: 'failed' }> | undefined;
  /** For whom its memory grew, by what main saw. */
  #accused: Place | undefined;
  /** Why the thread is being ended from here. */
  #endingFor: FaultCause | undefined;
  #quarantine: Timer | undefined;
  /** Workers that the thread has not yet left, in the order in which it was told to. */
  readonly #leaving: Leaving[] = [];

  /** What its messages may speak of. */
  readonly #given: GivenToLane;

  constructor(options: LaneOptions) {
    this.#options = options;
    this.#given = this.#whatIsGiven();
    this.number = options.number;
    this.kind = options.kind;
    this.#stall = new StallWatch(options.limits.stallMs);
    this.#publications = new Publications(options.publications);
    const newData = () => this.#newThreadData();
    this.#thread = new SupervisedThread<FromLane, ToLane>({
      script: options.processor === undefined ? 'lane/thread' : 'lane/processor-thread',
      name: `lane ${options.number}`,
      get data() {
        return newData();
      },
      limits: {
        maxOldGenerationSizeMb: options.limits.heapMib,
        maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB,
        stackSizeMb: STACK_MIB,
      },
      clock: options.clock,
      canAbandon: true,
      onStart: () => this.#begin(),
      problemOf: (message) => claimProblem(message, this.#given),
      onMessage: (message) => this.#handle(message),
      onDeath: (death) => this.#ended(death),
      onRestartDue: () => options.events.onRestartDue(this),
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
    return this.#workers.values();
  }

  get workerCount(): number {
    return this.#workers.size;
  }

  /** Whether no worker is on it, nor on its way from it. */
  get isEmpty(): boolean {
    return this.#workers.size === 0 && this.#leaving.length === 0;
  }

  /** Undefined without a processor, and while it has no thread. */
  get ledger(): LedgerReader | undefined {
    return this.#isReady ? this.#ledger : undefined;
  }

  /** The memory of the process grew by this lane, for this worker. */
  endForMemory(reason: string, owner: Place): void {
    if (this.#thread.thread === undefined || this.#endingFor !== undefined) return;
    this.#accused = owner;
    this.#fail('memory', reason);
  }

  get isStarting(): boolean {
    return this.#thread.state === 'starting';
  }

  start(): void {
    this.#thread.start();
  }

  /** Bell and ledger have one lane that writes: those that an abandoned thread still writes are not the next one's. */
  #newThreadData(): LaneThreadData {
    const { processor, rows, allowance, publications } = this.#options;
    const bell = newBell();
    this.#bell = new BellRinger(bell);
    if (processor === undefined) return { processor, bell, allowance, publications, ledger: undefined };
    const ledger = newLedger(this.kind === 'dedicated' ? 0 : rows);
    this.#ledger = new LedgerReader(ledger);
    this.#shares = this.kind === 'dedicated' ? undefined : new TimeShares(this.#ledger);
    return { processor, bell, allowance, publications, ledger };
  }

  /** The worker is this lane's from now on, and so is what its mailbox holds. No other lane may serve it any more. */
  serve(worker: LaneWorker): void {
    this.#workers.set(worker.row, worker);
    this.#ledger?.hold(worker.row, false);
    this.#give(worker);
  }

  /** Has the thread leave the worker's heartbeats where they are, from the next one on: until it is served again. */
  hold(worker: LaneWorker): void {
    this.#ledger?.hold(worker.row, true);
  }

  /** A worker that seems to take too much of the lane's time, the one that takes the most; undefined if none does. */
  get suspect(): LaneWorker | undefined {
    return this.#shares?.suspect(this.#workers.values(), this.#options.limits.budgetMs);
  }

  /** How the worker took more of the lane's time than it may, for people; undefined if it did not. Asked once. */
  excess(worker: LaneWorker): string | undefined {
    const { budgetMs } = this.#options.limits;
    const usedMs = this.#shares?.endedMs(worker) ?? 0;
    if (usedMs < budgetMs) return undefined;
    this.#shares?.forgive(worker);
    return (
      `its processor took ${(usedMs / 1000).toFixed(1)} s of ${BUDGET_WINDOW_MS / 1000} s on a lane that it shares, ` +
      `of ${budgetMs / 1000} s allowed`
    );
  }

  /**
   * Serves the worker no longer. Resolves when its slot is not in the thread's hands any more.
   * @returns whether nobody writes the slot from now on: the thread has said so, or has ended. One that is given up may
   */
  leave(worker: LaneWorker): Promise<boolean> {
    if (this.#workers.get(worker.row) !== worker) {
      // Was it told to, and has not yet?
      return this.#leaving.find((leave) => leave.worker === worker)?.hasLeft ?? Promise.resolve(true);
    }
    this.#workers.delete(worker.row);
    if (this.#thread.thread === undefined) return Promise.resolve(true);
    this.#flush();
    this.#send({ type: 'leave', slot: worker.row });
    const { promise: hasLeft, resolve: left } = Promise.withResolvers<boolean>();
    this.#leaving.push({ worker, hasLeft, left });
    return hasLeft;
  }

  /**
   * Sends the heartbeat with the others of this turn. While there is no thread, or the worker is on its way here from
   * another lane, the heartbeat stays in its mailbox.
   */
  post(worker: LaneWorker, parcel: Parcel): void {
    if (this.#thread.thread === undefined || !this.#workers.has(worker.row)) return;
    this.#batch.add({
      slot: worker.row,
      ordinal: parcel.ordinal,
      receivedMonotonicMs: parcel.receipt.monotonicMs,
      receivedUnixMs: parcel.receipt.wallMs,
      bytes: parcel.bytes,
    });
    if (this.#batch.size >= FLUSH_AT_BYTES) this.#flush();
    if (this.#flushScheduled || this.#batch.isEmpty) return;
    this.#flushScheduled = true;
    setImmediate(() => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  /** A heartbeat of a worker whose slot it may write was seen to be done. */
  noteProgress(): void {
    this.#stall.noteProgress();
  }

  /** A heartbeat of a worker whose slot it may write is not done. */
  noteDebt(): void {
    this.#stall.noteDebt();
  }

  /** At each sweep, after mailboxes have let go of what is done: ends the thread if it stands still. */
  watch(elapsedMs: number): void {
    if (this.#thread.thread === undefined || this.#endingFor !== undefined) return;
    this.#shares?.look(elapsedMs);
    const isReady = this.#isReady;
    const problem = this.#stall.look(elapsedMs, isReady);
    if (this.#stall.stoodStillMs === 0) this.#turnsBefore = this.#ledger?.turns ?? 0;
    if (this.#stall.stoodStillMs === 0) this.#cpuBefore = undefined;
    else this.#cpuBefore ??= { atMs: this.#options.clock.monotonicMs(), cpuMs: this.#cpuMs() };
    if (problem === undefined) return;
    if (isReady) void this.#failIfStuck(problem);
    else this.#fail('stall', problem);
  }

  async #failIfStuck(problem: string): Promise<void> {
    const { thread } = this.#thread;
    const before = this.#cpuBefore;
    if (this.#judging) return;
    this.#judging = true;
    const fromMs = await before?.cpuMs;
    const toMs = fromMs === undefined ? undefined : await this.#cpuMs();
    this.#judging = false;
    // It ended, or went on, while it was asked.
    if (thread !== this.#thread.thread || this.#stall.stoodStillMs === 0) return;
    const cpuMs = fromMs === undefined || toMs === undefined ? undefined : toMs - fromMs;
    const stoodStillMs = this.#options.clock.monotonicMs() - (before?.atMs ?? 0);
    if (isStuck({ stoodStillMs, allowedMs: this.#options.limits.stallMs, cpuMs })) this.#fail('stall', problem);
  }

  /** Processor time of its thread; undefined if it does not answer: one that runs does so when it gets a processor. */
  async #cpuMs(): Promise<number | undefined> {
    const { thread } = this.#thread;
    if (thread === undefined) return undefined;
    const asked = thread.cpuUsage().catch(() => undefined);
    if (!(await endsWithin(this.#options.clock, this.#options.limits.stallMs / 2, asked))) return undefined;
    const usage = await asked;
    return usage === undefined ? undefined : (usage.user + usage.system) / 1000;
  }

  /** Whether it has been given something and did nothing since the last look. */
  get standsStill(): boolean {
    return this.#stall.stoodStillMs > 0;
  }

  /** Ends the thread if its memory outside the heap, which V8 does not limit, is over the limit. */
  async watchOffHeap(): Promise<void> {
    const { thread } = this.#thread;
    if (thread === undefined) return;
    const limitMib = this.#options.limits.offHeapMib;
    try {
      const { external_memory: bytes } = await thread.getHeapStatistics();
      if (thread !== this.#thread.thread || bytes <= limitMib * MIB) return;
      this.#fail(
        'memory',
        `memory outside the heap reached ${Math.round(bytes / MIB)} MiB, of ${limitMib} MiB allowed`,
      );
    } catch {
      // It ended while it was asked.
    }
  }

  /** Has its thread collect the memory of slots that it no longer writes. */
  collect(): void {
    if (this.#thread.thread !== undefined) this.#send({ type: 'collect' });
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
    const leaving = this.#leaving.splice(0);
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
    this.#batch.clear();
    this.#stall.reset();
    this.#cpuBefore = undefined;
    for (const worker of this.#workers.values()) this.#give(worker);
  }

  /** Gives the thread the worker's slot, and then every heartbeat that is not done. */
  #give(worker: LaneWorker): void {
    const { row, occupant, workerId, slot, mailbox } = worker;
    // What another lane has done since anybody looked is not given again.
    mailbox.done(slot.finished);
    this.#send({ type: 'serve', slot: row, occupant, workerId, memory: slot.memory });
    for (const parcel of mailbox.undone()) this.post(worker, parcel);
  }

  #flush(): void {
    if (this.#batch.isEmpty) return;
    const frames = this.#batch.take();
    this.#send({ type: 'heartbeats', frames }, [frames]);
  }

  #send(message: ToLane, transfer: readonly ArrayBuffer[] = []): void {
    this.#thread.post(message, transfer);
    this.#bell?.ring();
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
        const worker = this.#givenAt(message.slot, message.occupant);
        if (worker !== undefined) this.#options.events.onGrown(worker, message.memory);
        return;
      }
      case 'left':
        this.#stall.noteProgress();
        this.#leaving.shift()?.left(true);
        return;
      case 'failed':
        this.#report = { ...message, reason: shortText(message.reason, MAX_REASON) };
        // It ends by itself; or, if something holds it up on its way, it is given up.
        this.#thread.kill(this.#report.reason);
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
        return lane.#leaving[0]?.worker.row;
      },
      workerAt: (row, occupant) => lane.#givenAt(row, occupant),
    };
  }

  /** Whom it serves there, or has been told to leave and has not. */
  #givenAt(row: number, occupant: number): LaneWorker | undefined {
    const served = this.#workers.get(row);
    if (served?.occupant === occupant) return served;
    return this.#leaving.find(({ worker }) => worker.row === row && worker.occupant === occupant)?.worker;
  }

  #fail(cause: FaultCause, reason: string): void {
    if (this.#endingFor !== undefined) return;
    this.#endingFor = cause;
    this.#thread.kill(reason);
  }

  /** The thread is gone. @returns when to start another; undefined: not by itself. */
  #ended(death: ThreadDeath): number | undefined {
    const { logger, events } = this.#options;
    this.#restarts++;
    this.#batch.clear();
    const { cause, reason } = this.#causeOf(death);
    const report = this.#report;
    this.#report = undefined;
    this.#endingFor = undefined;
    const leaving = this.#leaving.splice(0);
    const touched = [...this.#workers.values(), ...leaving.map((leave) => leave.worker)];
    this.#countForDead(touched);
    const inHand: LaneWorker[] = [];
    for (const worker of touched) {
      if (death.abandoned && worker.slot.isInHand) events.onAbandoned(worker);
      if (settleDead(worker)) inHand.push(worker);
    }
    for (const worker of inHand) events.onLost(worker, cause);
    const told =
      report?.slot === undefined || report.occupant === undefined
        ? this.#accused
        : { row: report.slot, occupant: report.occupant };
    this.#accused = undefined;
    const { culprit, isUntraced } = blameFor(
      { isDisbelieved: death.isDisbelieved, told, inHand, ran: this.#ranFor(cause) },
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
    const ledger = this.#ledger;
    if (ledger === undefined || !this.#isReady) return undefined;
    // Whatever its processor does, it does it for the only one there is.
    if (this.kind === 'dedicated') return this.#workers.values().next().value;
    const { hand, isResting, owner, turns } = ledger;
    return ranFor({ hand, isResting, owner, hasMoved: turns !== this.#turnsBefore }, cause) ?? 'nobody known';
  }

  #causeOf({ how, reason, abandoned }: ThreadDeath): { cause: FaultCause; reason: string } {
    const whole = abandoned ? `${reason}; its thread does not end and is left behind` : reason;
    if (this.#endingFor !== undefined) return { cause: this.#endingFor, reason: whole };
    if (this.#report !== undefined) return { cause: this.#report.cause, reason: whole };
    if (how === 'out of memory') {
      return { cause: 'memory', reason: `its heap reached the limit of ${this.#options.limits.heapMib} MiB` };
    }
    return { cause: how === 'exited' ? 'exit' : 'crash', reason: whole };
  }

  /** The only place that changes the state. */
  #setState(next: LaneState): void {
    if (next === this.#state) return;
    if (!isLaneTransition(this.#state, next)) throw new Error(`lane ${this.number}: ${this.#state} → ${next}`);
    this.#state = next;
    this.#options.events.onChange(this);
  }
}

/** Lets the mailbox go of what the dead thread has done. @returns whether a heartbeat was in hand and is lost. */
function settleDead({ slot, mailbox }: LaneWorker): boolean {
  const inHand = slot.unfinished();
  if (inHand !== undefined && mailbox.holds(inHand)) {
    mailbox.done(inHand);
    return true;
  }
  // The lane had finished all it took, even if it could no longer say so; or what it left was charged before.
  mailbox.done(slot.taken);
  return false;
}
