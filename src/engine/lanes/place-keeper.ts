/**
 * Maintains the place of each worker: all changes go through {@link PlaceKeeper.change}, which carries out the effects
 * on lanes (worker-place.ts has the state table).
 */
import type { Clock } from '../../lib/clock.ts';
import type { LaneHandle, LaneWorker } from './lane-handle.ts';
import { type MovingPlace, nextPlace, type PlaceEffect, type PlaceEvent } from './worker-place.ts';

export interface PlaceKeeperOptions {
  readonly clock: Clock;
  /** The lane has left a moving worker: {@link PlaceKeeper.change} with `left` lets it continue. */
  readonly onLeft: (worker: LaneWorker, place: MovingPlace<LaneHandle>) => void;
  /** Called when the worker has another lane. @param left its previous lane */
  readonly onServed: (worker: LaneWorker, lane: LaneHandle, left: LaneHandle | undefined) => void;
  /** Called when the lane is unused. */
  readonly onEnd: (lane: LaneHandle) => void;
}

export class PlaceKeeper {
  readonly #options: PlaceKeeperOptions;
  /** Workers whose place is `moving`. */
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

  /** Moves the worker to the lane. */
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
