/**
 * Identifies a process beyond its id: ids are reused, and each container counts from 1. Without /proc, only id and host
 * are compared.
 */
import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { statOf } from './proc-stat.ts';

export interface ProcessIdentity {
  readonly pid: number;
  /** Start time in clock ticks since boot. */
  readonly startedAt?: number | undefined;
  /** The PID namespace, such as `pid:[4026531836]`. */
  readonly pidNamespace?: string | undefined;
  readonly host: string;
}

export function identityOfSelf(): ProcessIdentity {
  return { pid: process.pid, startedAt: statOf('self')?.startedAt, pidNamespace: ownPidNamespace(), host: hostname() };
}

/** Undefined where there is no /proc. */
export function ownPidNamespace(): string | undefined {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return undefined;
  }
}

/** Whether the two processes are in the same PID namespace; only then is an id meaningful. */
export function arePeers(a: ProcessIdentity, b: ProcessIdentity): boolean {
  return a.host === b.host && a.pidNamespace === b.pidNamespace;
}

/** A process beyond its id, in our namespace. */
export interface KnownProcess {
  readonly pid: number;
  /** Start time in clock ticks since boot; undefined if it cannot be read: another user's process with hidepid, or without /proc. */
  readonly startedAt?: number | undefined;
}

/** Undefined if no such process runs. One that has ended runs until its parent has asked how, if its state cannot be read. */
export function processWithId(pid: number): KnownProcess | undefined {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: another user's process exists, but may not be signalled.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return undefined;
  }
  const stat = statOf(pid);
  // Ended, but not yet reaped by its parent.
  return stat?.state === 'Z' || stat?.state === 'X' ? undefined : { pid, startedAt: stat?.startedAt };
}

/** Whether this process, in our namespace, still runs; true if unknown. */
export function stillRuns({ pid, startedAt }: KnownProcess): boolean {
  const found = processWithId(pid);
  if (found === undefined) return false;
  return startedAt === undefined || found.startedAt === undefined || found.startedAt === startedAt;
}
