/**
 * A lock for the moments in which a file is read, changed and replaced. The lock is a file beside it that names its
 * owner; that of a process that is gone is taken over, as the lock of a data directory is.
 */
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { type Clock, sleep } from './clock.ts';
import { Acquisition, InUse, look } from './directory-lock.ts';
import { silentLogger } from './logging.ts';
import { identityOfSelf, type ProcessIdentity } from './process-identity.ts';

/** A change takes milliseconds; many at once have their turn within it, also on a slow disk. */
const WAIT_MS = 10_000;
const RETRY_MS = 10;

/** Paths locked by this process: its own process id in a lock does not tell whether it is held. */
const heldHere = new Set<string>();

/**
 * @param path of the lock; a file there that is none is left alone
 * @returns what `work` returned
 * @throws Error if others hold the lock for 10 s; as `writeFile` does if it cannot be made; whatever `work` throws
 */
export async function whileLocked<T>(path: string, clock: Clock, work: () => Promise<T>): Promise<T> {
  const self = identityOfSelf();
  const text = `${JSON.stringify({ ...self, id: randomUUID() })}\n`;
  const endMs = clock.monotonicMs() + WAIT_MS;
  while (!(await isTaken(path, self, text, clock))) {
    if (clock.monotonicMs() >= endMs) {
      throw new Error(`${path} is there: expected no other command at work; if there is none, remove it`);
    }
    // At random, so that those who wait do not meet again and again.
    await sleep(clock, RETRY_MS * (0.5 + Math.random()));
  }
  try {
    return await work();
  } finally {
    // What is left of it is stale as soon as this process ends. A failure here must not hide what the work came to.
    await release(path, text).catch(() => {});
    heldHere.delete(path);
  }
}

async function isTaken(path: string, self: ProcessIdentity, text: string, clock: Clock): Promise<boolean> {
  if (heldHere.has(path)) return false;
  heldHere.add(path);
  try {
    await new Acquisition(path, self, text, { clock, logger: silentLogger, sparesOtherFiles: true }).take(path);
    return true;
  } catch (error) {
    heldHere.delete(path);
    if (error instanceof InUse) return false;
    throw error;
  }
}

async function release(path: string, text: string): Promise<void> {
  if ((await look(path))?.text === text) await rm(path, { force: true });
}
