/**
 * The cursor of the next page: the last worker of this page with the values it was listed by. Not an offset, which every
 * worker that comes or goes would shift.
 */
import { createHash } from 'node:crypto';
import { PulselaneError } from '../../lib/errors.ts';
import { jsonIn } from '../../lib/json.ts';
import type { Selection } from '../../reading/selection.ts';
import type { Sort, SortPosition, SortValue } from '../../reading/sort.ts';

/** A cursor is valid only for the list it was made for, which this identifies. Six bytes: against mistakes, not attacks. */
function listMark(sort: Sort, selection: Selection): string {
  const text = JSON.stringify([sort.key, selection.key]);
  return createHash('sha256').update(text).digest().toString('base64url', 0, 6);
}

/** Opaque to clients. */
export function cursorOf({ values, workerId }: SortPosition, sort: Sort, selection: Selection): string {
  return Buffer.from(JSON.stringify([listMark(sort, selection), workerId, ...values])).toString('base64url');
}

/** @throws PulselaneError `invalid_argument` if it is malformed or belongs to another list. */
export function positionIn(cursor: string, sort: Sort, selection: Selection): SortPosition {
  const parts = /^[\w-]+$/.test(cursor) ? jsonIn(Buffer.from(cursor, 'base64url').toString()) : undefined;
  if (!Array.isArray(parts)) throw new PulselaneError('invalid_argument', 'not a cursor from an earlier page');
  const [mark, workerId, ...values] = parts as unknown[];
  if (mark !== listMark(sort, selection)) {
    throw new PulselaneError(
      'invalid_argument',
      'made for a list with another sort or other filters; start again without a cursor',
    );
  }
  const { length } = sort.fields;
  if (typeof workerId !== 'string' || values.length !== length || !values.every(isSortValue)) {
    throw new PulselaneError('invalid_argument', 'not a cursor from an earlier page');
  }
  return { workerId, values };
}

function isSortValue(value: unknown): value is SortValue {
  return value === null || typeof value === 'number' || typeof value === 'string';
}
