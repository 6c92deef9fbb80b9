/** How a file was left by whoever wrote it last: by this is seen whether somebody else has written it since. */
import type { Stats } from 'node:fs';

export interface FileMark {
  readonly ino: number;
  readonly sizeBytes: number;
  readonly mtimeMs: number;
}

export function markOf({ ino, size: sizeBytes, mtimeMs }: Stats): FileMark {
  return { ino, sizeBytes, mtimeMs };
}

export function areSameMarks(a: FileMark, b: FileMark): boolean {
  return a.ino === b.ino && a.sizeBytes === b.sizeBytes && a.mtimeMs === b.mtimeMs;
}
