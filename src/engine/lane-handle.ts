/**
 * The main thread's side of one lane: its thread, the workers it serves, and the heartbeats on their way to it. Its
 * states are those of model/lanes.ts.
 *
 * When the thread fails, the heartbeat in hand is charged to the worker it came from and counted as lost; all behind it
 * are given to the next thread. When the thread is replaced on purpose, nothing was wrong with the heartbeat in hand:
 * it is given again too.
 */

import { FrameBatch } from '../lane/frames.ts';
import type { FromLane, LaneThreadData, ToLane } from '../lane/messages.ts';
import { type Clock, endsWithin } from '../lib/clock.ts';
import type { Logger } from '../lib/logging.ts';
import { SupervisedThread, type ThreadDeath } from '../lib/supervised-thread.ts';
import { type FaultCause, isLaneTransition, type LaneKind, type LaneState } from '../model/lanes.ts';
import type { SlotMemory } from '../store/slot-memory.ts';
import type { SlotReader } from '../store/slot-reader.ts';
import type { FaultHistory } from './fault-history.ts';
import type { Mailbox, Parcel } from './mailbox.ts';
import { isStuck, StallWatch } from './stall-watch.ts';

/** What a lane needs of a worker. */
export interface LaneWorker {
  readonly workerId: string;
  readonly row: number;
  /** Which occupant of the row it is. */
  readonly occupant: number;
  readonly mailbox: Mailbox;
  /** The newest memory of the worker. */
  readonly slot: SlotReader;
  /** The lane that takes its heartbeats; undefined before it has one and after it is forgotten. Set by the pool. */
  lane: LaneHandle | undefined;
  /** When it was charged with the failure of a lane. Kept by the pool. */
  faults: FaultHistory;
}

/** A thread of a lane ended without being asked to. */
export interface LaneFailure {
  readonly cause: FaultCause;
  /** For people. */
  readonly reason: string;
  /** Whose heartbeat did it; undefined if none was in hand. */
  readonly culprit: LaneWorker | undefined;
}

/** What is to happen after a failure. */
export type AfterFailure = { readonly restartInMs: number } | 'quarantine';

/** What a lane tells whoever owns it. */
export interface LaneEvents {
  /** The lane's back-off after a failure is over, or its quarantine: it is to be started again, in its turn. */
  onRestartDue(lane: LaneHandle): void;
  /** State or restarts have changed. */
  onChange(lane: LaneHandle): void;
  /** By row and its occupant: the worker may be gone by now, and its row another's. */
  onGrown(row: number, occupant: number, memory: SlotMemory): void;
  /** The old thread would not end: the worker must go on in a copy of its slot. */
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
  /** Handed to each thread. */
  readonly threadData: LaneThreadData;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: LaneEvents;
}

export interface LaneLimits {
  readonly heapMib: number;
  readonly offHeapMib: number;
  /** Without progress for this long, the thread is ended. */
  readonly stallMs: number;
}

/** A lane keeps nothing between heartbeats, so what is young dies young. */
const YOUNG_GENERATION_MIB = 2;
const STACK_MIB = 1;
const MIB = 1024 ** 2;
/** A message of this size is sent without waiting for the turn's end: waking the lane is no longer what costs. */
const FLUSH_AT_BYTES = 1024 ** 2;

export class LaneHandle {
  readonly number: number;
  readonly kind: LaneKind;
  readonly #options: LaneOptions;
  readonly #thread: SupervisedThread<FromLane, ToLane>;
  readonly #workers = new Map<number, LaneWorker>();
  readonly #batch = new FrameBatch();
  readonly #stall: StallWatch;
  /** Processor time of the thread when it began to stand still. */
  #cpuBefore: { readonly atMs: number; readonly cpuMs: Promise<number | undefined> } | undefined;
  #judging = false;
  #state: LaneState = 'starting';
  #wasReady = false;
  #flushScheduled = false;
  #restarts = 0;
  #lastError: string | undefined;
  /** Failures of its threads, whoever is to blame. Kept by the pool. */
  faults: FaultHistory = [];
  /** What the thread said of its own end, which is about to follow. */
  #confession: Extract<FromLane, { type: 'failed' }> | undefined;
  /** Why the thread is being ended from here. */
  #verdict: FaultCause | undefined;
  /** Workers that the thread has not yet left, in the order in which it was told to. */
  readonly #leaving: { readonly worker: LaneWorker; readonly left: () => void }[] = [];
  #outcome = Promise.withResolvers<void>();
  readonly #firstReady = Promise.withResolvers<void>();

