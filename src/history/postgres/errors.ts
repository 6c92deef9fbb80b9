/** What an error of the driver, the network or the server means. */
import { HistoryError, type HistoryErrorKind } from '../history-error.ts';

/** By SQLSTATE, or by its class (two characters). */
const KIND_OF_STATE: Readonly<Record<string, HistoryErrorKind>> = {
  '08': 'away',
  '25006': 'read_only',
  '25P03': 'away',
  '28': 'refused',
  '3D': 'refused',
  '3F': 'refused',
  '40001': 'busy',
  '40P01': 'busy',
  '42501': 'refused',
  // The tables are not as they were made: no batch is to blame.
  '42703': 'refused',
  '42P01': 'refused',
  '53': 'away',
  '53100': 'full',
  '55P03': 'busy',
  '57014': 'busy',
  '57': 'away',
  '58': 'away',
  XX: 'away',
  XX001: 'damaged',
  XX002: 'damaged',
};

/** Not what the network does to a connection, but what the other side is or wants, or a file of certificates that is not there. */
const REFUSED = /certificate|self-signed|SSL|TLS|SASL|EACCES|EPERM|, open '/;

/** The longest cause that is told: a server may quote a whole statement. */
const MAX_CAUSE_LENGTH = 300;

interface Cause {
  readonly code?: unknown;
  readonly severity?: unknown;
  readonly message?: unknown;
  readonly errors?: readonly unknown[];
}

/**
 * @param where the database as it may be shown
 * @param password of the connection: masked wherever it occurs
 */
export function historyErrorOf(error: unknown, where: string, password: string | null | undefined): HistoryError {
  if (error instanceof HistoryError) return error;
  // A mistake of this program: the connection is all right.
  if (error instanceof TypeError || error instanceof RangeError) {
    return new HistoryError('failed', `PostgreSQL at ${where}: ${error.message}`, { cause: error });
  }
  const cause = firstCause(error);
  const text = `${cause.message ?? error}`;
  // Masked first: a password that the cut goes through would not be found.
  const shown = (password ? text.replaceAll(password, '********') : text).slice(0, MAX_CAUSE_LENGTH);
  // Without `cause`: its detail may contain the password, or rows.
  return new HistoryError(kindOf(cause), `PostgreSQL at ${where}: ${shown}`);
}

/** Of several addresses that were tried, the first. */
function firstCause(error: unknown): Cause {
  const cause = (error ?? {}) as Cause;
  return (cause.errors?.[0] as Cause | undefined) ?? cause;
}

function kindOf({ code, severity, message }: Cause): HistoryErrorKind {
  if (typeof severity === 'string' && typeof code === 'string') {
    return KIND_OF_STATE[code] ?? KIND_OF_STATE[code.slice(0, 3)] ?? KIND_OF_STATE[code.slice(0, 2)] ?? 'failed';
  }
  // From the driver or from Node: the connection was not made, or is lost.
  return REFUSED.test(`${code} ${message}`) ? 'refused' : 'away';
}
