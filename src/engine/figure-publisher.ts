/** Puts on the board what the master knows of itself as a whole (store/master-figures.ts), with each sweep. */
import { threadsLeftBehind } from '../lib/supervised-thread.ts';
import { LANE_STATES } from '../model/lanes.ts';
import type { BoardWriter } from '../store/board.ts';
import { noneOf } from '../store/master-figures.ts';
import type { LanePool } from './lanes/lane-pool.ts';
import type { Liveness } from './liveness/liveness.ts';
import { LoopDelay } from './loop-delay.ts';

/** What is in front of the engine, and known there alone. */
export interface FrontGauges {
  /** Open gRPC connections, and streams of heartbeats on them. */
  readonly connections: number;
  readonly streams: number;
}

export interface FigurePublisherOptions {
  readonly board: BoardWriter;
  readonly liveness: Liveness;
  readonly lanes: LanePool;
}

export class FigurePublisher {
  /** Asked with each sweep. */
  front: () => FrontGauges = () => ({ connections: 0, streams: 0 });
  readonly #options: FigurePublisherOptions;
  readonly #loopDelay = new LoopDelay();

  constructor(options: FigurePublisherOptions) {
    this.#options = options;
  }

  /** @param lateMs how late this sweep is */
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
