/**
 * Threshold ranges of Nagios plugins.
 *
 * | text     | raised if the value is |
 * |----------|------------------------|
 * | `10`     | < 0 or > 10            |
 * | `10:`    | < 10                   |
 * | `~:10`   | > 10                   |
 * | `10:20`  | < 10 or > 20           |
 * | `@10:20` | ≥ 10 and ≤ 20          |
 *
 * See https://nagios-plugins.org/doc/guidelines.html#THRESHOLDFORMAT
 */
import { PulselaneError } from '../../lib/errors.ts';

export interface ThresholdRange {
  readonly text: string;
  readonly from: number;
  readonly to: number;
  /** `@`: raised inside of the range. */
  readonly isInverted: boolean;
}

/** @throws PulselaneError `invalid_argument` */
export function rangeIn(text: string): ThresholdRange {
  const [, inverted = '', start, end] = /^(@?)(?:(~|-?\d+(?:\.\d+)?)?:)?(-?\d+(?:\.\d+)?)?$/.exec(text) ?? [];
  const from = start === undefined ? 0 : start === '~' ? Number.NEGATIVE_INFINITY : Number(start);
  const to = end === undefined ? Number.POSITIVE_INFINITY : Number(end);
  const isComplete = /\d/.test(text) && (end !== undefined || start !== undefined);
  if (isComplete && from <= to) return { text, from, to, isInverted: inverted === '@' };
  throw new PulselaneError(
    'invalid_argument',
    `${JSON.stringify(text)}: expected a range of numbers such as 0, 1:10, 10:, ~:10 or @1:10`,
  );
}

export function isRaised(value: number, { from, to, isInverted }: ThresholdRange): boolean {
  return (value < from || value > to) !== isInverted;
}
