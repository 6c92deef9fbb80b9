/** How many workers and lanes there are in each state, and what keeps main from judging workers. */
import { WORKER_STATES } from '../../model/liveness.ts';
import type { BoardReader } from '../../store/board.ts';
import { noneOf } from '../../store/master-figures.ts';
import { counted, counterBy, gauge, gaugeBy, type MasterFamily } from './master-family.ts';

export const WORKER_AND_LANE_FAMILIES: readonly MasterFamily[] = [
  gaugeBy('workers', 'state', 'Workers that the master knows, by state.', ({ board }) => workersByState(board)),
  {
    name: 'pulselane_state_transitions',
    type: 'counter',
    help: 'Changes of the state of a worker; `gone` stands for its removal.',
    labels: ['from', 'to'],
    // Also those that have not happened yet: of a series that begins with 1, no rate shows the first change.
    read: (facts) =>
      Object.entries(facts.figures.transitions).flatMap(([from, counts]) =>
        Object.entries(counts)
          .filter(([to]) => to !== from)
          .map(([to, count]) =>
            counted(
              [
                ['from', from],
                ['to', to],
              ],
              count,
              facts,
            ),
          ),
      ),
  },
  {
    name: 'pulselane_lanes',
    type: 'gauge',
    help: 'Lanes, by kind and state.',
    labels: ['kind', 'state'],
    read: ({ figures }) =>
      Object.entries(figures.gauges.lanes).flatMap(([kind, counts]) =>
        Object.entries(counts).map(([state, value]) => ({
          labels: [
            ['kind', kind],
            ['state', state],
          ] as const,
          value,
        })),
      ),
  },
  counterBy('lane_failures', 'reason', 'Unexpected ends of threads of lanes.', ({ figures }) => figures.laneFailures),
  gauge('brakes', 'Groups of workers that fell silent together and are not judged for now.', ({ figures }) => {
    return figures.holds.brakes;
  }),
  gauge('brake_silent_workers', 'Silent workers of the groups that are not judged for now.', ({ figures }) => {
    return figures.holds.silent;
  }),
  gauge('scored_workers', 'Active workers whose samples are compared with what is usual.', ({ figures }) => {
    return figures.anomalies.scored;
  }),
  gauge('anomalous_workers', 'Of these, workers whose newest sample is an anomaly.', ({ figures }) => {
    return figures.anomalies.anomalous;
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
