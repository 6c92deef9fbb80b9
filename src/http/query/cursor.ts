/**
 * Where the next page begins: behind the last worker of this one, by the values that it had when it was listed. Not by
 * a count, which every worker that comes or goes would shift.
 */
import { createHash } from 'node:crypto';
import { PulselaneError } from '../../lib/errors.ts';
import { jsonIn } from '../../lib/json.ts';
import type { Selection } from '../../reading/selection.ts';
import type { Sort, SortPosition, SortValue } from '../../reading/sort.ts';

/** A cursor means nothing in another list, so each carries what it was made for. Six bytes: against mistakes, not attacks. */
function listMark(sort: Sort, selection: Selection): string {
  const text = JSON.stringify([sort.key, selection.key]);
  return createHash('sha256').update(text).digest().toString('base64url', 0, 6);
}

/** Opaque to clients. */
export function cursorOf({ values, workerId }: SortPosition, sort: Sort, selection: Selection): string {
  return Buffer.from(JSON.stringify([listMark(sort, selection), workerId, ...values])).toString('base64url');
}

/** @throws PulselaneError `invalid_argument` if it is no cursor, or one of another list. */
export function positionIn(cursor: string, sort: Sort, selection: Selection): SortPosition {
  const parts = /^[\w-]+$/.test(cursor) ? jsonIn(Buffer.from(cursor, 'base64url').toString()) : undefined;
  if (!Array.isArray(parts)) throw new PulselaneError('invalid_argument', 'it is none that a list has given');
  const [mark, workerId, ...values] = parts as unknown[];
  if (mark !== listMark(sort, selection)) {
    throw new PulselaneError(
      'invalid_argument',
      'it belongs to a list with another sort or other filters: begin again without it',
    );
  }
  const { length } = sort.fields;
  if (typeof workerId !== 'string' || values.length !== length || !values.every(isSortValue)) {
    throw new PulselaneError('invalid_argument', 'it is none that a list has given');
  }
  return { workerId, values };
}

function isSortValue(value: unknown): value is SortValue {
  return value === null || typeof value === 'number' || typeof value === 'string';
}
