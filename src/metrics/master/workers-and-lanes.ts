/** How many workers and lanes there are in each state, and what keeps main from judging workers. */
import { WORKER_STATES } from '../../model/liveness.ts';
import type { BoardReader } from '../../store/board.ts';
import { noneOf } from '../../store/master-figures.ts';
import { gauge, gaugeBy, type MasterFamily } from './master-family.ts';

export const WORKER_AND_LANE_FAMILIES: readonly MasterFamily[] = [
  gaugeBy('workers', 'state', 'Workers that the master knows, by state.', ({ board }) => workersByState(board)),
  gaugeBy('lanes', 'state', 'Lanes, by state.', ({ figures }) => figures.gauges.lanes),
  gauge('brakes', 'Groups of workers that fell silent together and are not judged for now.', ({ figures }) => {
    return figures.holds.brakes;
  }),
  gauge('brake_silent_workers', 'Silent workers of the groups that are not judged for now.', ({ figures }) => {
    return figures.holds.silent;
  }),
  gauge(
    'grace_remaining_seconds',
    'Time until the workers of an earlier master count as inactive if they have not reported; 0 if there is no grace.',
    ({ figures: { holds }, nowUnixMs }) => Math.max(0, (holds.graceEndsUnixMs ?? 0) - nowUnixMs) / 1000,
    'seconds',
  ),
];

function workersByState(board: BoardReader): Readonly<Record<string, number>> {
  const counts = noneOf(WORKER_STATES);
  const { rowsUsed } = board;
  for (let row = 0; row < rowsUsed; row++) if (board.occupantOf(row) > 0) counts[board.state(row)]++;
  return counts;
}
