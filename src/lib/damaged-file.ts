/** What becomes of a file that cannot be read: it is kept under another name, for a person to look at. */
import { copyFile, link, rename } from 'node:fs/promises';
import type { Clock } from './clock.ts';

/** @returns its new name */
export async function moveAside(path: string, clock: Clock): Promise<string> {
  const aside = nameAside(path, clock);
  await rename(path, aside);
  return aside;
}

/** The file stays until it is replaced. @returns the other name */
export async function copyAside(path: string, clock: Clock): Promise<string> {
  const aside = nameAside(path, clock);
  // A link takes no room. Where there are none, a copy must do.
  await link(path, aside).catch(() => copyFile(path, aside));
  return aside;
}

function nameAside(path: string, clock: Clock): string {
  return `${path}.damaged-${new Date(clock.wallMs()).toISOString().replaceAll(':', '')}`;
}
