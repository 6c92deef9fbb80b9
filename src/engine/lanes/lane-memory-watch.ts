/**
 * Terminates lanes that exceed memory which V8 does not limit: memory outside a lane's heap, asked of a few threads at
 * each look; and memory that no lane counts, seen only in the memory of the whole process (resident-watch.ts).
 */
import type { LaneHandle } from './lane-handle.ts';
import { type ResidentSources, ResidentWatch } from './resident-watch.ts';

/** Number of lanes asked at each look, besides stalled ones: a round over a thousand takes 12 s. */
const OFF_HEAP_LOOKS = 20;

export class LaneMemoryWatch {
  readonly #resident: ResidentWatch<LaneHandle>;
  #nextOffHeapLook = 0;

  constructor(resident: ResidentSources) {
    this.#resident = new ResidentWatch(resident);
  }

  /** Called at each sweep. */
  look(elapsedMs: number, lanes: readonly LaneHandle[]): void {
    const found = this.#resident.look(elapsedMs, lanes);
    if (found === undefined) return;
    const mib = Math.round(found.grownKib / 1024);
    found.lane.endForMemory(`memory ran short, and this lane had taken ${mib} MiB of it`, found.owner);
  }

  /** Called at each sweep. */
  lookOffHeap(lanes: readonly LaneHandle[]): void {
    for (const lane of lanes) if (lane.standsStill) void lane.watchOffHeap();
    for (let look = 0; look < Math.min(OFF_HEAP_LOOKS, lanes.length); look++) {
      void lanes[this.#nextOffHeapLook++ % lanes.length]?.watchOffHeap();
    }
  }
}
