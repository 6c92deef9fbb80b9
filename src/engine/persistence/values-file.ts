/**
 * Stores last values on disk: what readers see of a worker after a restart, until its next heartbeat. Written as a
 * whole periodically and when the master stops; a crash loses up to half a minute of it, but nothing of the members
 * (members-file.ts). A worker's first values are appended at once, so that no worker is shown as active without values.
 * If appending fails, they are written with all others soon after.
 *
 * A record's JSON is inserted into its line as it is. Nothing is serialised, and main is never blocked.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Clock, Timer } from '../../lib/clock.ts';
import { copyAside, moveAside } from '../../lib/damaged-file.ts';
import { messageOf } from '../../lib/errors.ts';
import { jsonIn } from '../../lib/json.ts';
import { type Losses, readObjects } from '../../lib/json-objects.ts';
import type { Logger } from '../../lib/logging.ts';
import { replaceFile } from '../../lib/replace-file.ts';
import { textsInTurns } from '../../lib/turns.ts';
import { dataFileError } from './data-file-error.ts';

const FILE_NAME = 'values.jsonl';
const FORMAT = 'pulselane-values';
const VERSION = 1;
const WRITE_EVERY_MS = 30_000;
/** First values within this time are written together, like memberships. */
const ADD_AFTER_MS = 200;
/** Delay after a failed write. */
const RETRY_AFTER_MS = 5000;
/**
 * Room for 400,000 workers of usual size. Further ones are left out, and have values again with their next heartbeat.
 */
const MAX_FILE_BYTES = 256 * 1024 ** 2;
/** Several times the size of a worker's record; bounds the memory that a damaged file can take. */
const MAX_LINE_BYTES = 64 * 1024 ** 2;
const VALUES_BEGIN = '{"id":';

/** The saved last values of a worker. */
export interface SavedValues {
  readonly workerId: string;
  /** How long it had been silent when this was saved, by the master's monotonic clock. */
  readonly silentMs: number;
  readonly isActive: boolean;
  /** Its heartbeat interval, as far as the master knew. */
  readonly intervalMs: number;
  /** Unix second of its last accepted heartbeat. */
  readonly lastUpdateS: number;
  readonly registeredS: number;
  /** The record's JSON head, see record-json.ts. */
  readonly json: string;
}

const headerSchema = z.object({ format: z.literal(FORMAT), version: z.int() });
const HEADER = `${JSON.stringify({ format: FORMAT, version: VERSION })}\n`;

const number = z.number();
const lineSchema = z.object({
  id: z.string(),
  silentMs: number.nonnegative(),
  isActive: z.boolean(),
  intervalMs: number.nonnegative(),
  lastUpdateS: number.nonnegative(),
  registeredS: number.nonnegative(),
  record: z.object({
    worker_id: z.string(),
    cpu_usage: number,
    memory_usage: number,
    gpu_usage: number,
    storage_usage: number,
    running_tasks: z.array(z.unknown()),
    // Added by the reader; a record that contained it would show it twice.
    last_update: z.undefined().optional(),
    is_active: z.undefined().optional(),
  }),
});
/** The part before the record, exactly as it is written; the rest of the line is taken as it is. */
const BEFORE_RECORD =
  /^\{"id":"(?:[^"\\]|\\.)*","silentMs":[^,]*,"isActive":[^,]*,"intervalMs":[^,]*,"lastUpdateS":[^,]*,"registeredS":[^,]*,"record":/;
const AFTER_RECORD = '}}';

/** The line of a worker, with its line feed. */
export function valuesLine(values: SavedValues): string {
  const { workerId, silentMs, isActive, intervalMs, lastUpdateS, registeredS, json } = values;
  return (
    `{"id":${JSON.stringify(workerId)},"silentMs":${silentMs},"isActive":${isActive}` +
    `,"intervalMs":${intervalMs},"lastUpdateS":${lastUpdateS},"registeredS":${registeredS},"record":${json}${AFTER_RECORD}\n`
  );
}

/** Parses a line without its line feed; undefined if it is invalid. */
export function parseValuesLine(line: string): SavedValues | undefined {
  const values = lineSchema.safeParse(jsonIn(line));
  if (!values.success || values.data.id !== values.data.record.worker_id) return undefined;
  const before = BEFORE_RECORD.exec(line)?.[0];
  if (before === undefined || !line.endsWith(AFTER_RECORD)) return undefined;
  const { id: workerId, record: _, ...rest } = values.data;
  return { workerId, ...rest, json: line.slice(before.length, -AFTER_RECORD.length) };
}

