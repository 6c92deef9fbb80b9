/** When a receiver is tried again, and when it counts as away: pure functions of (facts, now). */
import type { ExportProblem, SendFailureCode } from '../../model/export-status.ts';
import {
  AWAY_AFTER_MS,
  BACK_OFF_JITTER,
  FIRST_BACK_OFF_MS,
  MAX_BACK_OFF_MS,
  MAX_RETRY_AFTER_MS,
} from './export-limits.ts';
import type { Outcome } from './exporter.ts';

export interface Delivery {
  /** Attempts in a row that are to be repeated. */
  readonly failures: number;
  /** Monotonic time of the next attempt. */
  readonly notBeforeMs: number;
  /** Nothing was taken since, in Unix ms; undefined: the last attempt succeeded, or there was none. */
  readonly failingSinceUnixMs: number | undefined;
  /** Why the last attempt failed. */
  readonly failure: { readonly code: SendFailureCode; readonly detail: string } | undefined;
}

export const NOTHING_SENT: Delivery = {
  failures: 0,
  notBeforeMs: Number.NEGATIVE_INFINITY,
  failingSinceUnixMs: undefined,
  failure: undefined,
};

export interface Now {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

/** A message of which the receiver took nothing was refused, also if the answer says success. */
export function outcomeOfAll(outcome: Outcome, samples: number): Outcome {
  if (outcome.type !== 'taken' || outcome.rejected === 0 || outcome.rejected < samples) return outcome;
  return { type: 'refused', detail: outcome.detail ?? 'the receiver rejected all samples of a message' };
}

/** @param random 0 to 1 */
export function afterAttempt(before: Delivery, outcome: Outcome, now: Now, random: number): Delivery {
  const failingSinceUnixMs = before.failingSinceUnixMs ?? now.wallMs;
  switch (outcome.type) {
    case 'taken':
      return NOTHING_SENT;
    case 'again':
      return before;
    case 'refused':
      // The next message need not wait: it may be one that the receiver takes.
      return {
        failures: 0,
        notBeforeMs: now.monotonicMs,
        failingSinceUnixMs,
        failure: { code: 'refused', detail: outcome.detail },
      };
    case 'retry': {
      const failures = before.failures + 1;
      const waitMs = Math.max(backOffMs(failures, random), Math.min(outcome.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS));
      return {
        failures,
        notBeforeMs: now.monotonicMs + waitMs,
        failingSinceUnixMs,
        failure: { code: outcome.code, detail: outcome.detail },
      };
    }
    default:
      return outcome satisfies never;
  }
}

/** @param failures in a row, at least 1 */
export function backOffMs(failures: number, random: number): number {
  const plainMs = Math.min(MAX_BACK_OFF_MS, FIRST_BACK_OFF_MS * 2 ** (failures - 1));
  return plainMs * (1 + BACK_OFF_JITTER * (2 * random - 1));
}

/** Undefined: the receiver is not degraded. */
export function problemOf({ failingSinceUnixMs, failure }: Delivery, nowUnixMs: number): ExportProblem | undefined {
  if (failingSinceUnixMs === undefined || failure === undefined) return undefined;
  if (nowUnixMs - failingSinceUnixMs < AWAY_AFTER_MS) return undefined;
  return { ...failure, sinceUnixMs: failingSinceUnixMs };
}
