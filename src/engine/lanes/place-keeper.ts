/**
 * Keeps where each worker is: whatever changes a place comes through {@link PlaceKeeper.change}, and what follows for the lanes
 * is done here (worker-place.ts has the table).
 */
import type { Clock } from '../../lib/clock.ts';
import type { LaneHandle, LaneWorker } from './lane-handle.ts';
import { type MovingPlace, nextPlace, type PlaceEffect, type PlaceEvent } from './worker-place.ts';

export interface PlaceKeeperOptions {
  readonly clock: Clock;
  /** The lane that a worker on its way was told off has left it: {@link PlaceKeeper.change} with `left` lets it go on. */
  readonly onLeft: (worker: LaneWorker, place: MovingPlace<LaneHandle>) => void;
  /** The worker has another lane. @param left the one that it had before */
  readonly onServed: (worker: LaneWorker, lane: LaneHandle, left: LaneHandle | undefined) => void;
  /** The lane is nobody's any more. */
  readonly onEnd: (lane: LaneHandle) => void;
}

export class PlaceKeeper {
  readonly #options: PlaceKeeperOptions;
  /** Those whose place is `moving`. */
  readonly #moving = new Set<LaneWorker>();

  constructor(options: PlaceKeeperOptions) {
    this.#options = options;
  }

  change(worker: LaneWorker, event: PlaceEvent<LaneHandle>): void {
    const before = worker.place;
    const { place, effects } = nextPlace(before, event, this.#options.clock.monotonicMs());
    worker.place = place;
    if (place.at === 'moving') this.#moving.add(worker);
    else if (before.at === 'moving') this.#moving.delete(worker);
    for (const effect of effects) this.#do(effect, worker, before.lane);
  }

  /** Has the worker leave its lane and then go on in another. */
  send(worker: LaneWorker, lane: LaneHandle): void {
    this.change(worker, { type: 'sent', to: { at: lane.kind, lane } });
  }

  /** Whether a worker is on its way to the lane. */
  isAwaited(lane: LaneHandle): boolean {
    for (const { place } of this.#moving) if (place.at === 'moving' && place.to.lane === lane) return true;
    return false;
  }

  #do(effect: PlaceEffect<LaneHandle>, worker: LaneWorker, before: LaneHandle | undefined): void {
    const { onLeft, onServed, onEnd } = this.#options;
    const { lane } = effect;
    switch (effect.do) {
      case 'hold':
        lane.hold(worker);
        return;
      case 'leave':
        void lane.leave(worker).then(() => {
          const { place } = worker;
          if (place.at === 'moving') onLeft(worker, place);
        });
        return;
      case 'serve':
        lane.serve(worker);
        onServed(worker, lane, before);
        return;
      case 'end':
        onEnd(lane);
        return;
      default:
        effect satisfies never;
    }
  }
}
