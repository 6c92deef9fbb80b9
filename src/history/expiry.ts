/**
 * By which time data is too old: a pure decision. It follows the wall clock, but not over a step forth, which would delete all that
 * there is. So it goes on with the monotonic clock for {@link HOLD_MS}, in which a clock that is wrong can be set right:
 *
 *     wall clock   ───────┐step            ┌──────────
 *                         └── (5 years) ───┘set right          the other way: a clock that was wrong is set right,
 *     expiry       ────────────────────────────────────        or a master was off for a month: after the hold, expiry follows
 *
 * After a start nothing is known of the monotonic clock of before: the database says by which time it last deleted.
 */

import type { Now } from './health.ts';

/** How long data is kept that only a clock which stepped forth makes too old. It costs so much more of the disk. */
export const HOLD_MS = 3_600_000;
/** A wall clock that is a bit ahead of the monotonic one has not stepped: it is slewed, or was read a moment later. */
const TOLERANCE_MS = 60_000;
/** A start is not told from a step: a master may be off for a night. */
const START_TOLERANCE_MS = 86_400_000;

export interface Expiry {
  /** Unix ms: the age of data is measured by it. */
  readonly atMs: number;
  /** When it was decided. */
  readonly monotonicMs: number;
  readonly hold: Hold | undefined;
}

export interface Hold {
  /** Monotonic. */
  readonly untilMs: number;
  /** How far the wall clock is ahead. */
  readonly aheadMs: number;
}

/** @param lastMs by which time the database last deleted, or else its newest data; undefined: it has none */
export function startExpiry(lastMs: number | undefined, now: Now): Expiry {
  const aheadMs = lastMs === undefined ? 0 : now.wallMs - lastMs;
  if (lastMs === undefined || aheadMs <= START_TOLERANCE_MS) return following(now);
  return { atMs: lastMs, monotonicMs: now.monotonicMs, hold: { untilMs: now.monotonicMs + HOLD_MS, aheadMs } };
}

export function nextExpiry({ atMs, monotonicMs, hold }: Expiry, now: Now): Expiry {
  const reachedMs = atMs + now.monotonicMs - monotonicMs;
  const aheadMs = now.wallMs - reachedMs;
  if (aheadMs <= TOLERANCE_MS) return following(now);
  const isFurther = hold === undefined || aheadMs > hold.aheadMs + TOLERANCE_MS;
  if (!isFurther && now.monotonicMs >= hold.untilMs) return following(now);
  return {
    atMs: reachedMs,
    monotonicMs: now.monotonicMs,
    hold: { untilMs: isFurther ? now.monotonicMs + HOLD_MS : hold.untilMs, aheadMs },
  };
}

/** Whether the wall clock was set back since: until the database knows, a start after a step forth again would delete by it. */
export function isSetBack({ atMs, monotonicMs }: Expiry, now: Now): boolean {
  return now.wallMs < atMs + now.monotonicMs - monotonicMs - TOLERANCE_MS;
}

/** Also of a clock that was set back: then less is too old. */
function following({ wallMs, monotonicMs }: Now): Expiry {
  return { atMs: wallMs, monotonicMs, hold: undefined };
}
