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

/** A scale for all of them. Undefined: there is none. */
export function commonScaleOf(values: Float64Array): number | undefined {
  let scale: number | undefined = 0;
  for (let index = 0; index < values.length; index++) {
    scale = scaleOf(values[index] as number, scale);
    if (scale === undefined) return undefined;
  }
  return scale;
}

/**
 * The values as integers of a scale that {@link commonScaleOf} found. Undefined: at that scale, one of them no longer comes back
 * from its integer.
 */
export function scaled(values: Float64Array, scale: number): Float64Array | undefined {
  const power = POWERS_OF_TEN[scale] as number;
  const integers = new Float64Array(values.length);
  for (let index = 0; index < values.length; index++) {
    const value = values[index] as number;
    const integer = Math.round(value * power);
    if (integer / power !== value || integer > MAX_INT || integer < -MAX_INT) return undefined;
    integers[index] = integer;
  }
  return integers;
}
