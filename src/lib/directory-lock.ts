/**
 * One master per data directory. The lock is a file that names its owner, so that a person can find the owner, and so
 * that the lock of a killed owner can be taken over.
 *
 * Creating: with a hard link, so that it is never read half-written, and only if there is none.
 *
 * Taking over: by the holder of another lock, named after the content of the stale one. Of all processes that find the
 * same stale lock, only that holder may remove it, and checks it again first, so that it never removes the lock of a
 * process that was faster. A process killed in between leaves the other lock stale, which is taken over in the same
 * way.
 *
 * Other containers or hosts: there the owner's process id means nothing. So every owner touches its lock periodically,
 * and a foreign lock is stale when it was not touched for a while.
 *
 * Loss: a lock that is gone, damaged, or names a process that is gone has no owner; the previous owner creates it
 * again, with the directory if necessary. The owner gives up if the lock names another running process, or a foreign
 * one whose state is unknown, or if another owner has changed the directory, having taken the lock over and released it
 * while this one was stopped.
 */
import { createHash, randomUUID } from 'node:crypto';
import { link, readFile, realpath, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { type Clock, sleep, type Timer } from './clock.ts';
import { messageOf, PulselaneError } from './errors.ts';
import type { Logger } from './logging.ts';
import { makeDirectory } from './make-directory.ts';
import { arePeers, identityOfSelf, type ProcessIdentity, stillRuns } from './process-identity.ts';

const FILE_NAME = 'lock';
const TOUCH_EVERY_MS = 5000;
/** Longer than a running master may be stopped: one that was stopped for 20 s must not lose its directory. */
const STALE_AFTER_MS = 30_000;
const LOOK_EVERY_MS = 1000;

const ownerSchema = z.object({
  // Zero and negative numbers denote process groups.
  pid: z.int().positive(),
  startedAt: z.int().optional(),
  pidNamespace: z.string().optional(),
  host: z.string(),
});

export interface DirectoryLock {
  /** Releases the directory. May be called repeatedly. */
  release(): Promise<void>;
}

export interface DirectoryLockOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Another process has taken it over, unaware that this one still runs: nothing may be written any more. */
  readonly onLost: () => void;
  /**
   * Called after the lock had been gone: whether the files in the directory are as this owner left them, or gone as
   * well.
   */
  readonly isAsLeft?: () => Promise<boolean>;
  /**
   * Called at each touch that finds the lock held. @param wasMade it had been gone, perhaps with the files, and was
   * created again
   */
  readonly onHeld?: (wasMade: boolean) => void;
  /** Called with the reason when the lock can no longer be touched or created; with undefined when it can again. */
  readonly onFailing?: (reason: string | undefined) => void;
}

/** A running process holds the lock. */
export class InUse extends Error {}

export interface AcquisitionOptions extends Pick<DirectoryLockOptions, 'clock' | 'logger'> {
  /** A file at the lock's path that names no owner may be somebody's, and is never removed. */
  readonly sparesOtherFiles?: boolean;
}

/** Directories locked by this process: its own process id in a lock does not tell whether it is held. */
const heldHere = new Set<string>();

/**
 * Creates the directory if it does not exist, and locks it. Takes 30 s if the lock is foreign and stale.
 * @throws PulselaneError `environment`, naming DATA_DIR, if it is in use or unusable
 */
export async function lockDirectory(dataDir: string, options: DirectoryLockOptions): Promise<DirectoryLock> {
  try {
    await makeDirectory(dataDir);
    return await lock(dataDir, await realpath(dataDir), options);
  } catch (error) {
    throw new PulselaneError('environment', `DATA_DIR=${dataDir}: ${problemOf(error)}`, { cause: error });
  }
}

/** `mkdir` reports a file as "exists already", which is misleading. */
function problemOf(error: unknown): string {
  const { code, syscall } = error as NodeJS.ErrnoException;
  return syscall === 'mkdir' && (code === 'EEXIST' || code === 'ENOTDIR')
    ? 'expected a directory, or a path where one can be created, but a part of the path is a file'
    : messageOf(error);
}

