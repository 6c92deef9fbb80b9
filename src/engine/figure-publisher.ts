/** Publishes the master's own figures on the board (store/master-figures.ts) at each sweep. */

import { LoopDelay } from '../lib/loop-delay.ts';
import { threadsLeftBehind } from '../lib/supervised-thread.ts';
import { LANE_KINDS, LANE_STATES } from '../model/lanes.ts';
import type { BoardWriter } from '../store/board.ts';
import { type AnomalyFigures, noneOfTable } from '../store/master-figures.ts';
import type { DeliveryWatch } from './delivery-watch.ts';
import { LaneLag } from './lane-lag.ts';
import type { LanePool } from './lanes/lane-pool.ts';
import type { Liveness } from './liveness/liveness.ts';

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
  readonly deliveries: Pick<DeliveryWatch, 'oldestReceiptMs'>;
}

/** A fourth of the sweeps: see apply-times.ts. */
const COLLECT_EVERY_MS = 1000;

export class FigurePublisher {
  /** Called at each sweep. */
  front: () => FrontGauges = () => ({ connections: 0, streams: 0 });
  /** Told by the alerts thread. */
  anomalies: AnomalyFigures = { scored: 0, anomalous: 0 };
  readonly #options: FigurePublisherOptions;
  readonly #loopDelay = new LoopDelay();
  readonly #laneLag = new LaneLag();
  #collectedMs = Number.NEGATIVE_INFINITY;

  constructor(options: FigurePublisherOptions) {
    this.#options = options;
  }

  /** @param lateMs delay of this sweep */
  publish(nowMs: number, lateMs: number): void {
    const { board, liveness, lanes, deliveries } = this.#options;
    this.#loopDelay.look(lateMs);
    this.#laneLag.look(deliveries.oldestReceiptMs, nowMs);
    if (nowMs - this.#collectedMs >= COLLECT_EVERY_MS) {
      this.#collectedMs = nowMs;
      board.collectApplyTimes();
    }
    const { graceEndsUnixMs, brakes } = liveness.holds;
    const lanesBy = noneOfTable(LANE_KINDS, LANE_STATES);
    for (const { kind, state } of lanes.lanes) lanesBy[kind][state]++;
    const { connections, streams } = this.front();
    board.setFigures({
      writtenMonotonicMs: nowMs,
      attentive: liveness.attentive,
      holds: {
        graceEndsUnixMs,
        brakes: brakes.length,
        silent: brakes.reduce((sum, { silent }) => sum + silent, 0),
      },
      anomalies: this.anomalies,
      gauges: {
        loopDelayMs: this.#loopDelay.ms,
        connections,
        streams,
        lanes: lanesBy,
        laneLagMs: this.#laneLag.maxMs,
        threadsLeftBehind: threadsLeftBehind(),
      },
      laneFailures: lanes.failures,
    });
  }
}
