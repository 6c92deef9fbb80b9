/**
 * Members on disk: a journal in the data directory. Changes are added at its end, soon and together; when most of it is
 * history, it is replaced by what counts.
 *
 * What is written is what is known: what was read, until the members have taken it over, and the members from then on. A
 * start that fails or takes long leaves the file as complete as it was. Of a directory that is another master's, nothing
 * is written, also not by a write that is under way.
 */
import { constants } from 'node:fs';
import { open, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Clock, Timer } from '../../lib/clock.ts';
import { copyAside, moveAside } from '../../lib/damaged-file.ts';
import { messageOf } from '../../lib/errors.ts';
import { areSameMarks, type FileMark, markOf } from '../../lib/file-mark.ts';
import { jsonIn } from '../../lib/json.ts';
import { type Losses, objectsIn, readObjects } from '../../lib/json-objects.ts';
import type { Logger } from '../../lib/logging.ts';
import { replaceFile } from '../../lib/replace-file.ts';
import { textsInTurns } from '../../lib/turns.ts';
import { workerIdProblem } from '../../model/worker-id.ts';
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

/**
 * | state     | means                                                              | next write                        |
 * | --------- | ------------------------------------------------------------------ | --------------------------------- |
 * | unread    | nobody has looked yet what an earlier master left                   | none                              |
 * | absent    | there is no file of ours                                           | makes it, with the first change   |
 * | whole     | it holds all that is known but for the changes that wait           | adds them, or replaces it         |
 * | owed      | it lacks something, or nobody knows how its last write ended       | replaces it, also without changes |
 * | abandoned | it is another master's; for ever                                   | none                              |
 */
type State = 'unread' | 'absent' | 'whole' | 'owed' | 'abandoned';

export class MembersFile {
  readonly #options: MembersFileOptions;
  readonly #path: string;
  readonly #oldPath: string;
  /** Changes that are not written yet. */
  #changes: MemberChange[] = [];
  /** Changes that the file holds. */
  #lines = 0;
  #state: State = 'unread';
  /** What was read, until the members have taken it over. */
  #kept: readonly Member[] = [];
  #isFailing = false;
  #isClosed = false;
  /** How it was left when it was read or written last; undefined: there is none of ours. */
  #mark: FileMark | undefined;
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
      await this.#inTurn(async () => {
        this.#kept = (await this.#readJournal()) ?? (await this.#migrate()) ?? [];
        if (this.#state === 'unread') this.#become('absent');
      });
      members.onChange((workerId) => this.#changed(workerId));
      return this.#kept;
    } catch (error) {
      throw dataFileError(dataDir, this.#path, error);
    }
  }

  /** At times: whether somebody has removed the file, or cut it. Then it is written anew, of all that is known. */
  look(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#state !== 'whole' || this.#isClosed || !(await this.#isCut().catch(() => false))) return;
      this.#options.logger.warn({ file: this.#path }, 'members file was removed or cut: it is written anew');
      this.#become('owed');
      this.#writeAfter(0);
    });
  }

  /**
   * Whether the file is as this master left it, or gone: if not, another master had the directory in between.
   * @throws as `stat` does
   */
  isAsLeft(): Promise<boolean> {
    return this.#inTurn(async () => {
      if (this.#state === 'unread') return true;
      const found = await markAt(this.#path);
      return found === undefined || (this.#mark !== undefined && areSameMarks(found, this.#mark));
    });
  }

  /** Writes nothing more: the directory is another master's. */
  abandon(): void {
    this.#become('abandoned');
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
    this.#mark = await markAt(this.#path);
    const isDamaged = hasLost || losses.isCutShort;
    this.#become(isDamaged ? 'owed' : 'whole');
    if (isDamaged || changes > kept.length) await this.#attempt(() => this.#replace(kept));
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
    if (this.#isClosed || this.#state === 'abandoned') return;
    this.#changes.push({ workerId, member: this.#options.members.get(workerId) });
    this.#writeAfter(this.#isFailing ? RETRY_AFTER_MS : WRITE_AFTER_MS);
  }

  #writeAfter(delayMs: number): void {
    this.#timer ??= this.#options.clock.after(delayMs, () => void this.#write());
  }

  /** After all that was asked for before: one reads or writes the file at a time. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#writing.then(work);
    this.#writing = turn.then(
      () => {},
      () => {},
    );
    return turn;
  }

  #become(state: State): void {
    if (this.#state !== 'abandoned') this.#state = state;
  }

  /** Never rejects. */
  #write(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = undefined;
    return this.#inTurn(async () => {
      const changes = this.#changes;
      this.#changes = [];
      if (this.#state === 'unread' || this.#state === 'abandoned') return;
      if (changes.length === 0 && this.#state !== 'owed') return;
      const isMostlyHistory = this.#lines + changes.length > 2 * this.#options.members.size + SPARE_LINES;
      const mustReplace = this.#state !== 'whole' || isMostlyHistory;
      await this.#attempt(() => (mustReplace ? this.#replace(this.#known()) : this.#append(changes)));
    });
  }

  /** All that is known of who is or may be in the fleet. */
  #known(): readonly Member[] {
    const { members } = this.#options;
    if (!members.isRestored) return this.#kept;
    this.#kept = [];
    return members.all();
  }

  /** @returns whether it went well; that it did not is told once, until it does again. */
  async #attempt(write: () => Promise<void>): Promise<boolean> {
    const { logger } = this.#options;
    try {
      await write();
      if (this.#isFailing) logger.info({ file: this.#path }, 'members file is written again');
      this.#setFailing(false);
      this.#become('whole');
      return true;
    } catch (error) {
      if (this.#state === 'abandoned') return false;
      if (!this.#isFailing) {
        logger.error({ file: this.#path, err: messageOf(error) }, 'members file could not be written: trying again');
      }
      this.#setFailing(true, messageOf(error));
      // Half a line may be at its end, and another must not go on from there: the next attempt writes all that is known then.
      this.#become('owed');
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
      const { size } = await file.stat();
      const left = this.#mark?.sizeBytes;
      // What would be added to might lack what came before, or be another master's.
      if (size !== left) throw new Error(`it has ${size} bytes, and was left with ${left}`);
      try {
        await file.appendFile(textsInTurns(changes, journalLine));
        await file.datasync();
      } finally {
        this.#mark = markOf(await file.stat());
      }
    } finally {
      await file.close();
    }
    this.#lines += changes.length;
  }

  async #replace(members: readonly Member[]): Promise<void> {
    const mayReplace = () => this.#state !== 'abandoned';
    this.#mark = await replaceFile(this.#path, textsOfAll(members), { mayReplace });
    this.#lines = members.length;
  }

  /** Whether it is smaller than it was left, or gone. @throws as `stat` does */
  async #isCut(): Promise<boolean> {
    const found = await markAt(this.#path);
    return (found?.sizeBytes ?? 0) < (this.#mark?.sizeBytes ?? 0);
  }
}

/** undefined where there is no file. @throws as `stat` does */
async function markAt(path: string): Promise<FileMark | undefined> {
  const found = await unlessMissing(stat(path));
  return found === undefined ? undefined : markOf(found);
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
