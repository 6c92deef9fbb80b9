/** Keeps damaged files under another name, for a person to examine. */
import { copyFile, link, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Clock } from './clock.ts';

/**
 * Maximum number of copies per file, so that a disk that damages a file at each start is not filled; the oldest goes
 * first.
 */
const MOST_COPIES = 5;

/** @returns the new name */
export async function moveAside(path: string, clock: Clock): Promise<string> {
  const aside = nameAside(path, clock);
  await rename(path, aside);
  await dropOld(path);
  return aside;
}

/** Leaves the file in place until it is replaced. @returns the other name */
export async function copyAside(path: string, clock: Clock): Promise<string> {
  const aside = nameAside(path, clock);
  // A link takes no space. Without link support, the file is copied.
  await link(path, aside).catch(() => copyFile(path, aside));
  await dropOld(path);
  return aside;
}

async function dropOld(path: string): Promise<void> {
  const folder = dirname(path);
  const prefix = `${basename(path)}${SUFFIX}`;
  // The names are times, so alphabetical order is chronological.
  const copies = (await readdir(folder)).filter((name) => name.startsWith(prefix)).sort();
  for (const name of copies.slice(0, -MOST_COPIES)) await rm(join(folder, name), { force: true });
}

const SUFFIX = '.damaged-';

function nameAside(path: string, clock: Clock): string {
  return `${path}${SUFFIX}${new Date(clock.wallMs()).toISOString().replaceAll(':', '')}`;
}
