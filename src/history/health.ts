/**
 * When history is degraded: pure functions. One fault is told once, however often it is seen, and is over when nothing has failed
 * for {@link STEADY_AFTER_MS}.
 */
import type { HistoryProblem, HistoryProblemCode } from '../model/history-status.ts';
import { BUSY_FOR_MS, STEADY_AFTER_MS } from './history-limits.ts';

export interface Health {
  /** Undefined: not degraded. */
  readonly problem: HistoryProblem | undefined;
  /** Monotonic time of the first failure since it last was steady, and of the last; undefined: none. */
  readonly firstFailureMs: number | undefined;
  readonly lastFailureMs: number | undefined;
}

export const HEALTHY: Health = { problem: undefined, firstFailureMs: undefined, lastFailureMs: undefined };

export interface Now {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

export interface Failure {
  readonly code: HistoryProblemCode;
  readonly detail: string;
}

export function failed(health: Health, { code, detail }: Failure, now: Now): Health {
  const firstFailureMs = health.firstFailureMs ?? now.monotonicMs;
  const isTolerated = code === 'busy' && now.monotonicMs - firstFailureMs < BUSY_FOR_MS;
  const { problem } = health;
  return {
    firstFailureMs,
    lastFailureMs: now.monotonicMs,
    // The newest reason, since when anything has failed.
    problem:
      problem === undefined && isTolerated
        ? undefined
        : { code, detail, sinceUnixMs: problem?.sinceUnixMs ?? now.wallMs - (now.monotonicMs - firstFailureMs) },
  };
}

/** The database took something. */
export function worked(health: Health, now: Now): Health {
  const { lastFailureMs } = health;
  return lastFailureMs === undefined || now.monotonicMs - lastFailureMs >= STEADY_AFTER_MS ? HEALTHY : health;
}
