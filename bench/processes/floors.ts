/** A process that only runs the timed floors. */
import { startBareThread } from '../baseline/bare-thread.ts';
import { answerParent } from '../lib/child.ts';
import { copiesMs } from '../lib/memcpy.ts';
import { wakeUps } from '../lib/wake-ups.ts';

const calls = {
  wakeUps,
  copiesMs,
  /** One after the other. */
  async threadStartsMs(threads: number): Promise<Float64Array> {
    const tookMs = new Float64Array(threads);
    for (let i = 0; i < threads; i++) {
      const startMs = performance.now();
      const thread = await startBareThread();
      tookMs[i] = performance.now() - startMs;
      await thread.terminate();
    }
    return tookMs;
  },
};
export type FloorsCalls = typeof calls;

answerParent(calls);
