/**
 * Small non-negative integers as bits (Rice coding): the lowest `parameter` bits as they are, the rest as that many zeros and a
 * one. It needs no table, which makes it smaller than zstd for the 720 samples of an hour: the table alone would be a tenth.
 *
 *     dense    parameters (bit): 0 one for all, 1 one for each 128 numbers; then parameter (6 bits), its numbers, and so on
 *     sparse   parameter of the gaps (6 bits) | parameter of the numbers (6 bits)
 *              | for each number that is not 0: how many zeros come before it, the number less 1
 *              | how many zeros come last
 *     number   quotient: zeros and a one | remainder (parameter bits); a quotient of 20 or more: 20 zeros | number (53 bits)
 */
import { BitReader, BitWriter } from './bits.ts';
import { type ByteReader, type ByteWriter, damaged } from './bytes.ts';

const PARAMETER_BITS = 6;
const MAX_PARAMETER = 52;
/** A number far from all others costs 73 bits. */
const MAX_QUOTIENT = 20;
const NUMBER_BITS = 53;
/** Bits that are written in one step. */
const AT_ONCE = 24;
const BLOCK = 128;

/** In bits, with the best parameter. */
interface Cost {
  readonly parameter: number;
  readonly bits: number;
}

export function costOf(numbers: Float64Array, from = 0, to = numbers.length): Cost {
  let sum = 0;
  for (let index = from; index < to; index++) sum += numbers[index] as number;
  const mean = sum / Math.max(1, to - from);
  // Near the best one, if a few large numbers do not make the mean useless: then a smaller one is better, down to 0.
  let best = costWith(Math.min(MAX_PARAMETER, Math.max(0, Math.floor(Math.log2(mean + 1)))), numbers, from, to);
  for (let parameter = best.parameter - 1; parameter >= 0; parameter--) {
    const cost = costWith(parameter, numbers, from, to);
    if (cost.bits > best.bits) break;
    best = cost;
  }
  return best;
}

function costWith(parameter: number, numbers: Float64Array, from: number, to: number): Cost {
  const unit = 2 ** -parameter;
  let bits = PARAMETER_BITS;
  for (let index = from; index < to; index++) {
    const quotient = Math.floor((numbers[index] as number) * unit);
    bits += quotient < MAX_QUOTIENT ? quotient + 1 + parameter : MAX_QUOTIENT + NUMBER_BITS;
  }
  return { parameter, bits };
}

// ── dense ────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface DensePlan {
  readonly bits: number;
  /** Of all numbers, or of each block of 128. */
  readonly parameters: readonly number[];
}

export function planDense(numbers: Float64Array): DensePlan {
  const whole = costOf(numbers);
  const blocks: number[] = [];
  let bits = 0;
  for (let from = 0; from < numbers.length; from += BLOCK) {
    const cost = costOf(numbers, from, Math.min(numbers.length, from + BLOCK));
    bits += cost.bits;
    blocks.push(cost.parameter);
  }
  return bits < whole.bits
    ? { bits: bits + 1, parameters: blocks }
    : { bits: whole.bits + 1, parameters: [whole.parameter] };
}

export function writeDense(writer: ByteWriter, numbers: Float64Array, { bits, parameters }: DensePlan): void {
  const out = new BitWriter(writer, bits);
  const block = parameters.length === 1 ? numbers.length : BLOCK;
  out.bits(parameters.length === 1 ? 0 : 1, 1);
  for (const [number, parameter] of parameters.entries()) {
    out.bits(parameter, PARAMETER_BITS);
    const to = Math.min(numbers.length, (number + 1) * block);
    for (let index = number * block; index < to; index++) writeNumber(out, numbers[index] as number, parameter);
  }
  out.end();
}

