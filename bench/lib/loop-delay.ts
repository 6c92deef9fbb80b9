import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 1;
const NS_PER_MS = 1e6;

/** Measures how late timers of 1 ms are in this thread's event loop. @returns a function that ends it, with the p99 in ms */
export function watchLoopDelay(): () => number {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  return () => {
    delays.disable();
    return Math.max(0, delays.percentile(99) / NS_PER_MS - RESOLUTION_MS);
  };
}
