/**
 * Stores the members in a journal in the data directory. Changes are appended in batches after a short delay; when most
 * of the journal is history, it is replaced by the current state.
 *
 * It writes what is known: what was read, until the members have taken it over, and the members from then on. A start
 * that fails or takes long leaves the file complete. If the directory belongs to another master, nothing is written,
 * and a write in progress does not take effect.
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
/** File of an earlier format, which was always rewritten as a whole. */
const OLD_FILE_NAME = 'members.json';
/**
 * Changes within this time are written together, so that a registering fleet takes few writes. All is on disk within a
 * second.
 */
const WRITE_AFTER_MS = 200;
/** Delay after a failed write. */
const RETRY_AFTER_MS = 5000;
/**
 * Number of lines beyond two per member before the journal is replaced, so that a small fleet does not replace it
 * constantly.
 */
const SPARE_LINES = 1000;
/** Many times the size of a registration; bounds the memory that a damaged file can take. */
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
  /** Called when the file can no longer be written, and when it can again. */
  readonly onFailing?: (fails: boolean, reason?: string) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * | state     | meaning                                                            | next write                        |
 * | --------- | ------------------------------------------------------------------ | --------------------------------- |
 * | unread    | the file of an earlier master has not been read yet                | none                              |
 * | absent    | there is no file                                                   | creates it, with the first change |
 * | whole     | it is complete except for pending changes                          | appends them, or replaces it      |
 * | owed      | it is incomplete, or the result of its last write is unknown       | replaces it, even without changes |
 * | abandoned | it belongs to another master, for good                             | none                              |
 */
type State = 'unread' | 'absent' | 'whole' | 'owed' | 'abandoned';

export class MembersFile {
  readonly #options: MembersFileOptions;
  readonly #path: string;
  readonly #oldPath: string;
  /** Changes not written yet. */
  #changes: MemberChange[] = [];
  /** Number of changes in the file. */
  #lines = 0;
  #state: State = 'unread';
  /** What was read, until the members have taken it over. */
  #kept: readonly Member[] = [];
  #isFailing = false;
  #isClosed = false;
  /** Mark of the file after the last read or write; undefined: no file of ours exists. */
  #mark: FileMark | undefined;
  #timer: Timer | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(options: MembersFileOptions) {
    this.#options = options;
    this.#path = join(options.dataDir, FILE_NAME);
    this.#oldPath = join(options.dataDir, OLD_FILE_NAME);
  }

  /**
   * Reads the members kept by an earlier master, and writes every change from then on. If the file is damaged, a copy
   * is set aside and the readable part is kept.
   * @throws PulselaneError `environment`, naming the setting, if the data directory is unusable or of a newer version
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

  /** Checks whether the file was removed or truncated, and if so writes it again. Called periodically. */
  look(): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#state !== 'whole' || this.#isClosed || !(await this.#isCut().catch(() => false))) return;
      this.#options.logger.warn({ file: this.#path }, 'members file was removed or truncated: writing it again');
      this.#become('owed');
      this.#writeAfter(0);
    });
  }

  /**
   * Whether the file is unchanged since the last read or write, or removed; otherwise another master has used the
   * directory.
   * @throws as `stat` does
   */
  isAsLeft(): Promise<boolean> {
    return this.#inTurn(async () => {
      if (this.#state === 'unread') return true;
      const found = await markAt(this.#path);
      return found === undefined || (this.#mark !== undefined && areSameMarks(found, this.#mark));
    });
  }

  /** Stops writing, because the directory belongs to another master. */
  abandon(): void {
    this.#become('abandoned');
    this.#timer?.cancel();
    this.#changes = [];
  }

  /** Writes pending changes. Later changes are not written. */
  async close(): Promise<void> {
    this.#options.members.tellLate(true);
    this.#isClosed = true;
    await this.#write();
  }

  // ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** undefined if the file does not exist. */
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
        `${this.#path} has version ${version}, but this master supports versions up to ${JOURNAL_VERSION}: ` +
          'start the newer Pulselane that wrote it, or use another directory',
      );
    }
    const kept = [...journal.members.values()];
    const hasLost = losses.lostPlaces > 0 || version === undefined;
    if (losses.bytes === 0) {
      logger.error({ file: this.#path }, 'members file is empty; a file written by a master never is');
    } else if (hasLost) {
      await this.#tellDamage(losses, { members: kept.length, changes });
    } else if (losses.isCutShort) {
      logger.warn({ file: this.#path }, 'the last line of the members file is incomplete and is ignored');
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
      'members file is damaged: a copy was set aside, continuing with the readable part',
    );
  }

  /** Reads the file of the earlier format; undefined if it does not exist. */
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
        'members file is damaged: it was set aside, continuing with the readable part',
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

  /** Runs `work` after all earlier work, so that the file has one reader or writer at a time. */
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

  /** All known members. */
  #known(): readonly Member[] {
    const { members } = this.#options;
    if (!members.isRestored) return this.#kept;
    this.#kept = [];
    return members.all();
  }

  /** @returns whether it succeeded; a failure is logged once, until a write succeeds again */
  async #attempt(write: () => Promise<void>): Promise<boolean> {
    const { logger } = this.#options;
    try {
      await write();
      if (this.#isFailing) logger.info({ file: this.#path }, 'members file can be written again');
      this.#setFailing(false);
      this.#become('whole');
      return true;
    } catch (error) {
      if (this.#state === 'abandoned') return false;
      if (!this.#isFailing) {
        logger.error({ file: this.#path, err: messageOf(error) }, 'members file could not be written; retrying');
      }
      this.#setFailing(true, messageOf(error));
      // The file may end in half a line, which must not be continued: the next attempt writes everything.
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
    // Fails if the file was deleted: a new one would lack its earlier content.
    const file = await open(this.#path, constants.O_WRONLY | constants.O_APPEND);
    try {
      const { size } = await file.stat();
      const left = this.#mark?.sizeBytes;
      // The file may lack earlier content, or be another master's.
      if (size !== left) throw new Error(`it has ${size} bytes, but had ${left} after the last write`);
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

  /** Whether the file is shorter than it was left, or gone. @throws as `stat` does */
  async #isCut(): Promise<boolean> {
    const found = await markAt(this.#path);
    return (found?.sizeBytes ?? 0) < (this.#mark?.sizeBytes ?? 0);
  }
}

/** undefined if the file does not exist. @throws as `stat` does */
async function markAt(path: string): Promise<FileMark | undefined> {
  const found = await unlessMissing(stat(path));
  return found === undefined ? undefined : markOf(found);
}

/** The intact entries of a damaged file. */
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
