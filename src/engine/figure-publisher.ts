/** Publishes the master's own figures on the board (store/master-figures.ts) at each sweep. */
import { threadsLeftBehind } from '../lib/supervised-thread.ts';
import { LANE_STATES } from '../model/lanes.ts';
import type { BoardWriter } from '../store/board.ts';
import { noneOf } from '../store/master-figures.ts';
import type { LanePool } from './lanes/lane-pool.ts';
import type { Liveness } from './liveness/liveness.ts';
import { LoopDelay } from './loop-delay.ts';

/** Figures that only the code in front of the engine knows. */
export interface FrontGauges {
  /** Open gRPC connections, and heartbeat streams on them. */
  readonly connections: number;
  readonly streams: number;
}

export interface FigurePublisherOptions {
  readonly board: BoardWriter;
  readonly liveness: Liveness;
  readonly lanes: LanePool;
}

export class FigurePublisher {
  /** Called at each sweep. */
  front: () => FrontGauges = () => ({ connections: 0, streams: 0 });
  readonly #options: FigurePublisherOptions;
  readonly #loopDelay = new LoopDelay();

  constructor(options: FigurePublisherOptions) {
    this.#options = options;
  }

  /** @param lateMs delay of this sweep */
  publish(nowMs: number, lateMs: number): void {
    const { board, liveness, lanes } = this.#options;
    this.#loopDelay.look(lateMs);
    const { graceEndsUnixMs, brakes } = liveness.holds;
    const lanesByState = noneOf(LANE_STATES);
    for (const { state } of lanes.lanes) lanesByState[state]++;
    const { connections, streams } = this.front();
    board.setFigures({
      writtenMonotonicMs: nowMs,
      attentive: liveness.attentive,
      holds: {
        graceEndsUnixMs,
        brakes: brakes.length,
        silent: brakes.reduce((sum, { silent }) => sum + silent, 0),
      },
      gauges: {
        loopDelayMs: this.#loopDelay.ms,
        connections,
        streams,
        lanes: lanesByState,
        threadsLeftBehind: threadsLeftBehind(),
      },
    });
  }
}
