/**
 * Ensures that a processor cannot exhaust the machine's memory, however it allocates it. Memory that V8 or the lane
 * counts has limits of its own; the rest is visible only in the memory of the process.
 *
 * | state  | condition                                                   | action                                              |
 * |--------|-------------------------------------------------------------|-----------------------------------------------------|
 * | calm   | otherwise                                                   | none                                                |
 * | watch  | less than 1/5 of a limit is free, or 3/4 of the bound used  | lanes report for which worker memory grows          |
 * | danger | less than 1/10 is free, or the bound is reached             | the lane that grew the most is terminated           |
 *
 * Memory is checked at each sweep, which takes 0.2 ms: a processor can allocate hundreds of MB per second, and growth
 * before lanes report it cannot be attributed.
 *
 * If no lane grew, other processes use the memory, and no lane is terminated. A lane reports growth observed during
 * turns of its workers, whoever caused it, so it counts only up to the growth of the whole process.
 */
import { Hand, type LedgerReader, type Place } from '../../store/lane-ledger.ts';
import type { Limit } from './thread-budget.ts';

export type Shortness = 'calm' | 'watch' | 'danger';

const WATCH_BELOW_FREE = 0.2;
export const DANGER_BELOW_FREE = 0.1;
const WATCH_ABOVE_BOUND = 0.75;
/** Smaller growth is caused by heaps and other threads. */
const MIN_GROWN_KIB = 16 * 1024;
/** The process must have grown by this share of a lane's reported growth; other threads may free memory meanwhile. */
const LEAST_RISE = 0.5;
/** A terminated thread frees its memory within this time. */
const AFTER_END_MS = 1000;

export function shortness(limits: readonly Limit[], residentBytes: number, boundBytes: number | undefined): Shortness {
  const free = Math.min(1, ...limits.map(({ most, taken }) => (most - taken) / most));
  const ofBound = boundBytes === undefined ? 0 : residentBytes / boundBytes;
  if (free < DANGER_BELOW_FREE || ofBound >= 1) return 'danger';
  return free < WATCH_BELOW_FREE || ofBound >= WATCH_ABOVE_BOUND ? 'watch' : 'calm';
}

/** Growth of one lane. */
export interface LaneGrowth<L> {
  readonly lane: L;
  readonly grownKib: number;
  readonly owner: Place;
  /** Growth of the process since the start of the lane's current turn; 0 if none runs. */
  readonly inTurnKib: number;
  /** Owner of that turn. */
  readonly turnOwner: Place;
}

export interface Grower<L> {
  readonly lane: L;
  readonly owner: Place;
  readonly grownKib: number;
}

/**
 * The lane that caused the most growth; undefined if none did.
 * @param riseKib growth of the process
 */
export function grower<L>(lanes: readonly LaneGrowth<L>[], riseKib: number): Grower<L> | undefined {
  if (riseKib < MIN_GROWN_KIB) return undefined;
  let most: Grower<L> | undefined;
  for (const { lane, grownKib, owner, inTurnKib, turnOwner } of lanes) {
    for (const found of [
      { lane, owner, grownKib },
      { lane, owner: turnOwner, grownKib: inTurnKib },
    ]) {
      const isLikely = found.grownKib >= MIN_GROWN_KIB && riseKib >= LEAST_RISE * found.grownKib;
      if (isLikely && found.grownKib > (most?.grownKib ?? 0)) most = found;
    }
  }
  return most;
}

export interface WatchedLane {
  /** Undefined while it has no thread. */
  readonly ledger: LedgerReader | undefined;
}

export interface ResidentSources {
  readonly limits: () => readonly Limit[];
  readonly residentBytes: () => number;
  /** Undefined: no bound besides the limits. */
  readonly boundBytes: number | undefined;
}

interface Turn {
  readonly ledger: LedgerReader;
  readonly turns: number;
  readonly residentBytes: number;
}

export class ResidentWatch<L extends WatchedLane> {
  readonly #sources: ResidentSources;
  #state: Shortness = 'calm';
  #waitMs = 0;
  /** Minimum memory of the process since watching began. */
  #leastBytes = Number.POSITIVE_INFINITY;
  /** Turns that ran at the last look, with the process's memory when each was first seen. */
  #turns = new Map<L, Turn>();

  constructor(sources: ResidentSources) {
    this.#sources = sources;
  }

  get state(): Shortness {
    return this.#state;
  }

  /** Called at each sweep. @returns the lane to terminate */
  look(elapsedMs: number, lanes: readonly L[]): Grower<L> | undefined {
    this.#waitMs = Math.max(0, this.#waitMs - elapsedMs);
    if (this.#waitMs > 0) return undefined;
    const { limits, boundBytes } = this.#sources;
    const residentBytes = this.#sources.residentBytes();
    this.#state = shortness(limits(), residentBytes, boundBytes);
    const isCalm = this.#state === 'calm';
    this.#leastBytes = isCalm ? Number.POSITIVE_INFINITY : Math.min(this.#leastBytes, residentBytes);
    for (const { ledger } of lanes) ledger?.watchMemory(!isCalm);
    this.#noteTurns(isCalm ? [] : lanes, residentBytes);
    if (this.#state !== 'danger') return undefined;
    const riseKib = Math.round((residentBytes - this.#leastBytes) / 1024);
    const growths = lanes.flatMap((lane) => this.#growthOf(lane, residentBytes));
    const found = grower(growths, riseKib);
    if (found !== undefined) this.#waitMs = AFTER_END_MS;
    return found;
  }

  #noteTurns(lanes: readonly L[], residentBytes: number): void {
    const turns = new Map<L, Turn>();
    for (const lane of lanes) {
      const { ledger } = lane;
      // A lane that waits for heartbeats is in a turn without an owner.
      if (ledger === undefined || ledger.isResting || ledger.hand !== Hand.worker) continue;
      const before = this.#turns.get(lane);
      const isSame = before !== undefined && before.ledger === ledger && before.turns === ledger.turns;
      turns.set(lane, isSame ? before : { ledger, turns: ledger.turns, residentBytes });
    }
    this.#turns = turns;
  }

  #growthOf(lane: L, residentBytes: number): LaneGrowth<L>[] {
    const { ledger } = lane;
    if (ledger === undefined) return [];
    const { kib: grownKib, owner } = ledger.grown;
    const turn = this.#turns.get(lane);
    const inTurnKib = turn === undefined ? 0 : Math.round((residentBytes - turn.residentBytes) / 1024);
    return [{ lane, grownKib, owner, inTurnKib, turnOwner: ledger.owner }];
  }
}
