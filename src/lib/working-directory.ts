/**
 * A process whose working directory was removed cannot start threads any more: Node asks for it in each. It serves nobody
 * else either: every relative path leads nowhere then. So the process goes to where the directory was made again, to
 * what is left of the way there, or to the root.
 */
import { readlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import process from 'node:process';

const GONE = ' (deleted)';

let movedTo: string | undefined;

/**
 * Moves the process if it must be; a thread cannot, and leaves that to the main one.
 * @returns where it had to move last, now or earlier; undefined: nowhere yet
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

/** By the kernel's memory, not by a look at a disk, which may be that of a dead server. */
function isGone(): boolean {
  try {
    // A directory may have such a name.
    if (!readlinkSync('/proc/self/cwd').endsWith(GONE)) return false;
  } catch {
    // No Linux.
  }
  try {
    // Node remembers the answer until the process moves.
    process.chdir('.');
    process.cwd();
    return false;
  } catch {
    return true;
  }
}

/** Where it was. */
function lastPath(): string {
  try {
    return readlinkSync('/proc/self/cwd').slice(0, -GONE.length);
  } catch {
    return '/';
  }
}
