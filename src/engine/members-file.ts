/** Approvals and addresses on disk: one small JSON file in the data directory, replaced as a whole. */
import { mkdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { z } from 'zod';
import type { Clock, Timer } from '../lib/clock.ts';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import type { Logger } from '../lib/logging.ts';
import { workerIdProblem } from '../model/worker-id.ts';
import type { Member, Members } from './members.ts';

const FILE_NAME = 'members.json';
const FILE_VERSION = 1;
/** Changes of this long are written together: approving a list of workers is one write. */
const WRITE_AFTER_MS = 200;

const fileSchema = z.object({
  version: z.literal(FILE_VERSION),
  workers: z.array(
    z.object({
      id: z.string().refine((id) => workerIdProblem(id) === undefined),
      approved: z.boolean(),
      address: z.string().optional(),
    }),
  ),
});

export interface MembersFileOptions {
  readonly dataDir: string;
  readonly members: Members;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class MembersFile {
  readonly #options: MembersFileOptions;
  readonly #path: string;
  #timer: Timer | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: MembersFileOptions) {
    this.#options = options;
    this.#path = join(options.dataDir, FILE_NAME);
  }

  /**
   * Reads what an earlier master kept, and writes every change from then on. A damaged file is set aside.
   * @throws PulselaneError `environment`, naming the setting, if the data directory cannot be used.
   */
  async open(): Promise<readonly Member[]> {
    const { dataDir, members } = this.#options;
    try {
      await mkdir(dataDir, { recursive: true });
      const kept = await this.#read();
      members.onChange(() => this.#writeSoon());
      return kept;
    } catch (error) {
      throw new PulselaneError('environment', `DATA_DIR=${dataDir}: ${messageOf(error)}`, { cause: error });
    }
  }

  /** Writes what is not yet written. */
  async close(): Promise<void> {
    if (this.#timer !== undefined) this.#write();
    await this.#writing;
  }

  async #read(): Promise<readonly Member[]> {
    const text = await readIfThere(this.#path);
    if (text === undefined) return [];
    try {
      const { workers } = fileSchema.parse(JSON.parse(text));
      return workers.map(({ id, approved, address }) => ({ workerId: id, approved, address }));
    } catch (error) {
      const aside = `${this.#path}.damaged-${new Date(this.#options.clock.wallMs()).toISOString().replaceAll(':', '')}`;
      await rename(this.#path, aside);
      this.#options.logger.error(
        { file: this.#path, aside, reason: error instanceof z.ZodError ? z.prettifyError(error) : messageOf(error) },
        'members file is damaged: set aside, starting without it',
      );
      return [];
    }
  }

  #writeSoon(): void {
    this.#timer ??= this.#options.clock.after(WRITE_AFTER_MS, () => this.#write());
  }

  #write(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const { members, logger } = this.#options;
    const workers = members.all().map(({ workerId, ...member }) => ({ id: workerId, ...member }));
    const text = `${JSON.stringify({ version: FILE_VERSION, workers }, null, 2)}\n`;
    this.#writing = this.#writing
      .then(() => writeFileAtomic(this.#path, text))
      .catch((error: unknown) => {
        logger.error({ file: this.#path, err: messageOf(error) }, 'members file could not be written');
      });
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
