/**
 * Output that never fails, never waits and never grows without limit: for a log, a prompt, error messages. What cannot
 * be written is kept up to a limit and retried, whatever the reason: disk space may be freed, a reader may continue, a
 * FIFO may be reopened.
 */
import { Writable } from 'node:stream';
import { type Clock, sleep } from '../clock.ts';
import { messageOf } from '../errors.ts';
import { BoundedQueue } from './bounded-queue.ts';
import type { OutputDevice } from './output-device.ts';

export interface OutputLoss {
  readonly lines: number;
  /** Why they could not be written. */
  readonly reason: string;
}

export interface LossyOutputOptions {
  readonly device: OutputDevice;
  readonly clock: Clock;
  readonly maxBytes?: number;
}

/** About 5,000 lines of a log: minutes of a fleet in trouble. */
const MAX_BYTES = 1024 ** 2;
/** A slow reader continues within milliseconds; a persistent failure is retried every second. */
const FIRST_RETRY_MS = 10;
const LONGEST_RETRY_MS = 1000;

export class LossyOutput extends Writable {
  readonly #device: OutputDevice;
  readonly #clock: Clock;
  readonly #queue: BoundedQueue;
  #isWriting = false;
  #reason = '';
  #isFailing = false;
  #onLoss: (loss: OutputLoss) => void = () => {};
  #onFailure: (reason: string) => void = () => {};
  #whenIdle: (() => void)[] = [];

  constructor({ device, clock, maxBytes = MAX_BYTES }: LossyOutputOptions) {
    super({ decodeStrings: true });
    this.#device = device;
    this.#clock = clock;
    this.#queue = new BoundedQueue(maxBytes);
  }

  /** Called with the number of lost lines, once there is room to report it. */
  set onLoss(listener: (loss: OutputLoss) => void) {
    this.#onLoss = listener;
  }

  /** Called when writing fails: once, until something was written again. */
  set onFailure(listener: (reason: string) => void) {
    this.#onFailure = listener;
  }

  /** Bytes that wait to be written. */
  get waitingBytes(): number {
    return this.#queue.bytes;
  }

  /** Resolves when everything is written, including what is added meanwhile. */
  idle(): Promise<void> {
    if (!this.#isWriting) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#queue.add(chunk);
    if (!this.#isWriting) void this.#writeAll();
    done();
  }

  /** Never rejects. */
  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    let retryMs = FIRST_RETRY_MS;
    for (let bytes = this.#queue.next(); bytes !== undefined; bytes = this.#queue.next()) {
      const written = await this.#try(bytes);
      this.#queue.written(written);
      if (written > 0) {
        retryMs = FIRST_RETRY_MS;
        const lines = this.#queue.takeLoss();
        if (lines > 0) this.#onLoss({ lines, reason: this.#reason });
        continue;
      }
      await sleep(this.#clock, retryMs);
      retryMs = Math.min(LONGEST_RETRY_MS, retryMs * 2);
    }
    this.#isWriting = false;
    for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  async #try(bytes: Buffer): Promise<number> {
    try {
      const written = await this.#device.write(bytes);
      if (written === 0) this.#reason = 'its reader did not read';
      else this.#isFailing = false;
      return written;
    } catch (error) {
      this.#reason = messageOf(error);
      if (!this.#isFailing) this.#onFailure(this.#reason);
      this.#isFailing = true;
      return 0;
    }
  }
}
