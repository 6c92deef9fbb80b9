/**
 * How far lanes are behind, by kind: the age of the oldest heartbeat that one has not processed at a sweep, and the
 * longest of the last sweeps. A lane has no event loop whose delay could be measured: it sleeps until it has work.
 */
import { LANE_KINDS, type LaneKind } from '../model/lanes.ts';
import { noneOf } from '../store/master-figures.ts';

/** Number of sweeps kept: 10 s. */
const LOOKS = 40;

export class LaneLag {
  readonly #agesMs: Record<LaneKind, number>[] = [];
  #next = 0;

  /** @param oldestReceiptMs of the oldest heartbeat of each kind of lane; Infinity: there is none */
  look(oldestReceiptMs: Readonly<Record<LaneKind, number>>, nowMs: number): void {
    const agesMs = noneOf(LANE_KINDS);
    for (const kind of LANE_KINDS) agesMs[kind] = Math.max(0, nowMs - oldestReceiptMs[kind]);
    this.#agesMs[this.#next] = agesMs;
    this.#next = (this.#next + 1) % LOOKS;
  }

  get maxMs(): Readonly<Record<LaneKind, number>> {
    const maxMs = noneOf(LANE_KINDS);
    for (const agesMs of this.#agesMs) {
      for (const kind of LANE_KINDS) maxMs[kind] = Math.max(maxMs[kind], agesMs[kind]);
    }
    return maxMs;
  }
}
