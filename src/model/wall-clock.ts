/** Whether the wall clock was set: a pure function of two looks at both clocks. */

/** Both clocks at the same moment. */
export interface ClockLook {
  readonly wallMs: number;
  readonly monotonicMs: number;
}

/**
 * What a wall clock that is only corrected can differ by between two looks: NTP slews by at most 0.5 ms a second, and steps from 128 ms
 * on. Between the two readings of one look, the thread can be off the processor.
 */
export const LEAST_STEP_MS = 500;

/** By how far it was set, negative: back; 0: it was not. A suspended machine's clock goes forward, as if set. */
export function clockStepMs(before: ClockLook, now: ClockLook): number {
  const stepMs = now.wallMs - before.wallMs - (now.monotonicMs - before.monotonicMs);
  return Math.abs(stepMs) < LEAST_STEP_MS ? 0 : Math.round(stepMs);
}

/** `2.5 s back`, `3,600 s forward`. */
export function clockStepText(stepMs: number): string {
  const seconds = Math.abs(stepMs) / 1000;
  const shown = seconds.toLocaleString('en', { maximumFractionDigits: 1 });
  return `${shown} s ${stepMs < 0 ? 'back' : 'forward'}`;
}
