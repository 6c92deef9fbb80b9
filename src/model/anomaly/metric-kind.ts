/**
 * What a metric measures, as far as it matters for what is unusual: below the noise floor of its kind nothing is.
 *
 * | kind     | values                                                                            |
 * |----------|-----------------------------------------------------------------------------------|
 * | percent  | a share from 0 to 100: `cpu_usage`, `memory_usage`, `storage_usage`, `gpu_usage`    |
 * | count    | a number of things: running tasks                                                 |
 * | any      | any number: a custom metric, also one that only counts up                         |
 * | interval | seconds between two heartbeats                                                    |
 * | distance | how far a worker is from its group: see peers.ts                                  |
 */
export const MetricKind = { percent: 0, count: 1, any: 2, interval: 3, distance: 4 } as const;
export type MetricKind = (typeof MetricKind)[keyof typeof MetricKind];

/** The noise floor: a spread is never taken for smaller than `least`, or than `share` of the usual level. */
export interface NoiseFloor {
  /** In the metric's unit. */
  readonly least: number;
  readonly share: number;
}

/** By kind. */
export const NOISE_FLOORS: readonly NoiseFloor[] = [
  // Agents round usages to whole or tenths of points, and nobody wants to hear of 2 points.
  { least: 0.6, share: 0 },
  // A task more or less is nothing.
  { least: 0.5, share: 0.02 },
  // The scale is unknown; the least only keeps divisions finite.
  { least: 1e-9, share: 0.02 },
  // Timers, networks and busy masters shift a heartbeat by that.
  { least: 0.1, share: 0.1 },
  // Whoever measures the distance gives the floor.
  { least: 1e-9, share: 0 },
];
