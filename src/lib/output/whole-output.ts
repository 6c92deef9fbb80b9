/**
 * Output that must be whole: the answer of a command. It waits for a reader as long as the reader takes (a pager may stand
 * for hours), and fails where it cannot be written: half an answer must not look like one.
 */
import { Writable } from 'node:stream';
import { type Clock, sleep } from '../clock.ts';
import { messageOf, PulselaneError } from '../errors.ts';
import type { OutputDevice } from './output-device.ts';

/** A reader that is slow is looked at so often. */
const RETRY_MS = 10;

export class WholeOutput extends Writable {
  readonly #device: OutputDevice;
  readonly #clock: Clock;
  #failure: NodeJS.ErrnoException | undefined;

  constructor(device: OutputDevice, clock: Clock) {
    // A failure is told by `finished`, and not by an event in the middle of the work.
    super({ decodeStrings: true, emitClose: false });
    this.#device = device;
    this.#clock = clock;
  }

  /**
   * Resolves when all is written, or nobody is there any more who wants it (`| head`).
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
