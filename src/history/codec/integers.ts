/**
 * Non-negative integers below 2^53, packed in the smallest of three ways.
 *
 *     integers   0  bytes     count of planes (byte) | planes: what repeats
 *                1  dense     see rice.ts: what is scattered
 *                2  sparse    see rice.ts: what is mostly 0
 */
import { type ByteReader, ByteWriter, damaged } from './bytes.ts';
import { readPlane, writePlane } from './planes.ts';
import {
  type DensePlan,
  planDense,
  planSparse,
  readDense,
  readSparse,
  type SparsePlan,
  writeDense,
  writeSparse,
} from './rice.ts';

const PLANES = 0;
const DENSE = 1;
const SPARSE = 2;

/** How integers are to be written. The reader has to be told the way. */
export type PackingPlan =
  | { readonly way: typeof PLANES; readonly bytes: Uint8Array }
  | { readonly way: typeof DENSE; readonly plan: DensePlan; readonly integers: Float64Array }
  | { readonly way: typeof SPARSE; readonly plan: SparsePlan };

export function planPacking(integers: Float64Array): PackingPlan {
  const dense = planDense(integers);
  const sparse = planSparse(integers);
  const bits = Math.min(dense.bits, sparse?.bits ?? Number.POSITIVE_INFINITY);
  const planes = bytesMayBeSmaller(integers, bits) ? planesOf(integers, bits / 8) : undefined;
  if (planes !== undefined) return { way: PLANES, bytes: planes };
  if (sparse !== undefined && sparse.bits < dense.bits) return { way: SPARSE, plan: sparse };
  return { way: DENSE, plan: dense, integers };
}

export function writePacked(writer: ByteWriter, packing: PackingPlan): void {
  switch (packing.way) {
    case PLANES:
      writer.bytes(packing.bytes);
      break;
    case DENSE:
      writeDense(writer, packing.integers, packing.plan);
      break;
    case SPARSE:
      writeSparse(writer, packing.plan);
  }
}

/** @param integers zeros, as many as were written */
export function readPacked(reader: ByteReader, way: number, integers: Float64Array): void {
  if (way === DENSE) readDense(reader, integers);
  else if (way === SPARSE) readSparse(reader, integers);
  else if (way === PLANES) readPlanes(reader, integers);
  else throw damaged(`integers are packed in the unknown way ${way}`);
}

const lowBytes = new Int32Array(256);
const highBytes = new Int32Array(256);
/** What zstd needs for each different byte, roughly, to say how often it occurs. */
const BITS_PER_DIFFERENT_BYTE = 6;

/** Whether zstd is worth its time: if the lowest two bytes by themselves, as scattered as they are, take fewer bits. */
function bytesMayBeSmaller(integers: Float64Array, bits: number): boolean {
  lowBytes.fill(0);
  highBytes.fill(0);
  for (let index = 0; index < integers.length; index++) {
    const integer = integers[index] as number;
    const [low, high] = [integer & 255, (integer >> 8) & 255];
    lowBytes[low] = (lowBytes[low] as number) + 1;
    highBytes[high] = (highBytes[high] as number) + 1;
  }
  return entropyOf(lowBytes, integers.length) + entropyOf(highBytes, integers.length) < bits;
}

function entropyOf(counts: Int32Array, total: number): number {
  let bits = 0;
  for (let byte = 0; byte < 256; byte++) {
    const count = counts[byte] as number;
    if (count > 0) bits += BITS_PER_DIFFERENT_BYTE - count * Math.log2(count / total);
  }
  return bits;
}

/** Undefined: not smaller than `limit`. */
function planesOf(integers: Float64Array, limit: number): Uint8Array | undefined {
  let max = 0;
  for (let index = 0; index < integers.length; index++) max = Math.max(max, integers[index] as number);
  let planes = 1;
  while (256 ** planes <= max) planes++;
  const writer = new ByteWriter();
  writer.byte(planes);
  const plane = new Uint8Array(integers.length);
  for (let number = 0; number < planes; number++) {
    const unit = 256 ** number;
    for (let index = 0; index < integers.length; index++) {
      // A Uint8Array keeps the lowest eight bits.
      plane[index] = Math.floor((integers[index] as number) / unit);
    }
    writePlane(writer, plane);
    if (writer.length >= limit) return undefined;
  }
  return writer.written();
}

function readPlanes(reader: ByteReader, integers: Float64Array): void {
  const planes = reader.byte();
  if (planes > 7) throw damaged(`a number has ${planes} bytes`);
  for (let number = 0; number < planes; number++) {
    const plane = readPlane(reader, integers.length);
    const unit = 256 ** number;
    for (let index = 0; index < integers.length; index++) {
      integers[index] = (integers[index] as number) + (plane[index] as number) * unit;
    }
  }
}
