/**
 * Members on disk: a journal in the data directory. Changes are added at its end, soon and together; when most of it is
 * history, it is replaced by what counts.
 */
import { constants } from 'node:fs';
import { open, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Clock, Timer } from '../lib/clock.ts';
import { copyAside, moveAside } from '../lib/damaged-file.ts';
import { messageOf } from '../lib/errors.ts';
import { jsonIn } from '../lib/json.ts';
import { type Losses, objectsIn, readObjects } from '../lib/json-objects.ts';
import type { Logger } from '../lib/logging.ts';
import { replaceFile } from '../lib/replace-file.ts';
import { textsInTurns } from '../lib/turns.ts';
import { workerIdProblem } from '../model/worker-id.ts';
import { dataFileError } from './data-file-error.ts';
import type { Member, Members } from './members.ts';
import {
  CHANGE_BEGINS,
  JOURNAL_HEADER,
  JOURNAL_VERSION,
  JournalReader,
  journalLine,
  type MemberChange,
} from './members-journal.ts';

const FILE_NAME = 'members.jsonl';
/** What a master before this format wrote, as a whole each time. */
const OLD_FILE_NAME = 'members.json';
/** Changes of this long are written together: a fleet that registers is a few writes. All is on disk within a second. */
const WRITE_AFTER_MS = 200;
/** After a failed write. */
const RETRY_AFTER_MS = 5000;
/** Lines beyond two for each member, before the journal is replaced: a small fleet does not replace it all the time. */
const SPARE_LINES = 1000;
/** Many times what a registration may hold; a damaged file costs no more memory than some of these. */
const MAX_CHANGE_BYTES = 16 * 1024 ** 2;

const oldWorkerSchema = z.object({
  id: z.string().refine((id) => workerIdProblem(id) === undefined),
  approved: z.boolean(),
  address: z.string().optional(),
});
const oldSchema = z.object({ version: z.literal(1), workers: z.array(oldWorkerSchema) });

export interface MembersFileOptions {
  readonly dataDir: string;
  readonly members: Members;
  /** Told whenever the file can no longer be written, and when it can again. */
  readonly onFailing?: (fails: boolean, reason?: string) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class MembersFile {
  readonly #options: MembersFileOptions;
  readonly #path: string;
  readonly #oldPath: string;
  /** Changes that are not written yet. */
  #changes: MemberChange[] = [];
  /** Changes that the file holds. */
  #lines = 0;
  /** There is no file yet, or nobody knows how its last write ended. */
  #mustReplace = true;
  /** The file is not as it should be, whether anything changes or not. */
  #isOwed = false;
  #isFailing = false;
  #isClosed = false;
  /** How large it was when it was written last; undefined: there is none of ours. */
  #sizeBytes: number | undefined;
  #timer: Timer | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: MembersFileOptions) {
    this.#options = options;
    this.#path = join(options.dataDir, FILE_NAME);
    this.#oldPath = join(options.dataDir, OLD_FILE_NAME);
  }

