/**
 * Threads of lanes without threads: each runs a real lane over a queue, does something only when the test says so, and may end
 * at any moment. In the place of `startThread` and `receivedOn` of lib/threads.ts.
 */

import { EventEmitter } from 'node:events';
import type { DecodedHeartbeat } from '../../src/lane/decode.ts';
import { Lane } from '../../src/lane/lane.ts';
import type { FromLane, LaneThreadData, ToLane } from '../../src/lane/messages.ts';
import { OrderedPort } from '../../src/lane/ordered-port.ts';
import type { ReadablePort } from '../../src/lane/sleeping-port.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { ApplyTimesWriter } from '../../src/store/apply-times.ts';
import { Publications } from '../../src/store/publications.ts';
import { AllowanceReader } from '../../src/store/record-allowance.ts';

/** A heartbeat with this task ends the thread that has it in hand. */
export const POISON = 'poison';
/** One with this task is in hand for ever: the thread waits in the system, and does not end when it is told to. */
export const HANG = 'hang';

export class FakeThread extends EventEmitter {
  readonly port = new EventEmitter() as EventEmitter & { postMessage(message: unknown): void; close(): void };
  readonly #data: LaneThreadData;
  readonly #clock: Clock;
  readonly #posted: unknown[] = [];
  readonly #inbox: ReadablePort;
  /** Received, and not done. */
  #next: ToLane | undefined;
  readonly #said: FromLane[] = [];
  /** Slots that it may write, by row. */
  readonly serves = new Map<number, unknown>();
  #listener: ((message: ToLane) => void) | undefined;
  #ending: Promise<number> | undefined;
  isDead = false;
  /** It waits in the system, and does not end when it is told to. */
  isStuck = false;

  constructor(data: LaneThreadData, clock: Clock) {
    super();
    this.#data = data;
    this.#clock = clock;
    const inbox: ReadablePort = {
      postMessage() {},
      receive: () => (this.#posted.length === 0 ? undefined : { message: this.#posted.shift() }),
      close() {},
    };
    this.#inbox = data.ring === undefined ? inbox : new OrderedPort(inbox, data.ring);
    this.port.postMessage = (message) => this.#posted.push(message);
    this.port.close = () => {};
  }

  /** Whether it has something to do, or main has something to hear. */
  get isBusy(): boolean {
    return (
      !this.isDead &&
      !this.isStuck &&
      (this.#listener === undefined || this.#told() !== undefined || this.#said.length > 0)
    );
  }

  /** The next thing that it was told and has not done. */
  #told(): ToLane | undefined {
    this.#next ??= this.#inbox.receive()?.message as ToLane | undefined;
    return this.#next;
  }

  /** It comes so far as to be ready. */
  boot(): void {
    if (this.isDead || this.#listener !== undefined) return;
    const port = {
      postMessage: (message: FromLane) => {
        if (message.type === 'grown') this.serves.set(message.slot, message.memory);
        this.#said.push(message);
      },
      onMessage: (listener: (message: ToLane) => void) => {
        this.#listener = listener;
      },
      close: () => {},
    };
    new Lane(port, {
      clock: this.#clock,
      allowance: new AllowanceReader(this.#data.allowance),
      publications: new Publications(this.#data.publications),
      applyTimes: new ApplyTimesWriter(this.#data.applyTimes, this.#data.lane),
      custom: { derive, isHeld: () => false },
    });
  }

  /** Does the next thing that it was told. @param others that may write slots as well */
  work(others: readonly FakeThread[]): void {
    const isIdle = this.isDead || this.isStuck || this.#listener === undefined;
    const message = isIdle ? undefined : this.#told();
    if (message === undefined) return;
    this.#next = undefined;
    if (message.type === 'serve') {
      const other = others.find((thread) => thread !== this && thread.writes(message.slot, message.memory));
      if (other !== undefined) throw new Error(`two threads write the slot at row ${message.slot}`);
      this.serves.set(message.slot, message.memory);
    }
    if (message.type === 'leave') this.serves.delete(message.slot);
    try {
      this.#listener?.(message);
    } catch (error) {
      if (error instanceof Poisoned) this.die(error);
      else if (error instanceof Hung) this.#hang(error.row);
      else throw error;
    }
  }

  writes(row: number, memory: unknown): boolean {
    return !this.isDead && this.serves.get(row) === memory;
  }

  /** Main hears the next thing that it said. */
  speak(): void {
    const message = this.isDead ? undefined : this.#said.shift();
    if (message !== undefined) this.port.emit('message', message);
  }

  /** What it has said and nobody has heard. */
  lastWord(): { readonly message: FromLane } | undefined {
    const message = this.#said.shift();
    return message && { message };
  }

  /** It will write no other slot than the one that it has in hand. */
  #hang(row: number): void {
    this.isStuck = true;
    for (const other of this.serves.keys()) if (other !== row) this.serves.delete(other);
  }

  /** What it waited for has come: it ends, if it was told to, and is as good as dead if not. */
  letGo(): void {
    if (this.isStuck) this.die();
  }

  die(error?: Error): void {
    if (this.isDead) return;
    this.isDead = true;
    if (error !== undefined) this.emit('error', error);
    this.emit('exit', 1);
  }

  // ── what a Worker has ────────────────────────────────────────────────────────────────────────────────────────

  terminate(): Promise<number> {
    this.#ending ??= new Promise((resolve) => this.once('exit', resolve));
    if (!this.isStuck) setImmediate(() => this.die());
    return this.#ending;
  }

  unref(): void {}

  /** It waits for the test. */
  async cpuUsage(): Promise<{ user: number; system: number }> {
    return { user: 0, system: 0 };
  }

  async getHeapStatistics(): Promise<{ external_memory: number }> {
    return { external_memory: 0 };
  }
}

class Poisoned extends Error {}

class Hung extends Error {
  readonly row: number;

  constructor(row: number) {
    super();
    this.row = row;
  }
}

function derive({ runningTasks }: DecodedHeartbeat, { row }: { readonly row: number }): undefined {
  if (runningTasks?.some(({ taskId }) => taskId === POISON)) throw new Poisoned('poisoned');
  if (runningTasks?.some(({ taskId }) => taskId === HANG)) throw new Hung(row);
}
