/**
 * One master per data directory. The lock is a file that names its owner, so that a person can find out who it is, and
 * so that it can be taken over from an owner that was killed.
 *
 * Made: with a link, so that nobody ever reads half of it, and only where there is none.
 *
 * Taken over: by whoever holds another lock, named after the content of the stale one. Of all that find the same stale
 * lock only its holder may remove it, and looks once more before it does: what it removes is never the lock of somebody
 * who was faster. A process that is killed in between leaves that other lock stale, which is taken over in the same way.
 *
 * Elsewhere: the owner's process number says nothing in another container or on another host. So every owner touches
 * its lock now and then, and a lock from elsewhere is stale when it was not touched for a while.
 *
 * Lost: a lock that is gone, or damaged, or one of a process that is gone, is nobody's; its owner makes it again, and the
 * directory with it. What names another process that lives, or one elsewhere of which nobody can tell, ends the right; so
 * does what another owner has left in the directory, who took the lock over and gave it back while this one stood still.
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
/** Longer than a master may stand still and yet live: one that did for 20 s must not find its directory taken. */
const STALE_AFTER_MS = 30_000;
const LOOK_EVERY_MS = 1000;

const ownerSchema = z.object({
  // Another number would name a group of processes.
  pid: z.int().positive(),
  startedAt: z.int().optional(),
  pidNamespace: z.string().optional(),
  host: z.string(),
});

export interface DirectoryLock {
  /** Gives the directory back. Safe to call again. */
  release(): Promise<void>;
}

export interface DirectoryLockOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Somebody has taken it over, who could not know that this process lives: nothing may be written any more. */
  readonly onLost: () => void;
  /** Asked when the lock had been gone: whether the files beside it are as this owner left them, or gone as well. */
  readonly isAsLeft?: () => Promise<boolean>;
  /** At each touch that finds the lock held. @param wasMade it, and maybe all beside it, had been gone and was made again */
  readonly onHeld?: (wasMade: boolean) => void;
  /** Told when the lock can no longer be touched, or made again, with the reason; undefined: it can again. */
  readonly onFailing?: (reason: string | undefined) => void;
}

/** Somebody who lives has it. */
class InUse extends Error {}

/** Directories that this process has locked: its own number in a lock does not tell whether it is held. */
const heldHere = new Set<string>();

/**
 * Makes the directory if it is not there, and locks it. Takes 30 s if its lock comes from elsewhere and is stale.
 * @throws PulselaneError `environment`, naming DATA_DIR, if it is in use or cannot be used
 */
export async function lockDirectory(dataDir: string, options: DirectoryLockOptions): Promise<DirectoryLock> {
  try {
    await makeDirectory(dataDir);
    return await lock(dataDir, await realpath(dataDir), options);
  } catch (error) {
    throw new PulselaneError('environment', `DATA_DIR=${dataDir}: ${problemOf(error)}`, { cause: error });
  }
}

/** `mkdir` says of a file that it exists already, which is not what is wrong with it. */
function problemOf(error: unknown): string {
  const { code, syscall } = error as NodeJS.ErrnoException;
  return syscall === 'mkdir' && (code === 'EEXIST' || code === 'ENOTDIR')
    ? 'expected a directory, or a path where one can be made: it leads to a file'
    : messageOf(error);
}

async function lock(dataDir: string, realDir: string, options: DirectoryLockOptions): Promise<DirectoryLock> {
  const path = join(dataDir, FILE_NAME);
  if (heldHere.has(realDir)) throw new InUse(inUse(path, `process ${process.pid}, which is this one`));
  heldHere.add(realDir);
  try {
    const self = await identityOfSelf();
    // The id makes every lock another text, whatever the system tells of processes.
    const text = `${JSON.stringify({ ...self, id: randomUUID() })}\n`;
    await new Acquisition(path, self, text, options).take(path);
    return new HeldLock(path, self, text, options, () => heldHere.delete(realDir));
  } catch (error) {
    heldHere.delete(realDir);
    throw error;
  }
}

/** A lock file as it was found. */
interface Sight {
  readonly text: string;
  readonly touchedMs: number;
}

class Acquisition {
  /** Of the directory's lock, whatever is being taken on the way there. */
  readonly #path: string;
  readonly #self: ProcessIdentity;
  readonly #text: string;
  readonly #options: DirectoryLockOptions;

  constructor(path: string, self: ProcessIdentity, text: string, options: DirectoryLockOptions) {
    this.#path = path;
    this.#self = self;
    this.#text = text;
    this.#options = options;
  }

  /** Resolves when the lock at `path` is ours. @throws if somebody who lives has it */
  async take(path: string): Promise<void> {
    while (!(await create(path, this.#text))) {
      const sight = await look(path);
      // Released, or changed, in between: once more.
      if (sight === undefined) continue;
      const owner = ownerIn(sight.text);
      const isPeer = owner !== undefined && arePeers(owner, this.#self);
      const verdict = isPeer ? await judgePeer(owner) : await this.#judgeFromElsewhere(path, sight);
      if (verdict === 'held') throw new InUse(inUse(this.#path, nameOf(owner, isPeer)));
      if (verdict === 'stale') await this.#remove(path, sight, nameOf(owner, isPeer));
    }
  }

  async #judgeFromElsewhere(path: string, sight: Sight): Promise<Verdict> {
    const { clock, logger } = this.#options;
    logger.warn(
      { lock: path, waitMs: STALE_AFTER_MS },
      'a lock that may be held in another container or on another host: waiting whether it is touched',
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
      this.#options.logger.warn({ lock: path, owner }, 'stale lock taken over: its owner is gone');
    } finally {
      await rm(right, { force: true });
    }
  }
}

type Verdict = 'held' | 'stale' | 'changed';

async function judgePeer(owner: ProcessIdentity): Promise<Verdict> {
  // Our own number, and we do not hold it: it belonged to an earlier process.
  if (owner.pid === process.pid) return 'stale';
  return (await stillRuns(owner)) ? 'held' : 'stale';
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
  /** It was made again, and nobody knows yet whether another owner was there in between. */
  #wasMade = false;
  /** What stood in the place of the lock at the last look, if it named nobody. */
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
      // Asked once it is held again: nobody else writes there any more.
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

  /** @returns whether it was; not if it is another's, or may be. */
  async #makeAgain(sight: Sight | undefined): Promise<boolean> {
    if (sight !== undefined) {
      const owner = ownerIn(sight.text);
      if (owner === undefined) {
        // It may be somebody's who has not written all of it yet.
        const wasSeen = this.#junk === sight.text;
        this.#junk = sight.text;
        if (!wasSeen) return false;
        await rm(this.#path, { force: true });
      } else if (!arePeers(owner, this.#self) || (await judgePeer(owner)) === 'held') {
        this.#lose();
        return false;
      }
    }
    this.#junk = undefined;
    await makeDirectory(dirname(this.#path));
    await new Acquisition(this.#path, this.#self, this.#text, this.#options).take(this.#path);
    this.#wasMade = true;
    this.#options.logger.warn({ lock: this.#path }, 'the lock of the data directory was gone, and is made again');
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

/** @returns false if there is one */
async function create(path: string, text: string): Promise<boolean> {
  const whole = `${path}.${randomUUID()}`;
  await writeFile(whole, text, { flag: 'wx' });
  try {
    return await unlessThere(() => link(whole, path));
  } catch {
    // A file system without links. Whoever reads while it is written waits as for a lock from elsewhere.
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

async function look(path: string): Promise<Sight | undefined> {
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
  return `in use by ${owner} (${path}); stop it, or give each master a directory of its own`;
}
