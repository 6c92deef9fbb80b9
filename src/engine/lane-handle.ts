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
  readonly mailbox: Mailbox;
  /** The newest memory of the worker. */
  readonly slot: SlotReader;
}

/** What a lane tells whoever owns it. */
export interface LaneEvents {
  /** State or restarts have changed. */
  onChange(lane: LaneHandle): void;
  onGrown(row: number, memory: SlotMemory): void;
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

export class LaneHandle {
  readonly number: number;
  readonly shared: boolean;
  readonly #options: LaneOptions;
  readonly #thread: SupervisedThread<FromLane, ToLane>;
  readonly #workers = new Map<number, LaneWorker>();
  readonly #batch = new FrameBatch();
  #flushScheduled = false;
  #restarts = 0;
  readonly #firstOutcome = Promise.withResolvers<void>();

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
      onStateChange: (state) => {
        if (state !== 'starting') this.#firstOutcome.resolve();
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

  /** Resolves when the thread is ready for the first time, or has failed to be. */
  start(): Promise<void> {
    this.#thread.start();
    return this.#firstOutcome.promise;
  }

  serve(worker: LaneWorker): void {
    this.#workers.set(worker.row, worker);
    this.#postServe(worker);
  }

  leave(worker: LaneWorker): void {
    this.#workers.delete(worker.row);
    this.#flush();
    this.#thread.post({ type: 'leave', slot: worker.row });
  }

  /** Sends the heartbeat with the others of this turn. Without a thread it stays in its mailbox until there is one. */
  post(worker: LaneWorker, parcel: Parcel): void {
    if (this.#thread.thread === undefined) return;
    this.#batch.add({
      slot: worker.row,
      ordinal: parcel.ordinal,
      receivedMonotonicMs: parcel.receipt.monotonicMs,
      receivedUnixMs: parcel.receipt.wallMs,
      bytes: parcel.bytes,
    });
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    setImmediate(() => this.#flush());
  }

  /** Ends the thread, whatever it does, and starts another. */
  replaceThread(): void {
    this.#thread.replace();
  }

  async stop(): Promise<void> {
    await this.#thread.stop();
  }

  /** A new thread knows nothing: it is given the slots, and then every heartbeat that is not done. */
  #begin(): void {
    this.#batch.clear();
    for (const worker of this.#workers.values()) {
      this.#postServe(worker);
      for (const parcel of worker.mailbox.undone()) this.post(worker, parcel);
    }
  }

  #postServe(worker: LaneWorker): void {
    this.#thread.post({ type: 'serve', slot: worker.row, workerId: worker.workerId, memory: worker.slot.memory });
  }

  #flush(): void {
    this.#flushScheduled = false;
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
        this.#options.events.onGrown(message.slot, message.memory);
        return;
      default:
        message satisfies never;
    }
  }

  #died({ reason, onPurpose, restartInMs }: ThreadDeath): void {
    this.#restarts++;
    this.#batch.clear();
    const { logger, events } = this.#options;
    for (const worker of this.#workers.values()) {
      const inHand = worker.slot.unfinished();
      // The lane had finished all it took, even if it could no longer say so.
      if (inHand === undefined) worker.mailbox.done(worker.slot.taken);
      else if (!onPurpose) {
        worker.mailbox.done(inHand);
        events.onLost(worker, reason);
      }
    }
    logger[onPurpose ? 'info' : 'error']({ lane: this.number, reason, restartInMs }, 'lane ended; it is started again');
    events.onChange(this);
  }
}
