/** How many workers get a thread of their own, unless a setting says so. */

import { totalmem } from 'node:os';
import process from 'node:process';

/**
 * Memory to plan for each dedicated lane, its heap in use and the worker's slot included: an idle one was measured at 6
 * to 9 MB.
 */
const BYTES_PER_LANE = 10e6;

/** As many as the memory limit of this machine, or of its container, carries. */
export function defaultDedicatedLanes(): number {
  const limitBytes = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY);
  return Math.floor(limitBytes / BYTES_PER_LANE);
}
