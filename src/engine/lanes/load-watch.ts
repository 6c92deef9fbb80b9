/**
 * Determines which workers are heavy (worker-load.ts) while all dedicated lanes are taken; otherwise it does not
 * matter. Checks a part of the fleet at a time, so that sweeps stay short.
 */
import type { Clock } from '../../lib/clock.ts';
import type { BoardReader } from '../../store/board.ts';
import type { Roster, RosterEntry } from '../workers/roster.ts';
import type { LanePool } from './lane-pool.ts';
import { NO_LOAD, nextLoad, type WorkerLoad } from './worker-load.ts';

export interface LoadWatchOptions {
  readonly board: BoardReader;
  readonly roster: Roster;
  readonly lanes: Pick<LanePool, 'isFull' | 'reconsider'>;
  readonly clock: Clock;
}

/** A look takes less than 1 µs: 10,000 workers are checked in 5 s, with a thousandth of main's time. */
const LOOKS_PER_SWEEP = 500;
/** Over a shorter time, a single heartbeat would count too much. */
const LEAST_SPAN_MS = 5000;

/** Values of a worker at the last look. */
interface Seen {
  readonly atMs: number;
  readonly accepted: number;
  /** Number of its lane, which `micros` refers to. */
  readonly lane: number | undefined;
  readonly micros: number;
  readonly load: WorkerLoad;
}

export class LoadWatch {
  readonly #options: LoadWatchOptions;
  readonly #seen = new WeakMap<RosterEntry, Seen>();
  #round: Iterator<RosterEntry> | undefined;

  constructor(options: LoadWatchOptions) {
    this.#options = options;
  }

  /** Called at each sweep. */
  look(): void {
    const { roster, lanes, clock } = this.#options;
    if (!lanes.isFull) return;
    const nowMs = clock.monotonicMs();
    for (let looks = 0; looks < LOOKS_PER_SWEEP; looks++) {
      this.#round ??= roster.all()[Symbol.iterator]();
      const { value: entry, done } = this.#round.next();
      if (done) {
        this.#round = undefined;
        return;
      }
      this.#lookAt(entry, nowMs);
    }
  }

  #lookAt(entry: RosterEntry, nowMs: number): void {
    const { board, lanes } = this.#options;
    const before = this.#seen.get(entry);
    if (before !== undefined && nowMs - before.atMs < LEAST_SPAN_MS) return;
    const { lane } = entry.place;
    const accepted = board.acceptedOf(entry.row);
    const micros = lane?.processorMicros(entry) ?? 0;
    const isSameLane = before?.lane === lane?.number;
    const load =
      before === undefined
        ? NO_LOAD
        : nextLoad(before.load, {
            elapsedMs: nowMs - before.atMs,
            heartbeats: (accepted - before.accepted) >>> 0,
            recordBytes: entry.slot.jsonBytes,
            // A restarted thread counts from zero.
            processorMs: isSameLane ? Math.max(0, (micros - before.micros) | 0) / 1000 : 0,
          });
    this.#seen.set(entry, { atMs: nowMs, accepted, lane: lane?.number, micros, load });
    if (load.isHeavy === entry.isHeavy) return;
    entry.isHeavy = load.isHeavy;
    lanes.reconsider(entry);
  }
}
