/** What keeps the master from judging, for now: shown wherever states are. */
export interface Holds {
  /** Until when workers of an earlier master are waited for; undefined: nobody is. */
  readonly graceEndsUnixMs: number | undefined;
  /** Brakes on mass failure that are held. */
  readonly brakes: readonly HeldBrake[];
}

export interface HeldBrake {
  /** Empty: workers that belong to no group. */
  readonly group: string;
  readonly sinceUnixMs: number;
  /** When it is released at the latest. */
  readonly endsUnixMs: number;
  /** Workers of it that are silent. */
  readonly silent: number;
  readonly watched: number;
}

export const NO_HOLDS: Holds = { graceEndsUnixMs: undefined, brakes: [] };
