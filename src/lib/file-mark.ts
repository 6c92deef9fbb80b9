/** Identifies the state in which a file was left, to detect whether another process has written it since. */
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
