/** Single bits, the lowest of each byte first. */
import { type ByteReader, type ByteWriter, damaged } from './bytes.ts';

/** At most this many at once, so that they and a rest of 7 fit 32. */
const MAX_BITS = 24;
const STEP = 2 ** MAX_BITS;

/** Fills whole bytes with bits; what is left of the last one is zeros. */
export class BitWriter {
  readonly #bytes: Uint8Array;
  #next = 0;
  #rest = 0;
  #restBits = 0;

  /** @param bits exactly as many as will be written */
  constructor(writer: ByteWriter, bits: number) {
    this.#bytes = writer.room(Math.ceil(bits / 8));
  }

  /** The lowest `count` bits, at most 24; the others are 0. */
  bits(value: number, count: number): void {
    this.#rest |= value << this.#restBits;
    this.#restBits += count;
    for (; this.#restBits >= 8; this.#restBits -= 8) {
      this.#bytes[this.#next++] = this.#rest;
      this.#rest >>>= 8;
    }
  }

  /** An integer of 0 to 2^count - 1, of at most 53 bits. */
  number(value: number, count: number): void {
    let left = value;
    let bits = count;
    for (; bits > MAX_BITS; bits -= MAX_BITS) {
      this.bits(left % STEP, MAX_BITS);
      left = Math.floor(left / STEP);
    }
    this.bits(left, bits);
  }

  end(): void {
    if (this.#restBits > 0) this.#bytes[this.#next] = this.#rest;
  }
}

/** Beyond the end it reads zeros; {@link end} then throws, so that loops need no check. */
export class BitReader {
  readonly #reader: ByteReader;
  readonly #bytes: Uint8Array;
  #next = 0;
  #rest = 0;
  #restBits = 0;

  constructor(reader: ByteReader) {
    this.#reader = reader;
    this.#bytes = reader.remaining();
  }

  /** At most 24. */
  bits(count: number): number {
    this.#fill();
    const value = this.#rest & ((1 << count) - 1);
    this.#rest >>>= count;
    this.#restBits -= count;
    return value;
  }

  number(count: number): number {
    let value = 0;
    let unit = 1;
    let bits = count;
    for (; bits > MAX_BITS; bits -= MAX_BITS) {
      value += this.bits(MAX_BITS) * unit;
      unit *= STEP;
    }
    return value + this.bits(bits) * unit;
  }

  /**
   * Reads a quotient as zeros and a one, then the lowest `parameter` bits, as long as the quotients stay below `max` (at most 24).
   * @returns up to which index: a quotient of `max` zeros, without a one, has been taken for it, and nothing else
   */
  quotients(into: Float64Array, from: number, to: number, parameter: number, max: number): number {
    const bytes = this.#bytes;
    const unit = 2 ** parameter;
    const mask = parameter <= MAX_BITS ? (1 << parameter) - 1 : 0;
    // Local variables, and signed 32-bit integers alone (`| 0`), since this is where most of the time of decoding goes.
    let [next, rest, restBits] = [this.#next, this.#rest, this.#restBits];
    let index = from;
    for (; index < to; index++) {
      if (restBits <= MAX_BITS) {
        if (next + 4 <= bytes.length) {
          // Four bytes at once. Bits of the last one that do not fit whole are there already when it is taken.
          const word =
            (bytes[next] as number) |
            ((bytes[next + 1] as number) << 8) |
            ((bytes[next + 2] as number) << 16) |
            ((bytes[next + 3] as number) << 24);
          rest |= word << restBits;
          const taken = (32 - restBits) >> 3;
          next += taken;
          restBits += taken * 8;
        } else {
          for (; restBits <= MAX_BITS; restBits += 8) {
            rest |= (next < bytes.length ? (bytes[next] as number) : 0) << restBits;
            next++;
          }
        }
      }
      const zeros = rest === 0 ? 32 : 31 - Math.clz32(rest & -rest);
      if (zeros >= max) {
        rest = (rest >>> max) | 0;
        restBits -= max;
        break;
      }
      rest = (rest >>> (zeros + 1)) | 0;
      restBits -= zeros + 1;
      if (parameter > MAX_BITS) {
        [this.#next, this.#rest, this.#restBits] = [next, rest, restBits];
        into[index] = zeros * unit + this.number(parameter);
        [next, rest, restBits] = [this.#next, this.#rest, this.#restBits];
        continue;
      }
      for (; restBits < parameter; restBits += 8) {
        rest |= (next < bytes.length ? (bytes[next] as number) : 0) << restBits;
        next++;
      }
      into[index] = zeros * unit + (rest & mask);
      rest = (rest >>> parameter) | 0;
      restBits -= parameter;
    }
    [this.#next, this.#rest, this.#restBits] = [next, rest, restBits];
    return index;
  }

  /** Goes on with the bytes after the last one that was used. */
  end(): void {
    const used = this.#next - Math.floor(this.#restBits / 8);
    if (used > this.#bytes.length) throw damaged('it ends too early');
    this.#reader.bytes(used);
  }

  /** At least 25 bits are there afterwards. */
  #fill(): void {
    for (; this.#restBits <= MAX_BITS; this.#restBits += 8)
      this.#rest |= (this.#bytes[this.#next++] ?? 0) << this.#restBits;
  }
}
