/** Why the database did not do what was asked. Its message never contains a password. */

/**
 * | kind       | meaning                                                            | what follows               |
 * |------------|--------------------------------------------------------------------|----------------------------|
 * | away       | not reachable, or the connection broke: the outcome may be unknown | reconnect, ask, try again  |
 * | full       | no space left, also when it is the database's own limit            | try again later            |
 * | read_only  | it may be read, but not written                                    | try again later            |
 * | busy       | another program holds it for longer than a write may take          | try again                  |
 * | newer      | its version is newer than this program                             | give up                    |
 * | refused    | credentials, permissions, a missing database or missing tables     | try again later            |
 * | damaged    | it cannot be read as what it should be                             | give up, or set it aside   |
 * | failed     | anything else                                                      | try again later            |
 */
export const HISTORY_ERROR_KINDS = [
  'away',
  'full',
  'read_only',
  'busy',
  'newer',
  'refused',
  'damaged',
  'failed',
] as const;
export type HistoryErrorKind = (typeof HISTORY_ERROR_KINDS)[number];

export class HistoryError extends Error {
  override readonly name = 'HistoryError';
  readonly kind: HistoryErrorKind;

  constructor(kind: HistoryErrorKind, message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}