  /**
   * Reads what an earlier master kept, and writes every change from then on. Of a damaged file, a copy is set aside and
   * what can be read is kept.
   * @throws PulselaneError `environment`, naming the setting, if the data directory cannot be used or is of a newer version
   */
  async open(): Promise<readonly Member[]> {
    const { dataDir, members } = this.#options;
    try {
      const kept = (await this.#readJournal()) ?? (await this.#migrate()) ?? [];
      members.onChange((workerId) => this.#changed(workerId));
      return kept;
    } catch (error) {
      throw dataFileError(dataDir, this.#path, error);
    }
  }

  /** At times: whether somebody has removed the file, or cut it. Then it is written anew, of all that is known. */
  look(): Promise<void> {
    this.#writing = this.#writing.then(async () => {
      if (this.#sizeBytes === undefined || this.#isOwed || this.#isClosed) return;
      const sizeBytes = await sizeOf(this.#path).catch(() => this.#sizeBytes as number);
      if (sizeBytes >= this.#sizeBytes) return;
      this.#options.logger.warn({ file: this.#path }, 'members file was removed or cut: it is written anew');
      this.#mustReplace = true;
      this.#isOwed = true;
      this.#writeAfter(0);
    });
    return this.#writing;
  }

  /** Writes nothing more: the directory is another master's. */
  abandon(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#changes = [];
  }

  /** Writes what is not yet written. What changes afterwards is not. */
  async close(): Promise<void> {
    this.#options.members.tellLate(true);
    this.#isClosed = true;
    await this.#write();
  }

  // ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** undefined if there is none. */
  async #readJournal(): Promise<readonly Member[] | undefined> {
    const { logger } = this.#options;
    const journal = new JournalReader();
    const take = (text: string) => journal.take(text);
    const reading = readObjects(this.#path, { maxBytes: MAX_CHANGE_BYTES, beginning: CHANGE_BEGINS, take });
    const losses = await unlessMissing(reading);
    if (losses === undefined) return undefined;
    const { version, changes } = journal;
    if (journal.isNewer) {
      throw new Error(
        `${this.#path} has version ${version}, and this master reads up to ${JOURNAL_VERSION}: ` +
          'start the newer Pulselane that wrote it, or use another directory',
      );
    }
    const kept = [...journal.members.values()];
    const hasLost = losses.lostPlaces > 0 || version === undefined;
    if (losses.bytes === 0) {
      logger.error({ file: this.#path }, 'members file is empty, which none that a master wrote is');
    } else if (hasLost) {
      await this.#tellDamage(losses, { members: kept.length, changes });
    } else if (losses.isCutShort) {
      logger.warn({ file: this.#path }, 'the last line of the members file was cut short and is dropped');
    }
    this.#lines = changes;
    this.#sizeBytes = losses.bytes;
    this.#mustReplace = hasLost || losses.isCutShort;
    if (this.#mustReplace || changes > kept.length) await this.#attempt(() => this.#replace(kept));
    return kept;
  }

  async #tellDamage({ bytes, lostPlaces, lostBytes }: Losses, read: { members: number; changes: number }) {
    const { clock, logger } = this.#options;
    const aside = await copyAside(this.#path, clock);
    logger.error(
      {
        file: this.#path,
        aside,
        recovered: read.members,
        changes: read.changes,
        lostLines: lostPlaces,
        lostBytes,
        bytes,
      },
      'members file is damaged: a copy is set aside, going on with what can be read',
    );
  }

  /** Takes over what a master before this format kept; undefined if there is nothing. */
  async #migrate(): Promise<readonly Member[] | undefined> {
    const { clock, logger } = this.#options;
    const text = await unlessMissing(readFile(this.#oldPath, 'utf8'));
    if (text === undefined) return undefined;
    const whole = oldSchema.safeParse(jsonIn(text));
    const workers = whole.success ? whole.data.workers : oldWorkersIn(text);
    const kept = workers.map(({ id: workerId, approved, address }): Member => {
      return { workerId, approved, address, known: false, instanceIds: [], info: undefined };
    });
    if (!whole.success) {
      const aside = await moveAside(this.#oldPath, clock);
      logger.error(
        {
          file: this.#oldPath,
          aside,
          recovered: kept.length,
          bytes: text.length,
          reason: z.prettifyError(whole.error),
        },
        'members file is damaged: set aside, going on with what can be read',
      );
      if (kept.length > 0) await this.#attempt(() => this.#replace(kept));
    } else if (await this.#attempt(() => this.#replace(kept))) {
      await rename(this.#oldPath, `${this.#oldPath}.migrated`);
    }
    return kept;
  }

  // ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────

  #changed(workerId: string): void {
    if (this.#isClosed) return;
    this.#changes.push({ workerId, member: this.#options.members.get(workerId) });
    this.#writeAfter(this.#isFailing ? RETRY_AFTER_MS : WRITE_AFTER_MS);
  }

  #writeAfter(delayMs: number): void {
    this.#timer ??= this.#options.clock.after(delayMs, () => void this.#write());
  }

  /** Never rejects. */
  #write(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#writing = this.#writing.then(async () => {
      const { members } = this.#options;
      const changes = this.#changes;
      this.#changes = [];
      if (changes.length === 0 && !this.#isOwed) return;
      const isMostlyHistory = this.#lines + changes.length > 2 * members.size + SPARE_LINES;
      await this.#attempt(() =>
        this.#mustReplace || isMostlyHistory ? this.#replace(members.all()) : this.#append(changes),
      );
    });
    return this.#writing;
  }

  /** @returns whether it went well; that it did not is told once, until it does again. */
  async #attempt(write: () => Promise<void>): Promise<boolean> {
    const { logger } = this.#options;
    try {
      await write();
      if (this.#isFailing) logger.info({ file: this.#path }, 'members file is written again');
      this.#setFailing(false);
      this.#isOwed = false;
      return true;
    } catch (error) {
      if (!this.#isFailing) {
        logger.error({ file: this.#path, err: messageOf(error) }, 'members file could not be written: trying again');
      }
      this.#setFailing(true, messageOf(error));
      // Half a line may be at its end, and another must not go on from there: the next attempt writes all that is known then.
      this.#mustReplace = true;
      this.#isOwed = true;
      if (!this.#isClosed) this.#writeAfter(RETRY_AFTER_MS);
      return false;
    }
  }

  #setFailing(fails: boolean, reason?: string): void {
    if (this.#isFailing === fails) return;
    this.#isFailing = fails;
    this.#options.onFailing?.(fails, reason);
  }

  async #append(changes: readonly MemberChange[]): Promise<void> {
    // Not made anew where somebody has deleted it: it would lack all that was in it.
    const file = await open(this.#path, constants.O_WRONLY | constants.O_APPEND);
    try {
      await file.appendFile(textsInTurns(changes, journalLine));
      await file.datasync();
      this.#sizeBytes = (await file.stat()).size;
    } finally {
      await file.close();
    }
    this.#lines += changes.length;
  }

  async #replace(members: readonly Member[]): Promise<void> {
    this.#sizeBytes = await replaceFile(this.#path, textsOfAll(members));
    this.#lines = members.length;
    this.#mustReplace = false;
  }
}

/** 0 where there is none. @throws as `stat` does */
async function sizeOf(path: string): Promise<number> {
  return (await unlessMissing(stat(path)))?.size ?? 0;
}

/** Of a damaged file: those that are whole. */
function oldWorkersIn(text: string): z.infer<typeof oldWorkerSchema>[] {
  const workers: z.infer<typeof oldWorkerSchema>[] = [];
  const take = (found: string) => {
    const worker = oldWorkerSchema.safeParse(jsonIn(found));
    if (worker.success) workers.push(worker.data);
    return worker.success;
  };
  objectsIn(Buffer.from(text), { maxBytes: text.length, beginning: CHANGE_BEGINS, take });
  return workers;
}

async function* textsOfAll(members: readonly Member[]): AsyncGenerator<string> {
  yield JOURNAL_HEADER;
  yield* textsInTurns(members, (member) => journalLine({ workerId: member.workerId, member }));
}

async function unlessMissing<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
