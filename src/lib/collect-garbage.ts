/**
 * Collects this thread's garbage at once. V8 does not count shared memory for any thread, so a thread that releases
 * megabytes of it may not collect them for hours; memory seen by several threads is free when each of them has
 * collected it. The collection blocks the thread, depending on its heap: 11 ms with 20 MB, 50 to 70 ms with the 70 MB
 * of a master of 20,000 workers. So it is done rarely, and on main never during a sweep.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collect: (() => void) | undefined;

export function collectGarbage(): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as () => void;
  }
  collect();
}
