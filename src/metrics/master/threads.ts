/** How promptly threads work. */
import { gauge, gaugeBy, type MasterFamily } from './master-family.ts';

export const THREAD_FAMILIES: readonly MasterFamily[] = [
  gaugeBy(
    'event_loop_lag_mean_seconds',
    'thread',
    'Mean delay of a timer that fires every 250 ms in the thread, over the last 10 s.',
    ({ figures }) => ({ main: figures.gauges.loopDelayMs.mean / 1000 }),
    'seconds',
  ),
  gaugeBy(
    'event_loop_lag_max_seconds',
    'thread',
    'Longest delay of a timer that fires every 250 ms in the thread, over the last 10 s.',
    ({ figures }) => ({ main: figures.gauges.loopDelayMs.max / 1000 }),
    'seconds',
  ),
  gauge('threads_left_behind', 'Threads that were ended but still run.', ({ figures }) => {
    return figures.gauges.threadsLeftBehind;
  }),
];