  constructor(options: LaneOptions) {
    this.#options = options;
    this.number = options.number;
    this.kind = options.kind;
    this.#stall = new StallWatch(options.limits.stallMs);
    this.#thread = new SupervisedThread<FromLane, ToLane>({
      file: 'lane/thread',
      name: `lane ${options.number}`,
      data: options.threadData,
      limits: {
        maxOldGenerationSizeMb: options.limits.heapMib,
        maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB,
        stackSizeMb: STACK_MIB,
      },
      clock: options.clock,
      canAbandon: true,
      onStart: () => this.#begin(),
      onMessage: (message) => this.#handle(message),
      restartAfter: (death) => this.#ended(death),
      onRestartDue: () => options.events.onRestartDue(this),
      onStateChange: (state) => {
        if (state !== 'starting') this.#outcome.resolve();
        if (state === 'ready') {
          this.#wasReady = true;
          this.#firstReady.resolve();
          if (this.#state !== 'draining') this.#setState('ready');
        }
      },
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

  /** Whether a thread of it was ever ready. */
  get wasReady(): boolean {
    return this.#wasReady;
  }

  /** Starts the thread. Resolves when it is ready, or has failed to be. */
  start(): Promise<void> {
    this.#outcome = Promise.withResolvers<void>();
    if (this.#state === 'quarantined') this.#setState('restarting');
    this.#thread.start();
    if (this.#thread.state !== 'starting') this.#outcome.resolve();
    return this.#outcome.promise;
  }

  /** Resolves when the thread is ready for the first time; never, if it is stopped before. */
  get ready(): Promise<void> {
    return this.#firstReady.promise;
  }

  /** The worker is this lane's from now on, and so is what its mailbox holds. No other lane may serve it any more. */
  serve(worker: LaneWorker): void {
    this.#workers.set(worker.row, worker);
    this.#give(worker);
  }

  /** Serves the worker no longer. Resolves when the thread will not touch its slot again. */
  leave(worker: LaneWorker): Promise<void> {
    if (!this.#workers.delete(worker.row) || this.#thread.thread === undefined) return Promise.resolve();
    this.#flush();
    this.#thread.post({ type: 'leave', slot: worker.row });
    return new Promise((left) => this.#leaving.push({ worker, left }));
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

  /** A heartbeat of one of its workers was seen to be done. */
  noteProgress(): void {
    this.#stall.noteProgress();
  }

  /** A heartbeat of one of its workers is not done. */
  noteDebt(): void {
    this.#stall.noteDebt();
  }

  /** At each sweep, after mailboxes have let go of what is done: ends the thread if it stands still. */
  watch(elapsedMs: number): void {
    if (this.#thread.thread === undefined || this.#verdict !== undefined) return;
    const problem = this.#stall.look(elapsedMs, this.#thread.state === 'ready');
    if (this.#stall.stoodStillMs === 0) this.#cpuBefore = undefined;
    else this.#cpuBefore ??= { atMs: this.#options.clock.monotonicMs(), cpuMs: this.#cpuMs() };
    if (problem !== undefined) void this.#failIfStuck(problem);
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
  get isSuspicious(): boolean {
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

  /** Ends the thread, whatever it does, and starts another. */
  replaceThread(): void {
    this.#thread.replace();
  }

  /** Holds a worker that is given no thread for now. */
  quarantine(lastError: string | undefined): void {
    this.#lastError = lastError;
    this.#setState('quarantined');
  }

  /** It gets no new workers, and is stopped when it has finished what it was given. */
  drain(): void {
    if (this.#state !== 'stopped') this.#setState('draining');
  }

  async stop(): Promise<void> {
    this.#setState('stopped');
    await this.#thread.stop();
  }

  /** A new thread knows nothing. */
  #begin(): void {
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
    this.#thread.post({ type: 'serve', slot: row, occupant, workerId, memory: slot.memory });
    for (const parcel of mailbox.undone()) this.post(worker, parcel);
  }

  #flush(): void {
    if (this.#batch.isEmpty) return;
    const frames = this.#batch.take();
    this.#thread.post({ type: 'heartbeats', frames }, [frames]);
  }

  #handle(message: FromLane): void {
    switch (message.type) {
      case 'ready':
        // The supervisor has seen it.
        return;
      case 'grown':
        this.#options.events.onGrown(message.slot, message.occupant, message.memory);
        return;
      case 'left':
        this.#leaving.shift()?.left();
        return;
      case 'failed':
        this.#confession = message;
        return;
      default:
        message satisfies never;
    }
  }

  #fail(cause: FaultCause, reason: string): void {
    if (this.#verdict !== undefined) return;
    this.#verdict = cause;
    this.#thread.kill(reason);
  }

  /** The thread is gone. @returns when to start another; undefined: not by itself. */
  #ended(death: Omit<ThreadDeath, 'restartInMs'>): number | undefined {
    const { logger, events } = this.#options;
    this.#restarts++;
    this.#batch.clear();
    const { cause, reason: why } = this.#causeOf(death);
    const reason = death.abandoned ? `${why}; its thread does not end and is left behind` : why;
    const confessed = this.#confession;
    this.#confession = undefined;
    this.#verdict = undefined;
    const leaving = this.#leaving.splice(0);
    const touched = [...this.#workers.values(), ...leaving.map((leave) => leave.worker)];
    if (death.abandoned) for (const worker of touched) events.onAbandoned(worker);
    const inHand = touched.find((worker) => this.#settleDead(worker, death.onPurpose));
    // The thread knows better whose fault it was: a rejection may come after its heartbeat is done.
    const named = touched.find(({ row, occupant }) => row === confessed?.slot && occupant === confessed.occupant);
    const culprit = named ?? inHand;
    if (this.#state !== 'draining') this.#setState('restarting');
    let restartInMs: number | undefined = 0;
    if (death.onPurpose) {
      logger.info({ lane: this.number }, 'lane replaced');
    } else {
      this.#lastError = reason;
      if (inHand !== undefined) events.onLost(inHand, cause);
      const after = events.onFailure(this, { cause, reason, culprit });
      if (after === 'quarantine') this.#setState('quarantined');
      restartInMs = after === 'quarantine' ? undefined : after.restartInMs;
      logger.error(
        { lane: this.number, kind: this.kind, cause, reason, worker: culprit?.workerId, restartInMs },
        after === 'quarantine' ? 'lane failed too often' : 'lane failed; it is started again',
      );
    }
    events.onChange(this);
    for (const { left } of leaving) left();
    return restartInMs;
  }

  #causeOf({ how, reason }: Pick<ThreadDeath, 'how' | 'reason'>): { cause: FaultCause; reason: string } {
    if (this.#verdict !== undefined) return { cause: this.#verdict, reason };
    if (this.#confession !== undefined) return this.#confession;
    if (how === 'out of memory') {
      return { cause: 'memory', reason: `its heap reached the limit of ${this.#options.limits.heapMib} MiB` };
    }
    return { cause: how === 'exited' ? 'exit' : 'crash', reason };
  }

  /** Lets the mailbox go of what the dead thread has done. @returns whether a heartbeat was in hand and is lost. */
  #settleDead({ slot, mailbox }: LaneWorker, onPurpose: boolean): boolean {
    const inHand = slot.unfinished();
    // The lane had finished all it took, even if it could no longer say so; or what it left was charged before.
    if (inHand === undefined || !mailbox.holds(inHand)) mailbox.done(slot.taken);
    else if (!onPurpose) {
      mailbox.done(inHand);
      return true;
    }
    return false;
  }

  /** The only place that changes the state. */
  #setState(next: LaneState): void {
    if (next === this.#state) return;
    if (!isLaneTransition(this.#state, next)) throw new Error(`lane ${this.number}: ${this.#state} → ${next}`);
    this.#state = next;
    this.#options.events.onChange(this);
  }
}
