/**
 * Files that this process got open from who started it, beside the three standard ones: `exec 9>log` of a script, the pipe of make's job
 * server. Node keeps them from the commands that it runs unless they are named. Linux only; elsewhere there are none.
 */
import { fstatSync, readdirSync, readlinkSync } from 'node:fs';

const STANDARD = 3;

/** For `spawn`: standard files and inherited ones, each under its own number. */
export function inheritedStdio(): (number | 'inherit' | 'ignore')[] {
  const inherited = inheritedFiles();
  const count = Math.max(STANDARD, ...inherited.map((fd) => fd + 1));
  return Array.from({ length: count }, (_, fd) => {
    if (fd < STANDARD) return 'inherit';
    // Above the standard ones, `ignore` leaves a number closed.
    return inherited.includes(fd) ? fd : 'ignore';
  });
}

function inheritedFiles(): number[] {
  return openFiles().filter((fd) => {
    const target = targetOf('self', fd);
    // Node itself has pipes, sockets, /dev/null and nameless files open; what the parent has under the same number is not Node's.
    const isNamed = target.startsWith('/') && !target.startsWith('/proc/') && target !== '/dev/null';
    const isShared = /^(pipe:|socket:|\/dev\/null$)/.test(target) && targetOf(process.ppid, fd) === target;
    return (isNamed || isShared) && isOpen(fd);
  });
}

function openFiles(): number[] {
  try {
    return readdirSync('/proc/self/fd')
      .map(Number)
      .filter((fd) => fd >= STANDARD);
  } catch {
    return [];
  }
}

/** Empty if it cannot be read. */
function targetOf(pid: number | 'self', fd: number): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return '';
  }
}

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}