async function lock(dataDir: string, realDir: string, options: DirectoryLockOptions): Promise<DirectoryLock> {
  const path = join(dataDir, FILE_NAME);
  if (heldHere.has(realDir)) throw new InUse(inUse(path, `this process (${process.pid})`));
  heldHere.add(realDir);
  try {
    const self = identityOfSelf();
    // The id makes the text of each lock unique, whatever the system reports about processes.
    const text = `${JSON.stringify({ ...self, id: randomUUID() })}\n`;
    await new Acquisition(path, self, text, options).take(path);
    return new HeldLock(path, self, text, options, () => heldHere.delete(realDir));
  } catch (error) {
    heldHere.delete(realDir);
    throw error;
  }
}

/** The state of a lock file at one look. */
interface Sight {
  readonly text: string;
  readonly touchedMs: number;
}

export class Acquisition {
  /** Path of the directory's lock, whichever lock is being taken. */
  readonly #path: string;
  readonly #self: ProcessIdentity;
  readonly #text: string;
  readonly #options: AcquisitionOptions;

  constructor(path: string, self: ProcessIdentity, text: string, options: AcquisitionOptions) {
    this.#path = path;
    this.#self = self;
    this.#text = text;
    this.#options = options;
  }

  /** Resolves when this process holds the lock at `path`. @throws if a running process holds it */
  async take(path: string): Promise<void> {
    while (!(await create(path, this.#text))) {
      const sight = await look(path);
      // Released or changed in between: try again.
      if (sight === undefined) continue;
      const owner = ownerIn(sight.text);
      if (owner === undefined && this.#options.sparesOtherFiles === true) {
        throw new InUse(inUse(this.#path, 'what is no lock'));
      }
      const isPeer = owner !== undefined && arePeers(owner, this.#self);
      const verdict = isPeer ? judgePeer(owner) : await this.#judgeFromElsewhere(path, sight);
      if (verdict === 'held') throw new InUse(inUse(this.#path, nameOf(owner, isPeer)));
      if (verdict === 'stale') await this.#remove(path, sight, nameOf(owner, isPeer));
    }
  }

  async #judgeFromElsewhere(path: string, sight: Sight): Promise<Verdict> {
    const { clock, logger } = this.#options;
    logger.warn(
      { lock: path, waitMs: STALE_AFTER_MS },
      'the lock may be held in another container or on another host: waiting to see whether its owner still touches it',
    );
    const endMs = clock.monotonicMs() + STALE_AFTER_MS;
    while (clock.monotonicMs() < endMs) {
      await sleep(clock, LOOK_EVERY_MS);
      const now = await look(path);
      if (now?.text !== sight.text) return 'changed';
      if (now.touchedMs !== sight.touchedMs) return 'held';
    }
    return 'stale';
  }

  async #remove(path: string, stale: Sight, owner: string): Promise<void> {
    const right = `${path}.${createHash('sha256').update(stale.text).digest('hex').slice(0, 12)}`;
    await this.take(right);
    try {
      const now = await look(path);
      if (now?.text !== stale.text || now.touchedMs !== stale.touchedMs) return;
      await rm(path);
      this.#options.logger.warn({ lock: path, owner }, 'took over a stale lock, whose owner no longer runs');
    } finally {
      await rm(right, { force: true });
    }
  }
}

type Verdict = 'held' | 'stale' | 'changed';

function judgePeer(owner: ProcessIdentity): Verdict {
  // Our own process id, and we do not hold it: it belonged to an earlier process.
  if (owner.pid === process.pid) return 'stale';
  return stillRuns(owner) ? 'held' : 'stale';
}

class HeldLock implements DirectoryLock {
  readonly #path: string;
  readonly #self: ProcessIdentity;
  readonly #text: string;
  readonly #options: DirectoryLockOptions;
  readonly #onRelease: () => void;
  readonly #timer: Timer;
  #touching: Promise<void> = Promise.resolve();
  #isFailing = false;
  #isLost = false;
  /** The lock was created again, and it is unknown whether another owner was there in between. */
  #wasMade = false;
  /** Content of the lock file at the last look, if it named no owner. */
  #junk: string | undefined;
  #released: Promise<void> | undefined;

  constructor(path: string, self: ProcessIdentity, text: string, options: DirectoryLockOptions, onRelease: () => void) {
    this.#path = path;
    this.#self = self;
    this.#text = text;
    this.#options = options;
    this.#onRelease = onRelease;
    this.#timer = options.clock.every(TOUCH_EVERY_MS, () => {
      this.#touching = this.#touching.then(() => this.#touch());
    });
  }

  release(): Promise<void> {
    this.#released ??= this.#release();
    return this.#released;
  }

  async #release(): Promise<void> {
    this.#timer.cancel();
    await this.#touching;
    try {
      if (await this.#isOurs()) await rm(this.#path, { force: true });
    } finally {
      this.#onRelease();
    }
  }

  async #touch(): Promise<void> {
    const { clock, isAsLeft, onHeld } = this.#options;
    if (this.#isLost) return;
    try {
      const sight = await look(this.#path);
      if (sight?.text === this.#text) {
        const now = new Date(clock.wallMs());
        await utimes(this.#path, now, now);
      } else if (!(await this.#makeAgain(sight))) return;
      const wasMade = this.#wasMade;
      // Checked while the lock is held, so that nobody else writes there.
      if (wasMade && (await isAsLeft?.()) === false) {
        this.#lose();
        return;
      }
      this.#wasMade = false;
      this.#setFailing(undefined);
      onHeld?.(wasMade);
    } catch (error) {
      if (error instanceof InUse) this.#lose();
      else this.#setFailing(error);
    }
  }

  /** @returns whether it was created; not if it is, or may be, another process's */
  async #makeAgain(sight: Sight | undefined): Promise<boolean> {
    if (sight !== undefined) {
      const owner = ownerIn(sight.text);
      if (owner === undefined) {
        // Another process may be writing it.
        const wasSeen = this.#junk === sight.text;
        this.#junk = sight.text;
        if (!wasSeen) return false;
        await rm(this.#path, { force: true });
      } else if (!arePeers(owner, this.#self) || judgePeer(owner) === 'held') {
        this.#lose();
        return false;
      }
    }
    this.#junk = undefined;
    await makeDirectory(dirname(this.#path));
    await new Acquisition(this.#path, this.#self, this.#text, this.#options).take(this.#path);
    this.#wasMade = true;
    this.#options.logger.warn({ lock: this.#path }, 'the lock of the data directory was removed: created it again');
    return true;
  }

  #lose(): void {
    this.#timer.cancel();
    this.#isLost = true;
    this.#options.onLost();
  }

  #setFailing(error: unknown): void {
    const { logger, onFailing } = this.#options;
    if ((error !== undefined) === this.#isFailing) return;
    this.#isFailing = error !== undefined;
    const reason = error === undefined ? undefined : messageOf(error);
    if (reason !== undefined) logger.warn({ lock: this.#path, err: reason }, 'the lock could not be touched');
    onFailing?.(reason);
  }

  async #isOurs(): Promise<boolean> {
    return (await look(this.#path))?.text === this.#text;
  }
}

/** @returns false if it exists already */
async function create(path: string, text: string): Promise<boolean> {
  const whole = `${path}.${randomUUID()}`;
  await writeFile(whole, text, { flag: 'wx' });
  try {
    return await unlessThere(() => link(whole, path));
  } catch {
    // A file system without links. A process that reads it half-written waits as for a foreign lock.
    return await unlessThere(() => writeFile(path, text, { flag: 'wx' }));
  } finally {
    await rm(whole, { force: true });
  }
}

async function unlessThere(make: () => Promise<void>): Promise<boolean> {
  try {
    await make();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

export async function look(path: string): Promise<Sight | undefined> {
  try {
    const { mtimeMs } = await stat(path);
    return { text: await readFile(path, 'utf8'), touchedMs: mtimeMs };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function ownerIn(text: string): ProcessIdentity | undefined {
  try {
    return ownerSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function nameOf(owner: ProcessIdentity | undefined, isPeer: boolean): string {
  if (owner === undefined) return 'another process';
  return isPeer ? `process ${owner.pid}` : `process ${owner.pid} on ${owner.host}`;
}

function inUse(path: string, owner: string): string {
  return `in use by ${owner} (${path}); stop it, or give each master its own directory`;
}
