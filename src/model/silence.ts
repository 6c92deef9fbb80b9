/**
 * A silence, in Alertmanager's shape: while it is active, receivers are not told of the alerts that all of its matchers
 * match. The alerts stay visible.
 */

/** One condition on the labels of an alert. A label that the alert lacks has the empty value. */
export interface LabelMatcher {
  readonly name: string;
  readonly value: string;
  /** `value` is a regular expression for the whole label value. */
  readonly isRegex: boolean;
  /** False: `!=` or `!~`. */
  readonly isEqual: boolean;
}

export interface Silence {
  /** A UUID. */
  readonly id: string;
  /** At least one. */
  readonly matchers: readonly LabelMatcher[];
  readonly startsUnixMs: number;
  readonly endsUnixMs: number;
  readonly createdBy: string;
  readonly comment: string;
  readonly updatedUnixMs: number;
}

/** A silence to create, or, with an id, to change. */
export type NewSilence = Omit<Silence, 'id' | 'updatedUnixMs'> & { readonly id?: string };

/**
 * | state   | meaning                          |
 * |---------|----------------------------------|
 * | pending | it has not begun                 |
 * | active  | it silences now                  |
 * | expired | it is over, or was ended early   |
 */
export const SILENCE_STATES = ['pending', 'active', 'expired'] as const;
export type SilenceState = (typeof SILENCE_STATES)[number];

export function silenceState(
  { startsUnixMs, endsUnixMs }: Pick<Silence, 'startsUnixMs' | 'endsUnixMs'>,
  nowUnixMs: number,
): SilenceState {
  if (nowUnixMs >= endsUnixMs) return 'expired';
  return nowUnixMs < startsUnixMs ? 'pending' : 'active';
}
