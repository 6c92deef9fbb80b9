/** Translates what SQLite says of the file of alerts. */

/**
 * | kind    | meaning                                                                          |
 * |---------|----------------------------------------------------------------------------------|
 * | damaged | the file is no database, or not whole: it is set aside                           |
 * | newer   | a newer Pulselane wrote it, or it is another program's: it is left alone         |
 * | failed  | it cannot be read or written at present: a full disk, missing permission         |
 */
export type StoreErrorKind = 'damaged' | 'newer' | 'failed';

export class StoreError extends Error {
  readonly kind: StoreErrorKind;

  constructor(kind: StoreErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/** SQLITE_CORRUPT and SQLITE_NOTADB: https://www.sqlite.org/rescode.html. */
const DAMAGED: ReadonlySet<number> = new Set([11, 26]);

/** @param doing what was tried, such as "write /data/alerts.db" */
export function storeError(error: unknown, doing: string): StoreError {
  if (error instanceof StoreError) return error;
  const { errcode, errstr, message } = error as Error & { errcode?: number; errstr?: string };
  const kind = errcode !== undefined && DAMAGED.has(errcode & 0xff) ? 'damaged' : 'failed';
  // SQLITE_ERROR says nothing by itself.
  const detail = errcode === 1 ? message : (errstr ?? message);
  return new StoreError(kind, `cannot ${doing}: ${detail}`, { cause: error });
}
