/** Tells readers what holds up judgement: when it begins and ends, and its figures while it lasts, once a second at most. */
import { type HeldBrake, type Holds, NO_HOLDS } from '../../model/holds.ts';

export interface HoldsPublisherOptions {
  /** As they are now. */
  readonly holds: () => Holds;
  readonly onHolds: (holds: Holds) => void;
}

/** How often readers are told at the most how many are silent while a brake holds. */
const PUBLISH_EVERY_MS = 1000;
/** A moment that moved by less is told with the next figures that changed. */
const SAME_MOMENT_WITHIN_MS = 1000;

export class HoldsPublisher {
  readonly #options: HoldsPublisherOptions;
  /** What was published last, and when. */
  #published = NO_HOLDS;
  #publishedMs = 0;

  constructor(options: HoldsPublisherOptions) {
    this.#options = options;
  }

  publish(nowMs: number): void {
    this.#published = this.#options.holds();
    this.#publishedMs = nowMs;
    this.#options.onHolds(this.#published);
  }

  /** While a brake holds others may fall silent or be heard, and a stall of the master's puts off every moment. */
  look(nowMs: number): void {
    const { graceEndsUnixMs, brakes } = this.#published;
    if (graceEndsUnixMs === undefined && brakes.length === 0) return;
    if (nowMs - this.#publishedMs < PUBLISH_EVERY_MS) return;
    if (!areAlike(this.#options.holds(), this.#published)) this.publish(nowMs);
  }
}

function areAlike(a: Holds, b: Holds): boolean {
  return (
    isSameMoment(a.graceEndsUnixMs, b.graceEndsUnixMs) &&
    a.brakes.length === b.brakes.length &&
    a.brakes.every((brake, index) => areAlikeBrakes(brake, b.brakes[index] as HeldBrake))
  );
}

function areAlikeBrakes(a: HeldBrake, b: HeldBrake): boolean {
  const isSameUnit = a.group === b.group && a.silent === b.silent && a.watched === b.watched;
  return isSameUnit && isSameMoment(a.endsUnixMs, b.endsUnixMs);
}

function isSameMoment(aUnixMs: number | undefined, bUnixMs: number | undefined): boolean {
  if (aUnixMs === undefined || bUnixMs === undefined) return aUnixMs === bUnixMs;
  return Math.abs(aUnixMs - bUnixMs) < SAME_MOMENT_WITHIN_MS;
}
