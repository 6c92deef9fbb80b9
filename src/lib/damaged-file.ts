/** What becomes of a file that cannot be read: it is kept under another name, for a person to look at. */
import { copyFile, link, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Clock } from './clock.ts';

/** Of one file. A disk that damages a file at each start must not be filled by it; the oldest goes first. */
const MOST_COPIES = 5;

/** @returns its new name */
export async function moveAside(path: string, clock: Clock): Promise<string> {
  const aside = nameAside(path, clock);
  await rename(path, aside);
  await dropOld(path);
  return aside;
}

/** The file stays until it is replaced. @returns the other name */
export async function copyAside(path: string, clock: Clock): Promise<string> {
  const aside = nameAside(path, clock);
  // A link takes no room. Where there are none, a copy must do.
  await link(path, aside).catch(() => copyFile(path, aside));
  await dropOld(path);
  return aside;
}

async function dropOld(path: string): Promise<void> {
  const folder = dirname(path);
  const prefix = `${basename(path)}${SUFFIX}`;
  // Their names are times: the alphabet's order is that of time.
  const copies = (await readdir(folder)).filter((name) => name.startsWith(prefix)).sort();
  for (const name of copies.slice(0, -MOST_COPIES)) await rm(join(folder, name), { force: true });
}

const SUFFIX = '.damaged-';

function nameAside(path: string, clock: Clock): string {
  return `${path}${SUFFIX}${new Date(clock.wallMs()).toISOString().replaceAll(':', '')}`;
}
