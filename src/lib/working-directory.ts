/**
 * Keeps a valid working directory. A process whose working directory was removed cannot start threads, since Node asks
 * for it in each, and relative paths no longer work. So the process changes to the directory if it was created again,
 * to its nearest existing parent, or to the root.
 */
import { readlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import process from 'node:process';

const GONE = ' (deleted)';

let movedTo: string | undefined;

/**
 * Changes the directory if necessary; only the main thread can.
 * @returns where the process last had to move; undefined: nowhere yet
 */
export function keepWorkingDirectory(): string | undefined {
  if (isGone()) move();
  return movedTo;
}

function move(): void {
  for (let path = lastPath(); ; path = dirname(path)) {
    try {
      process.chdir(path);
      movedTo = path;
      return;
    } catch {
      if (path === dirname(path)) return;
    }
  }
}

/** From the kernel's memory, without accessing the disk, which may be that of a dead server. */
function isGone(): boolean {
  try {
    // A directory may have such a name.
    if (!readlinkSync('/proc/self/cwd').endsWith(GONE)) return false;
  } catch {
    // Not Linux.
  }
  try {
    // Node caches the answer until chdir is called.
    process.chdir('.');
    process.cwd();
    return false;
  } catch {
    return true;
  }
}

/** The previous path. */
function lastPath(): string {
  try {
    return readlinkSync('/proc/self/cwd').slice(0, -GONE.length);
  } catch {
    return '/';
  }
}
