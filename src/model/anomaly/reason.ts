/** Why a sample is an anomaly: a code and numbers, from which words are made where somebody reads them. */

/**
 * | code   | meaning                                                                     |
 * |--------|-----------------------------------------------------------------------------|
 * | none   | nothing unusual                                                             |
 * | above  | above its usual range                                                       |
 * | below  | below its usual range                                                       |
 * | rising | the same, reached slowly                                                    |
 * | falling | the same, reached slowly                                                   |
 * | varying | it varies more than usual around its level                                 |
 * | still  | it usually varies, but stands still: a sensor that froze                    |
 * | rhythm | it goes up and down faster or more slowly than usual                        |
 * | peers  | far from the other workers of its group, and farther than it usually is      |
 * | accepted | it was unusual for so long that this is its usual now                     |
 */
export const ReasonCode = {
  none: 0,
  above: 1,
  below: 2,
  rising: 3,
  falling: 4,
  varying: 5,
  still: 6,
  rhythm: 7,
  peers: 8,
  accepted: 9,
} as const;
export type ReasonCode = (typeof ReasonCode)[keyof typeof ReasonCode];

export interface AnomalyReason {
  readonly code: ReasonCode;
  /** The sample's value, in the metric's unit. */
  readonly value: number;
  /** What is usual: a level, a spread (`varying`), a length in samples (`rhythm`), or the group's median (`peers`). */
  readonly usual: number;
  /** How many times the usual spread it is away, or how many times the usual it is (`varying`, `rhythm`). */
  readonly ratio: number;
  /** For how many samples. */
  readonly samples: number;
}

/** The spread of a metric that never varied is nearly 0, so what moves it is any number of times that. */
const MOST_SHOWN_RATIO = 400;

/**
 * @param metric as users call it: `memory`
 * @param unit follows numbers: `' %'`; empty: none
 * @returns such as "memory 3.9 × its usual spread above its usual 41 % for 6 samples"
 */
export function reasonText(
  metric: string,
  unit: string,
  { code, value, usual, ratio, samples }: AnomalyReason,
): string {
  const usually = `${shortNumber(usual)}${unit}`;
  const times = ratio >= MOST_SHOWN_RATIO ? `more than ${MOST_SHOWN_RATIO} ×` : `${shortNumber(ratio)} ×`;
  const during = samples === 1 ? 'for 1 sample' : `for ${samples} samples`;
  switch (code) {
    case ReasonCode.above:
      return `${metric} ${times} its usual spread above its usual ${usually} ${during}`;
    case ReasonCode.below:
      return `${metric} ${times} its usual spread below its usual ${usually} ${during}`;
    case ReasonCode.rising:
      return `${metric} rose slowly to ${times} its usual spread above its usual ${usually}`;
    case ReasonCode.falling:
      return `${metric} fell slowly to ${times} its usual spread below its usual ${usually}`;
    case ReasonCode.varying:
      return `${metric} varies ${times} as much as usual ${during}`;
    case ReasonCode.still:
      return `${metric} stands still at ${shortNumber(value)}${unit} ${during}, but usually varies`;
    case ReasonCode.rhythm:
      return ratio >= 1
        ? `${metric} goes up and down more slowly than usual: a cycle takes ${times} its usual ${shortNumber(usual)} samples`
        : `${metric} goes up and down faster than usual: a cycle takes ${times} its usual ${shortNumber(usual)} samples`;
    case ReasonCode.peers:
      return `${metric} ${times} the usual spread of its group away from the group's ${usually} ${during}`;
    case ReasonCode.accepted:
      return `${metric}: what it does now is accepted as usual; its usual was ${usually}`;
    case ReasonCode.none:
      return `${metric} is as usual`;
    default:
      return code satisfies never;
  }
}

/** Two or three significant digits, without an exponent where people would not write one. */
export function shortNumber(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e6 || (size > 0 && size < 0.001)) return value.toExponential(1);
  const decimals = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 1 : 3;
  return String(Number(value.toFixed(decimals)));
}
