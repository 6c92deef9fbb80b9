/** Reports workers that send heartbeats but make no progress; the rule is in model/stuck.ts. */
import type { StuckReason } from '../../model/stuck.ts';
import { stuckReason } from '../../model/stuck.ts';
import type { BoardWriter } from '../../store/board.ts';
import type { SlotReader } from '../../store/slot-reader.ts';
import type { RosterEntry } from '../workers/roster.ts';
import type { EventRecorder } from './event-recorder.ts';
import type { WorkerLiveness } from './worker-liveness.ts';

const TEXTS: Readonly<Record<StuckReason, string>> = {
  host_loop: 'the event loop of its host program is blocked',
  tasks: 'a running task makes no progress',
};

export class StuckWatch {
  readonly #board: BoardWriter;
  readonly #recorder: EventRecorder;
  readonly #stuckAfterMs: number;

  constructor(board: BoardWriter, recorder: EventRecorder, stuckAfterMs: number) {
    this.#board = board;
    this.#recorder = recorder;
    this.#stuckAfterMs = stuckAfterMs;
  }

  look({ liveness, slot, row, workerId }: RosterEntry): void {
    const { state, stuck: before } = liveness;
    // A silent worker keeps the status of its last heartbeat.
    if (state === 'suspect' || state === 'unknown') return;
    const reason = state === 'active' ? this.#reason(liveness, slot) : undefined;
    if (reason === before) return;
    liveness.stuck = reason;
    this.#board.setStuck(row, reason);
    if (reason !== undefined) this.#recorder.record({ type: 'stuck', workerId, detail: TEXTS[reason] });
    else if (state === 'active') this.#recorder.record({ type: 'stuck_over', workerId });
    else this.#recorder.record({ type: 'stuck_over', workerId, detail: `not known while the worker is ${state}` });
  }

  #reason({ hostLoopLagMs, steadySinceMs }: WorkerLiveness, slot: SlotReader): StuckReason | undefined {
    // In this order: if a record is written in between, the time without progress only looks shorter.
    const reportedMs = slot.receivedMonotonicMs;
    const { taskStoodStillSinceMs } = slot;
    return stuckReason({ hostLoopLagMs, taskStoodStillSinceMs, reportedMs, steadySinceMs }, this.#stuckAfterMs);
  }
}
