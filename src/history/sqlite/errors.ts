/** Translates what SQLite and the file system say into {@link HistoryError}. */
import { HistoryError, type HistoryErrorKind } from '../history-error.ts';

/** Primary result codes: https://www.sqlite.org/rescode.html. All others are `failed`. */
const KINDS: ReadonlyMap<number, HistoryErrorKind> = new Map([
  [3, 'refused'], // SQLITE_PERM
  [5, 'busy'], // SQLITE_BUSY
  [6, 'busy'], // SQLITE_LOCKED
  [7, 'away'], // SQLITE_NOMEM
  [8, 'read_only'], // SQLITE_READONLY
  [10, 'away'], // SQLITE_IOERR
  [11, 'damaged'], // SQLITE_CORRUPT
  [13, 'full'], // SQLITE_FULL
  [14, 'refused'], // SQLITE_CANTOPEN
  [23, 'refused'], // SQLITE_AUTH
  [26, 'damaged'], // SQLITE_NOTADB
]);

const FILE_KINDS: ReadonlyMap<string, HistoryErrorKind> = new Map([
  ['ENOSPC', 'full'],
  ['EDQUOT', 'full'],
  ['EROFS', 'read_only'],
  ['EACCES', 'refused'],
  ['EPERM', 'refused'],
  ['EIO', 'away'],
]);

/** An I/O error whose extended code says that the device has no room for the memory shared between connections. */
const IOERR_SHMSIZE = 10 | (19 << 8);

/** @param doing what was tried, such as "write history.db" */
export function historyError(error: unknown, doing: string): HistoryError {
  if (error instanceof HistoryError) return error;
  const { errcode, errstr, code, message } = error as Error & { errcode?: number; errstr?: string; code?: string };
  const kind =
    errcode === undefined ? FILE_KINDS.get(code ?? '') : errcode === IOERR_SHMSIZE ? 'full' : KINDS.get(errcode & 0xff);
  return new HistoryError(kind ?? 'failed', `cannot ${doing}: ${errstr ?? message}`, { cause: error });
}
