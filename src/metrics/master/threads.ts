/** How promptly threads work. */
import { LANE_KINDS } from '../../model/lanes.ts';
import { READING_THREADS } from '../../model/reading-threads.ts';
import { overdueMs } from '../../store/thread-figures.ts';
import { counterBy, gauge, gaugeBy, type MasterFacts, type MasterFamily } from './master-family.ts';

export const THREAD_FAMILIES: readonly MasterFamily[] = [
  gaugeBy(
    'event_loop_lag_mean_seconds',
    'thread',
    'Mean delay of a timer that fires every 250 ms in the thread, over the last 10 s.',
    (facts) => lagSeconds(facts, 'mean'),
    'seconds',
  ),
  gaugeBy(
    'event_loop_lag_max_seconds',
    'thread',
    'Longest delay of a timer that fires every 250 ms in the thread, over the last 10 s.',
    (facts) => lagSeconds(facts, 'max'),
    'seconds',
  ),
  counterBy(
    'thread_starts',
    'thread',
    'Starts of threads that read; more than the first are restarts or on demand.',
    (facts) =>
      Object.fromEntries(
        READING_THREADS.map((name) => [name, facts.board.threads.of(name, facts.nowMonotonicMs).starts]),
      ),
  ),
  gaugeBy('threads_running', 'thread', 'Threads that read and run.', (facts) =>
    Object.fromEntries(
      READING_THREADS.map((name) => [name, facts.board.threads.of(name, facts.nowMonotonicMs).running]),
    ),
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

/** Of each thread that runs. Main may be stuck, too: then its last figures are old. */
function lagSeconds({ board, figures, nowMonotonicMs }: MasterFacts, which: 'mean' | 'max'): Record<string, number> {
  const { gauges, writtenMonotonicMs } = figures;
  const overdue = which === 'max' && writtenMonotonicMs > 0 ? overdueMs(nowMonotonicMs - writtenMonotonicMs) : 0;
  const seconds: Record<string, number> = { main: Math.max(gauges.loopDelayMs[which], overdue) / 1000 };
  for (const name of READING_THREADS) {
    const { lagMs } = board.threads.of(name, nowMonotonicMs);
    if (lagMs !== undefined) seconds[name] = lagMs[which] / 1000;
  }
  return seconds;
}
