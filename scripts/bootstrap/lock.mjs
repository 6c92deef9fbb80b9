/**
 * Allows one bootstrap at a time per clone: two `npm test` started together must not disturb each other's install or build.
 * The lock is a file with the process id of its holder; a lock whose holder has died is released.
 */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

/** How long to sleep between two checks of a lock that another process holds. */
const POLL_MS = 100;

/**
 * @param {string} path
 * @param {() => void} work
 */
export function withLock(path, work) {
  acquire(path);
  try {
    work();
  } finally {
    rmSync(path, { force: true });
  }
}

/** @param {string} path */
function acquire(path) {
  const own = `${path}.${process.pid}`;
  let announcedHolder = false;
  writeFileSync(own, String(process.pid));
  try {
    // Creating a link is atomic, so nobody can read a lock without its holder's id.
    while (!tryLink(own, path)) {
      const holder = readHolder(path);
      if (holder !== undefined && !isAlive(holder)) {
        breakLock(path, holder);
      } else {
        if (!announcedHolder) process.stderr.write(`Waiting for process ${holder}, which prepares this folder…\n`);
        announcedHolder = true;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL_MS);
      }
    }
  } finally {
    rmSync(own, { force: true });
  }
}

/**
 * Removes the lock of a dead holder. Between the check and the rename another process may have done the same and taken the lock;
 * then a live lock was moved, and it is put back.
 * @param {string} path
 * @param {number} deadHolder
 */
function breakLock(path, deadHolder) {
  const moved = `${path}.broken.${process.pid}`;
  try {
    renameSync(path, moved);
  } catch {
    return; // another process was faster
  }
  if (readHolder(moved) !== deadHolder) tryLink(moved, path);
  rmSync(moved, { force: true });
}

/**
 * @param {string} from
 * @param {string} to
 */
function tryLink(from, to) {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** @param {string} path */
function readHolder(path) {
  try {
    return Number(readFileSync(path, 'utf8'));
  } catch {
    return undefined; // released meanwhile
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}

/** @param {unknown} error */
function codeOf(error) {
  return /** @type {NodeJS.ErrnoException} */ (error).code;
}
