/**
 * Injected time: nothing else in Pulselane reads a clock or sets a timer, so that tests control time.
 *
 * `monotonicMs` is CLOCK_MONOTONIC, and therefore comparable between threads of a process (`performance.now()` is not:
 * it starts at zero in each thread). Liveness uses only `monotonicMs`; `wallMs` is for display.
 */
export interface Clock {
  /** Milliseconds since an arbitrary fixed point, with fractions; never jumps. */
  monotonicMs(): number;
  /** Milliseconds since the Unix epoch; jumps when the system clock is set. */
  wallMs(): number;
  /** Calls `fn` once after `delayMs`. */
  after(delayMs: number, fn: () => void): Timer;
  /** Calls `fn` every `periodMs`. */
  every(periodMs: number, fn: () => void): Timer;
}

export interface Timer {
  cancel(): void;
}

export const systemClock: Clock = {
  monotonicMs() {
    const [seconds, nanoseconds] = process.hrtime();
    return seconds * 1e3 + nanoseconds / 1e6;
  },
  wallMs: () => Date.now(),
  after(delayMs, fn) {
    const handle = setTimeout(fn, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
  every(periodMs, fn) {
    const handle = setInterval(fn, periodMs);
    return { cancel: () => clearInterval(handle) };
  },
};

/** Resolves after `delayMs`. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.after(delayMs, resolve));
}

/** Resolves to true once `condition` holds, checked every `everyMs`; to false after `withinMs`. */
export async function until(
  clock: Clock,
  condition: () => boolean,
  { withinMs, everyMs }: { withinMs: number; everyMs: number },
): Promise<boolean> {
  const deadlineMs = clock.monotonicMs() + withinMs;
  while (!condition()) {
    if (clock.monotonicMs() >= deadlineMs) return false;
    await sleep(clock, everyMs);
  }
  return true;
}

/**
 * Calls `fn` after all events that have happened so far were handled. A thread that was delayed beyond a deadline runs
 * the timer before it handles events that arrived in time, so whatever is given up at a deadline must be decided in
 * here.
 */
export function afterHearing(fn: () => void): void {
  // The first runs after the loop has polled; immediate consequences of those events run before the second.
  setImmediate(() => setImmediate(fn));
}

/** Waits for `work` for at most `withinMs`. @returns whether it ended in time; rejects if `work` does */
export async function endsWithin(clock: Clock, withinMs: number, work: Promise<unknown>): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = clock.after(withinMs, () => afterHearing(() => late.resolve(false)));
  try {
    return await Promise.race([work.then(() => true), late.promise]);
  } finally {
    timer.cancel();
  }
}
