/** Counts refusals by reason; `GET /api/v1/limits` shows them. */
import { type ErrorCode, PulselaneError } from '../lib/errors.ts';

/** One word per reason; each belongs to a check of this folder or to a limit of `http-limits.ts`. */
export const HTTP_REFUSAL_REASONS = [
  'host',
  'origin',
  'unauthenticated',
  'guesses',
  'permission',
  'rate',
  'body',
  'connections',
  'connections_per_peer',
  'handshake',
  'live_clients',
  'filters',
  'filters_per_client',
  'waiting',
  'waiting_per_client',
  'headers',
  'timeout',
  'idle',
  'malformed',
  'pipelined',
  'answers',
  'queries',
  'exports',
  'commands',
] as const;
export type HttpRefusalReason = (typeof HTTP_REFUSAL_REASONS)[number];

/** A limit was reached; whoever answers the request counts it. */
export class LimitReached extends PulselaneError {
  readonly reason: HttpRefusalReason;

  constructor(code: ErrorCode, reason: HttpRefusalReason, message: string) {
    super(code, message);
    this.reason = reason;
  }
}

export class HttpRefusals {
  readonly #counts = new Map<HttpRefusalReason, number>();

  count(reason: HttpRefusalReason): void {
    this.#counts.set(reason, this.of(reason) + 1);
  }

  /** Counts the error if it is a `LimitReached`. */
  countError(error: unknown): void {
    if (error instanceof LimitReached) this.count(error.reason);
  }

  /** The count since this thread started. */
  of(reason: HttpRefusalReason): number {
    return this.#counts.get(reason) ?? 0;
  }
}
