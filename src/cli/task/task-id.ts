/** Ids of tasks whose user gave none: readable, and not given twice. */
import { randomBytes } from 'node:crypto';
import { basename } from 'node:path';

/** Of an id 256 bytes are allowed; nobody reads more of a name. */
const MAX_NAME_LENGTH = 64;

/** @param name what it begins with: a name, or the command that runs */
export function newTaskId(name: string): string {
  // A lone surrogate would be no valid text.
  const readable = basename(name).slice(0, MAX_NAME_LENGTH).toWellFormed().trim();
  return `${readable || 'task'}-${randomBytes(4).toString('hex')}`;
}
