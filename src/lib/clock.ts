/**
 * Time, handed in: nothing else in Pulselane reads a clock or sets a timer, so that tests own time.
 *
 * `monotonicMs` is CLOCK_MONOTONIC and therefore comparable between the threads of a process (`performance.now()` is
 * not: it counts from each thread's own start). Liveness uses it alone; `wallMs` is for display.
 */
export interface Clock {
  /** Milliseconds since an arbitrary fixed point, with a fraction; never jumps. */
  monotonicMs(): number;
  /** Milliseconds since the Unix epoch; jumps when somebody sets the clock. */
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

/** Resolves after `delayMs` of the clock's time. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.after(delayMs, resolve));
}

/** Resolves to true once `condition` holds, looking every `everyMs`; to false when `withinMs` have passed. */
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
 * Calls `fn` when all has been heard that had happened by now. A thread that is held up past a deadline finds the timer due
 * before it has heard of what came in time: whoever gives something up at a deadline does so in here.
 */
export function afterHearing(fn: () => void): void {
  // The first comes when the loop has polled; what that has others do at once is done before the second.
  setImmediate(() => setImmediate(fn));
}

/** Waits for `work`, but no longer than `withinMs`. @returns whether it ended in time; its rejection is passed on. */
export async function endsWithin(clock: Clock, withinMs: number, work: Promise<unknown>): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = clock.after(withinMs, () => afterHearing(() => late.resolve(false)));
  try {
    return await Promise.race([work.then(() => true), late.promise]);
  } finally {
    timer.cancel();
  }
}
