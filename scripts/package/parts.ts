/** What all packages share: the clone's path, version and time, and the pinned Node. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BUNDLED_THREADS } from '../bootstrap/build.mjs';
import { pinnedNode } from '../bootstrap/runtime.mjs';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
export const NODE = pinnedNode(ROOT);
/** The npm package of the pinned Node, relative to the clone. */
export const NODE_FOLDER = relative(ROOT, dirname(dirname(NODE)));

/** The scripts of threads, relative to `dist/`. */
export const THREADS: readonly string[] = BUNDLED_THREADS.map((thread) => `${thread}.cjs`);

export interface Packed {
  readonly file: string;
  /** What it is for, in one line. */
  readonly purpose: string;
}

export function version(): string {
  return (JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }).version;
}

/** Packages whose code is in `dist/`. */
export function packagesOfThreads(): string[] {
  return JSON.parse(readFileSync(join(ROOT, 'dist/.packages.json'), 'utf8')) as string[];
}

/**
 * The timestamp of packaged files, in seconds: SOURCE_DATE_EPOCH, or the time of the last commit, so that builds are
 * reproducible. 0 if neither is known.
 */
export function packedAtUnixS(): number {
  const given = process.env.SOURCE_DATE_EPOCH;
  if (given !== undefined) {
    if (!/^\d{1,11}$/.test(given))
      throw new Error(`SOURCE_DATE_EPOCH=${given}: expected seconds since 1970, such as 1700000000`);
    return Number(given);
  }
  try {
    return Number(execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' }));
  } catch {
    return 0;
  }
}
