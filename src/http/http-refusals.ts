/** Counts refusals by reason; `GET /api/v1/limits` shows them. */
import { type ErrorCode, PulselaneError } from '../lib/errors.ts';
import { HTTP_REFUSAL_REASONS, type HttpRefusalReason } from '../model/http-figures.ts';

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

  /** The same of every reason. */
  get all(): Readonly<Record<HttpRefusalReason, number>> {
    const counts = HTTP_REFUSAL_REASONS.map((reason) => [reason, this.of(reason)]);
    return Object.fromEntries(counts) as Record<HttpRefusalReason, number>;
  }
}
