/**
 * Publishes what holds judgement to readers: when it begins and ends, and its figures meanwhile, at most once a second.
 */
import { isDeepStrictEqual } from 'node:util';
import { type HeldBrake, type Holds, NO_HOLDS } from '../../model/holds.ts';

export interface HoldsPublisherOptions {
  /** Returns the current holds. */
  readonly holds: () => Holds;
  readonly onHolds: (holds: Holds) => void;
}

/** Minimum interval between publications of changed figures. */
const PUBLISH_EVERY_MS = 1000;
/** Times that moved by less are published with the next change of figures. */
const SAME_MOMENT_WITHIN_MS = 1000;

export class HoldsPublisher {
  readonly #options: HoldsPublisherOptions;
  /** The last publication and its time. */
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

  /** While a brake is engaged, workers may go silent or report again, and a stall of the master moves all times. */
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
  const isSameUnit =
    a.group === b.group &&
    a.silent === b.silent &&
    a.watched === b.watched &&
    isDeepStrictEqual(a.silentGroups, b.silentGroups);
  return isSameUnit && isSameMoment(a.endsUnixMs, b.endsUnixMs);
}

function isSameMoment(aUnixMs: number | undefined, bUnixMs: number | undefined): boolean {
  if (aUnixMs === undefined || bUnixMs === undefined) return aUnixMs === bUnixMs;
  return Math.abs(aUnixMs - bUnixMs) < SAME_MOMENT_WITHIN_MS;
}
