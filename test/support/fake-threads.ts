/**
 * Threads of lanes without threads: each runs a real lane over a queue, does something only when the test says so, and may end
 * at any moment. In the place of `startThread` and `receivedOn` of lib/threads.ts.
 */
import { EventEmitter } from 'node:events';
import type { DecodedHeartbeat } from '../../src/lane/decode.ts';
import { Lane } from '../../src/lane/lane.ts';
import type { FromLane, LaneThreadData, ToLane } from '../../src/lane/messages.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { Publications } from '../../src/store/publications.ts';
import { AllowanceReader } from '../../src/store/record-allowance.ts';

/** A heartbeat with this task ends the thread that has it in hand. */
export const POISON = 'poison';

export class FakeThread extends EventEmitter {
  readonly port = new EventEmitter() as EventEmitter & { postMessage(message: ToLane): void; close(): void };
  readonly #data: LaneThreadData;
  readonly #clock: Clock;
  readonly #told: ToLane[] = [];
  readonly #said: FromLane[] = [];
  /** Slots that it may write, by row. */
  readonly serves = new Map<number, unknown>();
  #listener: ((message: ToLane) => void) | undefined;
  #ending: Promise<number> | undefined;
  isDead = false;

  constructor(data: LaneThreadData, clock: Clock) {
    super();
    this.#data = data;
    this.#clock = clock;
    this.port.postMessage = (message) => this.#told.push(message);
    this.port.close = () => {};
  }

  /** Whether it has something to do, or main has something to hear. */
  get isBusy(): boolean {
    return !this.isDead && (this.#listener === undefined || this.#told.length > 0 || this.#said.length > 0);
  }

  /** It comes so far as to be ready. */
  boot(): void {
    if (this.isDead || this.#listener !== undefined) return;
    const port = {
      postMessage: (message: FromLane) => void this.#said.push(message),
      onMessage: (listener: (message: ToLane) => void) => {
        this.#listener = listener;
      },
      close: () => {},
    };
    new Lane(port, {
      clock: this.#clock,
      allowance: new AllowanceReader(this.#data.allowance),
      publications: new Publications(this.#data.publications),
      custom: { derive: (heartbeat) => derive(heartbeat), isHeld: () => false },
    });
  }

  /** Does the next thing that it was told. @param others that may write slots as well */
  work(others: readonly FakeThread[]): void {
    const message = this.isDead || this.#listener === undefined ? undefined : this.#told.shift();
    if (message === undefined) return;
    if (message.type === 'serve') {
      const other = others.find((thread) => thread !== this && thread.writes(message.slot, message.memory));
      if (other !== undefined) throw new Error(`two threads write the slot at row ${message.slot}`);
      this.serves.set(message.slot, message.memory);
    }
    if (message.type === 'leave') this.serves.delete(message.slot);
    try {
      this.#listener?.(message);
    } catch (error) {
      if (!(error instanceof Poisoned)) throw error;
      this.die(error);
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

  die(error?: Error): void {
    if (this.isDead) return;
    this.isDead = true;
    if (error !== undefined) this.emit('error', error);
    this.emit('exit', 1);
  }

  // ── what a Worker has ────────────────────────────────────────────────────────────────────────────────────────

  terminate(): Promise<number> {
    this.#ending ??= new Promise((resolve) => {
      setImmediate(() => {
        this.die();
        resolve(1);
      });
    });
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

function derive({ runningTasks }: DecodedHeartbeat): undefined {
  if (runningTasks?.some(({ taskId }) => taskId === POISON)) throw new Poisoned('poisoned');
}