export function readDense(reader: ByteReader, numbers: Float64Array): void {
  const bits = new BitReader(reader);
  const block = bits.bits(1) === 0 ? numbers.length : BLOCK;
  for (let from = 0; from < numbers.length; from += block) {
    const parameter = readParameter(bits);
    const to = Math.min(numbers.length, from + block);
    readNumbers(bits, numbers, from, to, parameter);
  }
  bits.end();
}

// ── sparse ───────────────────────────────────────────────────────────────────────────────────────────────────────

export interface SparsePlan {
  readonly bits: number;
  readonly gaps: Float64Array;
  readonly others: Float64Array;
  readonly gap: number;
  readonly other: number;
}

/** Undefined: too few zeros to be worth it. */
export function planSparse(numbers: Float64Array): SparsePlan | undefined {
  let zeros = 0;
  for (let index = 0; index < numbers.length; index++) if (numbers[index] === 0) zeros++;
  if (zeros * 4 < numbers.length) return undefined;
  const gaps = new Float64Array(numbers.length - zeros + 1);
  const others = new Float64Array(numbers.length - zeros);
  let to = 0;
  let gap = 0;
  for (let index = 0; index < numbers.length; index++) {
    const number = numbers[index] as number;
    if (number === 0) {
      gap++;
      continue;
    }
    gaps[to] = gap;
    others[to++] = number - 1;
    gap = 0;
  }
  gaps[to] = gap;
  const [gapCost, otherCost] = [costOf(gaps), costOf(others)];
  return { bits: gapCost.bits + otherCost.bits, gaps, others, gap: gapCost.parameter, other: otherCost.parameter };
}

export function writeSparse(writer: ByteWriter, { bits, gaps, others, gap, other }: SparsePlan): void {
  const out = new BitWriter(writer, bits);
  out.bits(gap, PARAMETER_BITS);
  out.bits(other, PARAMETER_BITS);
  for (let index = 0; index < others.length; index++) {
    writeNumber(out, gaps[index] as number, gap);
    writeNumber(out, others[index] as number, other);
  }
  writeNumber(out, gaps.at(-1) as number, gap);
  out.end();
}

export function readSparse(reader: ByteReader, numbers: Float64Array): void {
  const bits = new BitReader(reader);
  const gap = readParameter(bits);
  const other = readParameter(bits);
  const number = new Float64Array(1);
  const next = (parameter: number): number => {
    readNumbers(bits, number, 0, 1, parameter);
    return number[0] as number;
  };
  let index = next(gap);
  while (index < numbers.length) {
    numbers[index] = next(other) + 1;
    index += 1 + next(gap);
  }
  if (index !== numbers.length) throw damaged('gaps do not add up to the length of their column');
  bits.end();
}

// ── one number ───────────────────────────────────────────────────────────────────────────────────────────────────

function writeNumber(out: BitWriter, number: number, parameter: number): void {
  const unit = 2 ** parameter;
  const quotient = Math.floor(number / unit);
  if (quotient >= MAX_QUOTIENT) {
    out.bits(0, MAX_QUOTIENT);
    out.number(number, NUMBER_BITS);
    return;
  }
  const remainder = number - quotient * unit;
  const zeros = 1 << quotient;
  if (quotient + 1 + parameter <= AT_ONCE) {
    out.bits(zeros | (remainder << (quotient + 1)), quotient + 1 + parameter);
  } else {
    out.bits(zeros, quotient + 1);
    out.number(remainder, parameter);
  }
}

function readNumbers(bits: BitReader, numbers: Float64Array, from: number, to: number, parameter: number): void {
  let index = from;
  for (;;) {
    index = bits.quotients(numbers, index, to, parameter, MAX_QUOTIENT);
    if (index === to) return;
    numbers[index++] = bits.number(NUMBER_BITS);
  }
}

function readParameter(bits: BitReader): number {
  const parameter = bits.bits(PARAMETER_BITS);
  if (parameter > MAX_PARAMETER) throw damaged(`a parameter of ${parameter} bits is too large`);
  return parameter;
}
