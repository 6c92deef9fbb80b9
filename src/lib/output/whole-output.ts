/**
 * Output that must be complete: the answer of a command. It waits for a slow reader as long as necessary (a pager may
 * pause for hours), and fails if it cannot be written, since half an answer must not look like a whole one.
 */
import { Writable } from 'node:stream';
import { type Clock, sleep } from '../clock.ts';
import { messageOf, PulselaneError } from '../errors.ts';
import type { OutputDevice } from './output-device.ts';

/** Retry interval for a slow reader. */
const RETRY_MS = 10;

export class WholeOutput extends Writable {
  readonly #device: OutputDevice;
  readonly #clock: Clock;
  #failure: NodeJS.ErrnoException | undefined;

  constructor(device: OutputDevice, clock: Clock) {
    // A failure is reported by `finished`, not by an event in the middle of the work.
    super({ decodeStrings: true, emitClose: false });
    this.#device = device;
    this.#clock = clock;
  }

  /** Why the rest could not be written; also that the reader is gone. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /**
   * Resolves when everything is written, or the reader is gone (`| head`).
   * @throws PulselaneError `environment` if it cannot be written
   */
  async finished(): Promise<void> {
    await new Promise<void>((resolve) => this.write('', () => resolve()));
    if (this.#failure === undefined || this.#failure.code === 'EPIPE') return;
    throw new PulselaneError('environment', `the output cannot be written: ${messageOf(this.#failure)}`);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    void this.#writeAll(chunk).then(() => done());
  }

  async #writeAll(chunk: Buffer): Promise<void> {
    let rest = chunk;
    while (rest.length > 0 && this.#failure === undefined) {
      try {
        const written = await this.#device.write(rest);
        if (written === 0) await sleep(this.#clock, RETRY_MS);
        rest = rest.subarray(written);
      } catch (error) {
        this.#failure = error as NodeJS.ErrnoException;
      }
    }
  }
}
