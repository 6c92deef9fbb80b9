/**
 * Records state changes of workers, except those of a worker that flaps (changes state constantly), which are counted.
 */
import { beginsToFlap, isSteadyAgain, nextFlapStep, withChange } from '../../model/flapping.ts';
import type { StateCause, WorkerState } from '../../model/liveness.ts';
import type { BoardWriter } from '../../store/board.ts';
import type { RosterEntry } from '../workers/roster.ts';
import type { EventRecorder } from './event-recorder.ts';

export interface Transition {
  readonly from: WorkerState | undefined;
  readonly to: WorkerState | 'gone';
  readonly cause: StateCause;
  readonly detail?: string | undefined;
}

/** States before the first change, or before a restart of the master: leaving them is not flapping. */
const BEGINNINGS: readonly (WorkerState | undefined)[] = [undefined, 'registered', 'unknown'];

export class FlapDamper {
  readonly #recorder: EventRecorder;
  readonly #board: BoardWriter;
  /** Workers that changed state within the last steps. */
  readonly #unsteady = new Set<RosterEntry>();

  constructor(recorder: EventRecorder, board: BoardWriter) {
    this.#recorder = recorder;
    this.#board = board;
  }

  changed(entry: RosterEntry, { from, to, cause, detail }: Transition): void {
    const { workerId, liveness } = entry;
    const counts = !BEGINNINGS.includes(from) && to !== 'gone';
    if (counts) {
      liveness.flapSteps = withChange(liveness.flapSteps);
      liveness.transitions++;
      this.#unsteady.add(entry);
    }
    if (counts && (liveness.isFlapping || beginsToFlap(liveness.flapSteps, liveness.transitions))) {
      liveness.suppressed++;
      if (!liveness.isFlapping) this.#begin(entry);
      return;
    }
    this.#recorder.record({
      type: 'state',
      workerId,
      to,
      cause,
      ...(from === undefined ? {} : { from }),
      ...(detail === undefined ? {} : { detail }),
    });
  }

  /** A step has passed, see model/flapping.ts. */
  step(): void {
    for (const entry of this.#unsteady) {
      const { liveness } = entry;
      if (liveness.isFlapping && isSteadyAgain(liveness.flapSteps)) this.#end(entry);
      liveness.flapSteps = nextFlapStep(liveness.flapSteps);
      if (liveness.flapSteps !== 0) continue;
      liveness.transitions = 0;
      this.#unsteady.delete(entry);
    }
  }

  forget(entry: RosterEntry): void {
    this.#unsteady.delete(entry);
  }

  #begin(entry: RosterEntry): void {
    const { workerId, liveness, row } = entry;
    liveness.isFlapping = true;
    this.#board.setFlag(row, 'flapping', true);
    const detail = `${liveness.transitions} state changes; further ones are counted, not recorded`;
    this.#recorder.record({ type: 'flapping', workerId, detail });
  }

  #end(entry: RosterEntry): void {
    const { workerId, liveness, row } = entry;
    const detail = `it is ${liveness.state}; ${liveness.suppressed} changes were not recorded`;
    liveness.isFlapping = false;
    liveness.transitions = 0;
    liveness.suppressed = 0;
    this.#board.setFlag(row, 'flapping', false);
    this.#recorder.record({ type: 'flapping_over', workerId, detail });
  }
}
