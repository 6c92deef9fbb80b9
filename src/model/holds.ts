/** What currently prevents the master from marking workers inactive; shown wherever states are. */
export interface Holds {
  /** End of the restart grace; undefined: no grace. */
  readonly graceEndsUnixMs: number | undefined;
  /** Engaged brakes on mass failure. */
  readonly brakes: readonly HeldBrake[];
}

export interface HeldBrake {
  /** Empty: workers without a group, and those of small groups. */
  readonly group: string;
  readonly sinceUnixMs: number;
  /** When the brake is released at the latest. */
  readonly endsUnixMs: number;
  /** Number of its silent workers. */
  readonly silent: number;
  readonly watched: number;
  /**
   * Of the brake that small groups share: those of them that are silent (see `isMostlyBack`), empty text for workers without a group.
   * At most one name for each silent worker. Absent: the brake is of `group`, or the holds were read from the API.
   */
  readonly silentGroups?: readonly string[];
}

export const NO_HOLDS: Holds = { graceEndsUnixMs: undefined, brakes: [] };
