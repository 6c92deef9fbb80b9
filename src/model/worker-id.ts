/** Validates worker ids. */
import { isUtf8 } from 'node:buffer';
import { PulselaneError } from '../lib/errors.ts';
import { kindOf } from '../lib/kind-of.ts';

/** Maximum length of an id in bytes of UTF-8: fits a log line, a label value and a file name. */
export const MAX_WORKER_ID_BYTES = 256;

/** C0 and C1 control characters and DEL, which would garble logs and terminals. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused here
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f-\u009f]/;
const LONE_SURROGATE = /\p{Surrogate}/u;

/** For texts that are logged or shown in a terminal. */
export function hasControlCharacter(text: string): boolean {
  return CONTROL_CHARACTER.test(text);
}

/** Why `id` cannot be a worker's id; undefined if it can. */
export function workerIdProblem(id: string): string | undefined {
  // Of programs without types.
  if (typeof id !== 'string') return `worker_id is ${kindOf(id)}, expected a string`;
  if (id === '') return 'worker_id is empty';
  const bytes = Buffer.byteLength(id);
  if (bytes > MAX_WORKER_ID_BYTES) return `worker_id has ${bytes} bytes; at most ${MAX_WORKER_ID_BYTES} are allowed`;
  if (hasControlCharacter(id)) return 'worker_id contains a control character';
  if (LONE_SURROGATE.test(id)) return 'worker_id is not valid UTF-8';
  if (id === '.' || id === '..') return `worker_id "${id}" cannot be named in a URL`;
  return undefined;
}

/** @throws PulselaneError `invalid_argument` */
export function checkWorkerId(id: string): void {
  const problem = workerIdProblem(id);
  if (problem !== undefined) throw new PulselaneError('invalid_argument', problem);
}

/**
 * Decodes an id from UTF-8.
 * @throws PulselaneError `invalid_argument`
 */
export function decodeWorkerId(bytes: Buffer): string {
  if (bytes.length > MAX_WORKER_ID_BYTES) {
    throw new PulselaneError(
      'invalid_argument',
      `worker_id has ${bytes.length} bytes; at most ${MAX_WORKER_ID_BYTES} are allowed`,
    );
  }
  if (!isUtf8(bytes)) throw new PulselaneError('invalid_argument', 'worker_id is not valid UTF-8');
  const id = bytes.toString('utf8');
  checkWorkerId(id);
  return id;
}