function versionIn(text: string): number | undefined {
  const header = headerSchema.safeParse(jsonIn(text));
  return header.success ? header.data.version : undefined;
}

export interface ValuesFileOptions {
  readonly dataDir: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class ValuesFile {
  readonly #options: ValuesFileOptions;
  readonly #path: string;
  #source: (() => Iterable<SavedValues>) | undefined;
  #one: (workerId: string) => SavedValues | undefined = () => undefined;
  /** Workers with values in the file. */
  #held = new Set<string>();
  /** Workers without values in the file, which should get some soon. */
  #newcomers = new Set<string>();
  #addTimer: Timer | undefined;
  #sizeBytes = 0;
  #timer: Timer | undefined;
  #writing: Promise<void> | undefined;
  #isFailing = false;
  /** The file is damaged, or the result of its last write is unknown: nothing may be appended. */
  #isOwed = false;
  #isAbandoned = false;

  constructor(options: ValuesFileOptions) {
    this.#options = options;
    this.#path = join(options.dataDir, FILE_NAME);
  }

  /**
   * Reads the values kept by an earlier master, by worker. A damaged file is set aside, and its readable part is kept.
   * @throws PulselaneError `environment`, naming the setting, if the data directory is unusable
   */
  async read(): Promise<ReadonlyMap<string, SavedValues>> {
    const { dataDir } = this.#options;
    try {
      return (await this.#read()) ?? new Map();
    } catch (error) {
      throw dataFileError(dataDir, this.#path, error);
    }
  }

  /**
   * Starts writing the values from `source` periodically. They are requested one by one, over many turns of the event
   * loop.
   * @param one returns the values of one worker, for {@link hasCome}
   */
  start(source: () => Iterable<SavedValues>, one?: (workerId: string) => SavedValues | undefined): void {
    if (this.#isAbandoned) return;
    this.#source = source;
    if (one !== undefined) this.#one = one;
    if (this.#isOwed) this.#writing ??= this.#write(source);
    this.#timer = this.#options.clock.every(WRITE_EVERY_MS, () => {
      // Skipped while the previous write is in progress.
      this.#writing ??= this.#write(source);
    });
  }

  /** Called when a worker has values: they are written soon, unless the file has some of it. Cheap. */
  hasCome(workerId: string): void {
    if (this.#source === undefined || this.#held.has(workerId)) return;
    this.#newcomers.add(workerId);
    this.#addAfter(this.#isFailing ? RETRY_AFTER_MS : ADD_AFTER_MS);
  }

  /** Writes at once, since the file was removed or truncated. */
  writeAgain(): void {
    if (this.#source !== undefined) this.#writing ??= this.#write(this.#source);
  }

  /** Stops writing, because the directory belongs to another master. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#timer?.cancel();
    this.#addTimer?.cancel();
    this.#source = undefined;
  }

  /** Writes a last time, if writing was started. Later requests are ignored. */
  async close(): Promise<void> {
    const source = this.#source;
    this.#source = undefined;
    this.#timer?.cancel();
    this.#addTimer?.cancel();
    await this.#writing;
    if (source !== undefined && !this.#isAbandoned) await this.#write(source);
  }

  async #read(): Promise<ReadonlyMap<string, SavedValues> | undefined> {
    const { clock, logger } = this.#options;
    const values = new Map<string, SavedValues>();
    let version: number | undefined;
    const take = (text: string) => {
      const line = parseValuesLine(text);
      if (line !== undefined) values.set(line.workerId, line);
      const found = line === undefined ? versionIn(text) : undefined;
      version ??= found;
      return line !== undefined || found !== undefined;
    };
    let losses: Losses;
    try {
      losses = await readObjects(this.#path, { maxBytes: MAX_LINE_BYTES, beginning: VALUES_BEGIN, take });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    const { bytes, lostPlaces, lostBytes, isCutShort } = losses;
    const isForeign = version !== undefined && version !== VERSION;
    if (version === VERSION && lostPlaces === 0 && !isCutShort) return values;
    if (version === VERSION && lostPlaces === 0) {
      logger.warn({ file: this.#path }, 'the last line of the values file is incomplete and is ignored');
      this.#isOwed = true;
      return values;
    }
    // Until the first write, useful values must not be lost if this master is killed.
    this.#isOwed = !isForeign && values.size > 0;
    const aside = await (this.#isOwed ? copyAside : moveAside)(this.#path, clock);
    const lostLines = lostPlaces + Number(isCutShort);
    logger.error(
      { file: this.#path, aside, recovered: isForeign ? 0 : values.size, lostLines, lostBytes, bytes },
      isForeign
        ? `values file has version ${version}, but this master supports ${VERSION}: it was set aside, starting without last values`
        : 'values file is damaged: it was set aside, continuing with the readable part',
    );
    return isForeign ? undefined : values;
  }

  #addAfter(delayMs: number): void {
    this.#addTimer ??= this.#options.clock.after(delayMs, () => this.#addNewcomers());
  }

  #addNewcomers(): void {
    this.#addTimer = undefined;
    const source = this.#source;
    if (source === undefined) return;
    if (this.#writing !== undefined) {
      // The write may include them; if not, they are appended afterwards.
      this.#addAfter(ADD_AFTER_MS);
      return;
    }
    const newcomers = [...this.#newcomers].filter((workerId) => !this.#held.has(workerId));
    this.#newcomers.clear();
    if (newcomers.length === 0 && !this.#isOwed) return;
    this.#writing = this.#isOwed || this.#held.size === 0 ? this.#write(source) : this.#add(newcomers);
  }

  /** Never rejects: what cannot be appended is written with the others soon. */
  async #add(workerIds: readonly string[]): Promise<void> {
    try {
      // Fails if the file was removed: a new one would lack its earlier content.
      const file = await open(this.#path, constants.O_WRONLY | constants.O_APPEND);
      try {
        await file.appendFile(textsInTurns(this.#linesOfEach(workerIds), (line) => line));
        await file.datasync();
      } finally {
        await file.close();
      }
      for (const workerId of workerIds) this.#held.add(workerId);
    } catch (error) {
      this.#failed(error);
      if (this.#source !== undefined) this.#addAfter(RETRY_AFTER_MS);
    } finally {
      this.#writing = undefined;
    }
  }

  *#linesOfEach(workerIds: readonly string[]): Generator<string> {
    for (const workerId of workerIds) {
      const values = this.#one(workerId);
      const line = values === undefined ? '' : valuesLine(values);
      this.#sizeBytes += Buffer.byteLength(line);
      if (this.#sizeBytes > MAX_FILE_BYTES) return;
      yield line;
    }
  }

  /** Never rejects: the next write retries. A failure is logged once, until a write succeeds. */
  async #write(source: () => Iterable<SavedValues>): Promise<void> {
    const { logger } = this.#options;
    try {
      const held = new Set<string>();
      let bytes = 0;
      const lines = linesOf(source(), (workerId, size) => {
        held.add(workerId);
        bytes = size;
      });
      await replaceFile(this.#path, textsOf(lines), { mayReplace: () => !this.#isAbandoned });
      this.#held = held;
      this.#isOwed = false;
      this.#sizeBytes = bytes;
      if (this.#isFailing) logger.info({ file: this.#path }, 'values file can be written again');
      this.#isFailing = false;
    } catch (error) {
      this.#failed(error);
    } finally {
      this.#writing = undefined;
    }
  }

  #failed(error: unknown): void {
    if (this.#isAbandoned) return;
    if (!this.#isFailing) {
      this.#options.logger.error({ file: this.#path, err: messageOf(error) }, 'values file could not be written');
    }
    this.#isFailing = true;
    this.#isOwed = true;
  }
}

async function* textsOf(lines: Iterable<string>): AsyncGenerator<string> {
  yield HEADER;
  yield* textsInTurns(lines, (line) => line);
}

function* linesOf(source: Iterable<SavedValues>, onLine: (workerId: string, bytes: number) => void): Generator<string> {
  let bytes = HEADER.length;
  for (const values of source) {
    const line = valuesLine(values);
    bytes += Buffer.byteLength(line);
    if (bytes > MAX_FILE_BYTES) return;
    onLine(values.workerId, bytes);
    yield line;
  }
}
