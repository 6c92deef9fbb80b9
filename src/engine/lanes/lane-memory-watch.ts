/**
 * Ends lanes for memory that V8 does not limit: outside of a lane's heap, by asking its thread (some of them at each look); and
 * what no lane counts, by what the whole process has (resident-watch.ts).
 */
import type { LaneHandle } from './lane-handle.ts';
import { type ResidentSources, ResidentWatch } from './resident-watch.ts';

/** Lanes asked for their memory per look beside those that stand still: a round of a thousand takes 12 s. */
const OFF_HEAP_LOOKS = 20;

export class LaneMemoryWatch {
  readonly #resident: ResidentWatch<LaneHandle>;
  #nextOffHeapLook = 0;

  constructor(resident: ResidentSources) {
    this.#resident = new ResidentWatch(resident);
  }

  /** At each sweep. */
  look(elapsedMs: number, lanes: readonly LaneHandle[]): void {
    const found = this.#resident.look(elapsedMs, lanes);
    if (found === undefined) return;
    const mib = Math.round(found.grownKib / 1024);
    found.lane.endForMemory(`memory ran short, and ${mib} MiB of it were taken here`, found.owner);
  }

  /** At each sweep. */
  lookOffHeap(lanes: readonly LaneHandle[]): void {
    for (const lane of lanes) if (lane.standsStill) void lane.watchOffHeap();
    for (let look = 0; look < Math.min(OFF_HEAP_LOOKS, lanes.length); look++) {
      void lanes[this.#nextOffHeapLook++ % lanes.length]?.watchOffHeap();
    }
  }
}
