/** What currently prevents the master from marking workers inactive; shown wherever states are. */
export interface Holds {
  /** End of the restart grace; undefined: no grace. */
  readonly graceEndsUnixMs: number | undefined;
  /** Engaged brakes on mass failure. */
  readonly brakes: readonly HeldBrake[];
}

export interface HeldBrake {
  /** Empty: workers without a group. */
  readonly group: string;
  readonly sinceUnixMs: number;
  /** When the brake is released at the latest. */
  readonly endsUnixMs: number;
  /** Number of its silent workers. */
  readonly silent: number;
  readonly watched: number;
}

export const NO_HOLDS: Holds = { graceEndsUnixMs: undefined, brakes: [] };
