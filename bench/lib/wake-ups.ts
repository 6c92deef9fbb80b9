/** How soon a sleeping thread of this process runs after a wake-up, and how late timers are meanwhile. */
import { SleepingThread } from '../baseline/sleeping-thread.ts';
import type { HowWoken } from '../baseline/sleeping-thread-memory.ts';
import { watchLoopDelay } from './loop-delay.ts';
import { eventually, sleepMs } from './time.ts';

export interface WakeUps {
  /** From the wake-up call until the thread runs. */
  readonly tookUs: Float64Array;
  /** Of this thread's event loop, p99. */
  readonly loopDelayMs: number;
}

const WAKE_EVERY_MS = 2;
const WARM_WAKE_UPS = 50;

export async function wakeUps(how: HowWoken, forMs: number): Promise<WakeUps> {
  const sleeper = await SleepingThread.start(how);
  const tookUs: number[] = [];
  /** Wakes it again once it has reported how long it took. */
  const wake = () => {
    const { tookMs } = sleeper;
    if (tookMs === undefined) return;
    tookUs.push(tookMs * 1000);
    sleeper.wake();
  };
  sleeper.wake();
  const timer = setInterval(wake, WAKE_EVERY_MS);
  try {
    await eventually('the thread is warm', () => tookUs.length >= WARM_WAKE_UPS);
    tookUs.length = 0;
    const endLoopDelay = watchLoopDelay();
    await sleepMs(forMs);
    await eventually('the thread was woken', () => tookUs.length > 0);
    return { tookUs: Float64Array.from(tookUs), loopDelayMs: endLoopDelay() };
  } finally {
    clearInterval(timer);
    await sleeper.end();
  }
}
