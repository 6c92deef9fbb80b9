/**
 * Keeps a number that no event id has reached, so that ids go on after a restart even if the wall clock was set back. It is written
 * ahead in blocks: an event never waits for the disk.
 *
 *     ids in use ──────────► │          kept: the next master begins here ──► │
 *                  last id ──┘ … half a block from it, the next one is written
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock, Timer } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import type { Logger } from '../../lib/logging.ts';
import { replaceFile } from '../../lib/replace-file.ts';
import type { EventLog } from '../../model/events.ts';
import { dataFileError } from './data-file-error.ts';

const FILE_NAME = 'event-ids';
/** Many times the events that a second can bring; as a time, less than two minutes, since ids begin at the wall clock's ms. */
const BLOCK = 100_000;
const LOOK_EVERY_MS = 1000;

export interface EventIdsFileOptions {
  readonly dataDir: string;
  readonly events: EventLog;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class EventIdsFile {
  readonly #options: EventIdsFileOptions;
  readonly #path: string;
  /** What the file has. */
  #kept = 0;
  #timer: Timer | undefined;
  #writing: Promise<void> | undefined;
  #isFailing = false;
  #isAbandoned = false;

  constructor(options: EventIdsFileOptions) {
    this.#options = options;
    this.#path = join(options.dataDir, FILE_NAME);
  }

  /** From now on ids are above those of earlier masters. @throws PulselaneError `environment` if the file cannot be read */
  async open(): Promise<void> {
    const { dataDir, events, clock, logger } = this.#options;
    try {
      const text = await readFile(this.#path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return '0\n';
        throw error;
      });
      if (/^\d{1,16}\n$/.test(text)) this.#kept = Number(text);
      else
        logger.warn({ file: this.#path }, 'the file of event ids is damaged: ids begin at the time of the wall clock');
    } catch (error) {
      throw dataFileError(dataDir, this.#path, error);
    }
    events.raise(this.#kept);
    this.#timer = clock.every(LOOK_EVERY_MS, () => this.look());
  }

  /** Writes the next block when it is due. */
  look(): void {
    const { lastId } = this.#options.events;
    if (lastId + BLOCK / 2 > this.#kept && lastId > 0) this.#writing ??= this.#write(lastId + BLOCK);
  }

  /** The file was removed. */
  writeAgain(): void {
    this.#kept = 0;
    this.look();
  }

  /** Stops writing, because the directory belongs to another master. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#timer?.cancel();
  }

  /** The next master goes on right behind the last id. */
  async close(): Promise<void> {
    this.#timer?.cancel();
    await this.#writing;
    const { lastId } = this.#options.events;
    if (lastId > 0 && !this.#isAbandoned) await this.#write(lastId);
  }

  /** Never rejects: the next look tries again. A failure is logged once, until it succeeds. */
  async #write(next: number): Promise<void> {
    const { logger } = this.#options;
    try {
      await replaceFile(this.#path, [`${next}\n`], { mayReplace: () => !this.#isAbandoned });
      this.#kept = next;
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing && !this.#isAbandoned) {
        logger.error({ file: this.#path, err: messageOf(error) }, 'the file of event ids could not be written');
      }
      this.#isFailing = true;
    } finally {
      this.#writing = undefined;
    }
  }
}
