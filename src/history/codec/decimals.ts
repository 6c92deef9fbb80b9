/** Decimals as integers: 14.9 is 149 with a scale of 1. */
import { MAX_INT } from './bytes.ts';

/** Powers of ten that a double represents exactly: dividing by them rounds once, as parsing the decimal does. */
export const POWERS_OF_TEN: readonly number[] = Array.from({ length: 23 }, (_, power) => Number(`1e${power}`));
const MAX_SCALE = POWERS_OF_TEN.length - 1;

/**
 * The smallest scale, at least `from`, by which the value is an integer of at most 2^53 that gives the value back bit for bit.
 * Undefined: none does. For negative zero none does, since integers have no sign of zero.
 */
export function scaleOf(value: number, from = 0): number | undefined {
  if (value === 0) return Object.is(value, -0) ? undefined : from;
  for (let scale = from; scale <= MAX_SCALE; scale++) {
    const power = POWERS_OF_TEN[scale] as number;
    const scaled = Math.round(value * power);
    if (scaled > MAX_INT || scaled < -MAX_INT) return undefined;
    if (scaled / power === value) return scale;
  }
  return undefined;
}

export interface Decimals {
  readonly scale: number;
  readonly integers: Float64Array;
}

/** All values as integers of one scale. Undefined: there is none that gives each back bit for bit. */
export function decimalsOf(values: Float64Array): Decimals | undefined {
  const integers = new Float64Array(values.length);
  let scale = 0;
  let power = 1;
  for (let index = 0; index < values.length; index++) {
    const value = values[index] as number;
    const integer = Math.round(value * power);
    const isBack = integer / power === value && integer <= MAX_INT && integer >= -MAX_INT;
    if (isBack && (integer !== 0 || Object.is(value, 0))) {
      integers[index] = integer;
      continue;
    }
    const larger = scaleOf(value, scale + 1);
    if (larger === undefined) return undefined;
    scale = larger;
    power = POWERS_OF_TEN[scale] as number;
    // Again from the start, which happens once for each further decimal place.
    index = -1;
  }
  return { scale, integers };
}
