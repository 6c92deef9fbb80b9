/** Tells of workers whose heartbeats come while nothing moves behind them: the rule is in model/stuck.ts. */
import type { StuckReason } from '../model/stuck.ts';
import { stuckReason } from '../model/stuck.ts';
import type { BoardWriter } from '../store/board.ts';
import type { Chronicle } from './chronicle.ts';
import type { RosterEntry } from './roster.ts';

const TEXTS: Readonly<Record<StuckReason, string>> = {
  host_loop: 'the event loop of its host program stands still',
  tasks: 'a running task makes no progress',
};

export class StuckWatch {
  readonly #board: BoardWriter;
  readonly #chronicle: Chronicle;
  readonly #stuckAfterMs: number;

  constructor(board: BoardWriter, chronicle: Chronicle, stuckAfterMs: number) {
    this.#board = board;
    this.#chronicle = chronicle;
    this.#stuckAfterMs = stuckAfterMs;
  }

  /** @param nowMs by the monotonic clock, as are the moments in records */
  look({ liveness, slot, row, workerId }: RosterEntry, nowMs: number): void {
    const { hostLoopLagMs } = liveness;
    const { taskStoodStillSinceMs } = slot;
    // Who is silent may be anything.
    const reason =
      liveness.state === 'active'
        ? stuckReason({ hostLoopLagMs, taskStoodStillSinceMs }, nowMs, this.#stuckAfterMs)
        : undefined;
    if (reason === liveness.stuck) return;
    liveness.stuck = reason;
    this.#board.setStuck(row, reason);
    if (reason !== undefined) this.#chronicle.tell({ type: 'stuck', workerId, detail: TEXTS[reason] });
    else this.#chronicle.tell({ type: 'stuck_over', workerId });
  }
}
