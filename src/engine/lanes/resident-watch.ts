/**
 * Sees to it that no processor takes the memory of the machine, whatever it takes it by: what V8 counts has limits of its
 * own, and so has what the lane counts; of the rest only the memory of the process tells.
 *
 * | state  | when                                                        | what follows                                        |
 * |--------|-------------------------------------------------------------|-----------------------------------------------------|
 * | calm   | otherwise                                                   | nothing                                             |
 * | watch  | below a fifth of a limit is free, or 3/4 of the bound taken | lanes tell for whom memory grows                    |
 * | danger | below a tenth is free, or the bound is reached              | the lane that made it grow the most is ended        |
 *
 * It is looked at in each sweep, which takes 0.2 ms: what is taken before lanes tell of it cannot be charged to anybody, and a
 * processor takes hundreds of MB a second.
 *
 * Where no lane has made it grow, others on the machine have: nobody is ended for that. What a lane tells is what was seen
 * during turns of its workers, whoever did it; so it counts only as far as the process as a whole has grown meanwhile.
 */
import { Hand, type LedgerReader, type Place } from '../../store/lane-ledger.ts';
import type { Limit } from './thread-budget.ts';

export type Shortness = 'calm' | 'watch' | 'danger';

const WATCH_BELOW_FREE = 0.2;
const DANGER_BELOW_FREE = 0.1;
const WATCH_ABOVE_BOUND = 0.75;
/** Less is what heaps and other threads do by themselves. */
const MIN_GROWN_KIB = 16 * 1024;
/** Others give back memory while one takes it: of what a lane is to have taken, so much must be there. */
const LEAST_RISE = 0.5;
/** A thread that is ended gives back its memory within this time. */
const AFTER_END_MS = 1000;

export function shortness(limits: readonly Limit[], residentBytes: number, boundBytes: number | undefined): Shortness {
  const free = Math.min(1, ...limits.map(({ most, taken }) => (most - taken) / most));
  const ofBound = boundBytes === undefined ? 0 : residentBytes / boundBytes;
  if (free < DANGER_BELOW_FREE || ofBound >= 1) return 'danger';
  return free < WATCH_BELOW_FREE || ofBound >= WATCH_ABOVE_BOUND ? 'watch' : 'calm';
}

/** What is known of one lane. */
export interface LaneGrowth<L> {
  readonly lane: L;
  readonly grownKib: number;
  readonly owner: Place;
  /** How much the process has grown since its turn began that does not end; 0 if none runs. */
  readonly inTurnKib: number;
  /** Of that turn. */
  readonly turnOwner: Place;
}

export interface Grower<L> {
  readonly lane: L;
  readonly owner: Place;
  readonly grownKib: number;
}

/**
 * The lane that made memory grow the most; undefined if none did.
 * @param riseKib what the process has grown by meanwhile
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
  /** Undefined: as much as the limits allow. */
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
  /** The least memory of the process since it is watched. */
  #leastBytes = Number.POSITIVE_INFINITY;
  /** Turns that ran at the last look, and how much memory there was when each was first seen. */
  #turns = new Map<L, Turn>();

  constructor(sources: ResidentSources) {
    this.#sources = sources;
  }

  get state(): Shortness {
    return this.#state;
  }

  /** At each sweep. @returns the lane to end */
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
      // A lane that waits for heartbeats is in a turn, too, which is nobody's.
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
