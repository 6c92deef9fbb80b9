/**
 * The main thread's side of one lane: its thread, the workers it serves, and the heartbeats on their way to it.
 *
 * When the thread dies, the heartbeat in hand is charged to the worker it came from and counted as lost; all behind it
 * are given to the next thread. When the thread is replaced on purpose, nothing was wrong with the heartbeat in hand:
 * it is given again too.
 */

import { FrameBatch } from '../lane/frames.ts';
import type { FromLane, ToLane } from '../lane/messages.ts';
import type { Clock } from '../lib/clock.ts';
import type { Logger } from '../lib/logging.ts';
import { SupervisedThread, type ThreadDeath } from '../lib/supervised-thread.ts';
import type { LaneState } from '../store/board.ts';
import type { SlotMemory } from '../store/slot-memory.ts';
import type { SlotReader } from '../store/slot-reader.ts';
import type { Mailbox, Parcel } from './mailbox.ts';

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
}

/** What a lane tells whoever owns it. */
export interface LaneEvents {
  /** The lane's back-off after a death is over: it is to be started again, in its turn. */
  onRestartDue(lane: LaneHandle): void;
  /** State or restarts have changed. */
  onChange(lane: LaneHandle): void;
  /** By row and its occupant: the worker may be gone by now, and its row another's. */
  onGrown(row: number, occupant: number, memory: SlotMemory): void;
  /** The heartbeat in hand is gone with the thread. */
  onLost(worker: LaneWorker, reason: string): void;
}

export interface LaneOptions {
  readonly number: number;
  readonly shared: boolean;
  readonly heapMib: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: LaneEvents;
}

/** A lane keeps nothing between heartbeats, so what is young dies young. */
const YOUNG_GENERATION_MIB = 2;
const STACK_MIB = 1;
/** A message of this size is sent without waiting for the turn's end: waking the lane is no longer what costs. */
const FLUSH_AT_BYTES = 1024 ** 2;

export class LaneHandle {
  readonly number: number;
  readonly shared: boolean;
  readonly #options: LaneOptions;
  readonly #thread: SupervisedThread<FromLane, ToLane>;
  readonly #workers = new Map<number, LaneWorker>();
  readonly #batch = new FrameBatch();
  #flushScheduled = false;
  #restarts = 0;
  /** Workers that the thread has not yet left, in the order in which it was told to. */
  readonly #leaving: { readonly worker: LaneWorker; readonly left: () => void }[] = [];
  #outcome = Promise.withResolvers<void>();
  readonly #firstReady = Promise.withResolvers<void>();

  constructor(options: LaneOptions) {
    this.#options = options;
    this.number = options.number;
    this.shared = options.shared;
    this.#thread = new SupervisedThread<FromLane, ToLane>({
      file: 'lane/thread',
      name: `lane ${options.number}`,
      limits: {
        maxOldGenerationSizeMb: options.heapMib,
        maxYoungGenerationSizeMb: YOUNG_GENERATION_MIB,
        stackSizeMb: STACK_MIB,
      },
      clock: options.clock,
      onStart: () => this.#begin(),
      onMessage: (message) => this.#handle(message),
      onDeath: (death) => this.#died(death),
      onRestartDue: () => options.events.onRestartDue(this),
      onStateChange: (state) => {
        if (state !== 'starting') this.#outcome.resolve();
        if (state === 'ready') this.#firstReady.resolve();
        options.events.onChange(this);
      },
    });
  }

  get state(): LaneState {
    if (this.#thread.state !== 'waiting') return this.#thread.state;
    return this.#restarts === 0 ? 'starting' : 'restarting';
  }

  get restarts(): number {
    return this.#restarts;
  }

  get workers(): Iterable<LaneWorker> {
    return this.#workers.values();
  }

  get workerCount(): number {
    return this.#workers.size;
  }

  /** Starts the thread. Resolves when it is ready, or has failed to be. */
  start(): Promise<void> {
    this.#outcome = Promise.withResolvers<void>();
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

  /** Ends the thread, whatever it does, and starts another. */
  replaceThread(): void {
    this.#thread.replace();
  }

  async stop(): Promise<void> {
    await this.#thread.stop();
  }

  /** A new thread knows nothing. */
  #begin(): void {
    this.#batch.clear();
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
      default:
        message satisfies never;
    }
  }

  #died({ reason, onPurpose, restartInMs }: ThreadDeath): void {
    this.#restarts++;
    this.#batch.clear();
    const { logger, events } = this.#options;
    const leaving = this.#leaving.splice(0);
    for (const worker of [...this.#workers.values(), ...leaving.map((leave) => leave.worker)]) {
      const inHand = worker.slot.unfinished();
      // The lane had finished all it took, even if it could no longer say so; or what it left was charged before.
      if (inHand === undefined || !worker.mailbox.holds(inHand)) worker.mailbox.done(worker.slot.taken);
      else if (!onPurpose) {
        worker.mailbox.done(inHand);
        events.onLost(worker, reason);
      }
    }
    logger[onPurpose ? 'info' : 'error']({ lane: this.number, reason, restartInMs }, 'lane ended; it is started again');
    events.onChange(this);
    for (const { left } of leaving) left();
  }
}
