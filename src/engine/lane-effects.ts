/** Applies the effects of lane events on workers: on the board, in the roster, and in the memory accounts. */
import type { Clock } from '../lib/clock.ts';
import { shortNumber } from '../model/anomaly/reason.ts';
import { wordsOf } from '../model/anomaly/words.ts';
import type { BoardWriter, LaneOnBoard } from '../store/board.ts';
import type { LaneHandle } from './lanes/lane-handle.ts';
import type { LanePoolOptions } from './lanes/lane-pool.ts';
import type { Liveness } from './liveness/liveness.ts';
import type { Roster } from './workers/roster.ts';
import type { SlotKeeper } from './workers/slot-keeper.ts';

export interface LaneEffectsOptions {
  readonly board: BoardWriter;
  readonly roster: Roster;
  readonly slots: SlotKeeper;
  readonly liveness: Liveness;
  /** Called when threads for lanes can no longer be started, and when they can again. */
  readonly onThreadsFailing: (fails: boolean) => void;
  readonly clock: Clock;
}

/** The worker named in an event may have been removed meanwhile, and its row reused. */
export function laneEffects(options: LaneEffectsOptions): LanePoolOptions['events'] {
  const { board, roster, slots, liveness, onThreadsFailing, clock } = options;
  return {
    onChange: (lane) => {
      if (lane.state === 'stopped') slots.ended(lane);
      const shown = laneOnBoard(lane);
      for (const worker of lane.workers) board.setLane(worker.row, shown);
    },
    onGrown: (worker, memory) => {
      const entry = slots.grown(worker, memory);
      if (entry !== undefined) liveness.lookForRecord(entry);
    },
    onAccepted: (worker, { metric, value, wasUsual }) => {
      if (roster.entryOf(worker) === undefined) return;
      const { name, unit } = wordsOf(metric);
      const detail = `${name} is accepted as usual at ${shortNumber(value)}${unit}; its usual was ${shortNumber(wasUsual)}${unit}`;
      liveness.recordEvent({ type: 'new_normal', workerId: worker.workerId, detail });
    },
    onServed: (worker, lane, left) => {
      board.setLane(worker.row, laneOnBoard(lane));
      if (left !== undefined) slots.left(left);
    },
    onAbandoned: (worker) => slots.abandoned(worker),
    onLost: (worker, cause) => {
      if (roster.entryOf(worker) !== undefined) board.countLost(worker.row, cause);
    },
    onCharged: (worker, { cause, reason }) => {
      const entry = roster.entryOf(worker);
      if (entry !== undefined) roster.charge(entry, { cause, reason, atUnixMs: clock.wallMs() });
    },
    onStartsFailing: (reason) => {
      liveness.recordEvent(
        reason === undefined
          ? { type: 'fault_over', detail: 'threads can be started again' }
          : { type: 'fault', detail: `threads cannot be started: ${reason}` },
      );
      onThreadsFailing(reason !== undefined);
    },
  };
}

function laneOnBoard({ number, kind, state, restarts }: LaneHandle): LaneOnBoard {
  return { number, kind, state, restarts };
}
