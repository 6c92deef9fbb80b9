/**
 * What can go wrong for a caller, by code. The gRPC side maps codes to statuses in `rpc/status.ts`; nobody reads the
 * kind of an error from its message.
 */
export type ErrorCode =
  /** The input breaks a rule; sending it again will not help. */
  | 'invalid_argument'
  /** Unknown worker under `approved` admission: an operator has to let it in. */
  | 'not_admitted'
  /** The named worker is not known. */
  | 'not_found'
  /** It does not fit what is known: an older instance of a worker speaks. */
  | 'failed_precondition'
  /** A named limit is reached. */
  | 'resource_exhausted'
  /** The engine is not started yet, or is stopping. */
  | 'unavailable'
  /** A setting is wrong. */
  | 'bad_setting'
  /** Something this program needs from its surroundings failed: a port, a file, a thread. */
  | 'environment';

export interface ErrorDetails {
  readonly cause?: unknown;
  /** How long to wait before the same call may succeed. */
  readonly retryAfterMs?: number;
}

/** The one error class of Pulselane: `message` is for people, `code` for programs. */
export class PulselaneError extends Error {
  readonly code: ErrorCode;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = 'PulselaneError';
    this.code = code;
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** The text of anything thrown, for people: no stack, no class name. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message;
  return typeof thrown === 'string' ? thrown : `${typeof thrown} thrown: ${String(thrown)}`;
}
