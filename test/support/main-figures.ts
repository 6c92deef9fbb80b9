/** Figures as main writes them on the board, of a master without work. */
import { FAULT_CAUSES, LANE_KINDS, LANE_STATES } from '../../src/model/lanes.ts';
import type { BoardWriter } from '../../src/store/board.ts';
import { noneOf, noneOfTable } from '../../src/store/master-figures.ts';

type Written = Parameters<BoardWriter['setFigures']>[0];

export function mainFigures({
  writtenMonotonicMs,
  mayJudge,
  graceEndsUnixMs,
}: {
  readonly writtenMonotonicMs: number;
  readonly mayJudge: boolean;
  readonly graceEndsUnixMs: number | undefined;
}): Written {
  return {
    writtenMonotonicMs,
    attentive: { offsetMs: 0, mayJudge },
    holds: { graceEndsUnixMs, brakes: 0, silent: 0 },
    anomalies: { scored: 0, anomalous: 0 },
    gauges: {
      loopDelayMs: { mean: 0, max: 0 },
      connections: 0,
      streams: 0,
      lanes: noneOfTable(LANE_KINDS, LANE_STATES),
      laneLagMs: noneOf(LANE_KINDS),
      threadsLeftBehind: 0,
    },
    laneFailures: noneOf(FAULT_CAUSES),
  };
}
