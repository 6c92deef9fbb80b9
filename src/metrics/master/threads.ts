/** How promptly threads work. */
import { LANE_KINDS } from '../../model/lanes.ts';
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
  gaugeBy(
    'lane_lag_max_seconds',
    'kind',
    'Age of the oldest heartbeat that a lane had not processed, the highest of the last 10 s; lanes in quarantine excepted.',
    ({ figures: { gauges } }) => Object.fromEntries(LANE_KINDS.map((kind) => [kind, gauges.laneLagMs[kind] / 1000])),
    'seconds',
  ),
  gauge('threads_left_behind', 'Threads that were ended but still run.', ({ figures }) => {
    return figures.gauges.threadsLeftBehind;
  }),
];
