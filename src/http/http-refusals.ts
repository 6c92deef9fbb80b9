/** What was refused and why, counted in one place: `GET /api/v1/limits` shows it. */
import { type ErrorCode, PulselaneError } from '../lib/errors.ts';

/** One word for each reason; each is one row of a table in this folder, or a limit of `limits.ts`. */
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
  'commands',
] as const;
export type HttpRefusalReason = (typeof HTTP_REFUSAL_REASONS)[number];

/** A limit is reached deep within; whoever answers counts it. */
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

  /** Counts an error, if it is one of a limit that was reached. */
  countError(error: unknown): void {
    if (error instanceof LimitReached) this.count(error.reason);
  }

  /** How often since this thread began. */
  of(reason: HttpRefusalReason): number {
    return this.#counts.get(reason) ?? 0;
  }
}
