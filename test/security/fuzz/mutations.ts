/**
 * What an adversary makes of valid protobuf bytes: some changes know nothing of the format, others keep most of it and
 * break one rule, since those get furthest into a decoder.
 */
import fc from 'fast-check';

export const MUTATIONS = [
  // Of bytes.
  'flip',
  'set',
  'cut',
  'remove',
  'repeat',
  'insert',
  'splice',
  // Of fields.
  'append',
  'field twice',
  'field gone',
  'field last',
  'field of another',
  'overlong tag',
  'overlong value',
  'length',
  'varint',
  'number',
  'wire type',
  'group',
] as const;

export interface Mutation {
  readonly kind: (typeof MUTATIONS)[number];
  /** Where: a byte or a field, counted round. */
  readonly at: number;
  /** By how much, or to what. */
  readonly by: number;
  /** Within a nested message. */
  readonly inside: boolean;
}

export const mutations: fc.Arbitrary<Mutation[]> = fc.array(
  fc.record({ kind: fc.constantFrom(...MUTATIONS), at: fc.nat(), by: fc.nat(), inside: fc.boolean() }),
  { minLength: 1, maxLength: 5 },
);

/** `other` is what splices and strange fields come from. */
export function mutate(bytes: Uint8Array, other: Uint8Array, changes: readonly Mutation[]): Uint8Array {
  return changes.reduce((changed, change) => (change.inside ? within : once)(changed, other, change), bytes);
}

interface Field {
  readonly start: number;
  /** Behind the tag. */
  readonly valueStart: number;
  /** Behind the length, if there is one. */
  readonly contentStart: number;
  readonly end: number;
  readonly wireType: number;
}

const VARINT = 0;
const LENGTH_DELIMITED = 2;

/** Fields that lie together in the message, from its start up to what cannot be read. */
function fieldsOf(bytes: Uint8Array): Field[] {
  const fields: Field[] = [];
  let start = 0;
  while (start < bytes.length) {
    const valueStart = varintEnd(bytes, start);
    const wireType = (bytes[start] as number) & 7;
    let contentStart = valueStart;
    let end = valueStart;
    if (wireType === VARINT) end = varintEnd(bytes, valueStart);
    else if (wireType === 1) end = valueStart + 8;
    else if (wireType === 5) end = valueStart + 4;
    else if (wireType === LENGTH_DELIMITED) {
      contentStart = varintEnd(bytes, valueStart);
      end = contentStart + varintValue(bytes, valueStart);
    }
    if (end > bytes.length || end <= valueStart) break;
    fields.push({ start, valueStart, contentStart, end, wireType });
    start = end;
  }
  return fields;
}

function varintEnd(bytes: Uint8Array, start: number): number {
  let at = start;
  while (at < bytes.length && (bytes[at] as number) >= 0x80) at++;
  return at + 1;
}

function varintValue(bytes: Uint8Array, start: number): number {
  let value = 0;
  let scale = 1;
  for (let at = start; at < bytes.length; at++) {
    value += ((bytes[at] as number) & 0x7f) * scale;
    if ((bytes[at] as number) < 0x80) break;
    scale *= 128;
  }
  return value;
}

export function varint(value: bigint | number, overlongBy = 0): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt(value);
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  for (let i = 0; i < overlongBy; i++) {
    bytes[bytes.length - 1] = (bytes.at(-1) as number) | 0x80;
    bytes.push(0);
  }
  return Uint8Array.from(bytes);
}

/** Where readers go wrong: at the edges of 7, 31, 32, 53, 63 and 64 bits. */
const EXTREMES = [0, 1, 127, 128, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32 + 1, 2 ** 53].map(BigInt);
EXTREMES.push(2n ** 53n + 1n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 69n);

/** The change within a nested message, whose length is put right. */
function within(bytes: Uint8Array, other: Uint8Array, change: Mutation): Uint8Array {
  const nested = fieldsOf(bytes).filter(({ wireType }) => wireType === LENGTH_DELIMITED);
  const field = nested[change.at % nested.length];
  if (field === undefined) return once(bytes, other, change);
  const content = once(bytes.subarray(field.contentStart, field.end), other, { ...change, at: change.by });
  return joined(bytes.subarray(0, field.valueStart), varint(content.length), content, bytes.subarray(field.end));
}

function once(bytes: Uint8Array, other: Uint8Array, { kind, at, by }: Mutation): Uint8Array {
  const place = bytes.length === 0 ? 0 : at % bytes.length;
  const until = Math.min(bytes.length, place + 1 + (by % 16));
  const fields = fieldsOf(bytes);
  const field = fields[at % fields.length];
  const replace = (start: number, end: number, ...by: Uint8Array[]) =>
    joined(bytes.subarray(0, start), ...by, bytes.subarray(end));
  switch (kind) {
    case 'flip':
      return bytes.map((byte, i) => (i === place ? byte ^ (1 << (by % 8)) : byte));
    case 'set':
      return bytes.map((byte, i) => (i === place ? by % 256 : byte));
    case 'cut':
      return bytes.subarray(0, place);
    case 'remove':
      return replace(place, until);
    case 'repeat':
      return replace(place, until, bytes.subarray(place, until), bytes.subarray(place, until));
    case 'insert':
      return replace(place, place, varint(by));
    case 'splice':
      return joined(bytes.subarray(0, place), other.subarray(by % (other.length + 1)));
    case 'append':
      return joined(bytes, other);
    case 'field of another': {
      const others = fieldsOf(other);
      const taken = others[by % others.length];
      return taken === undefined ? bytes : joined(bytes, other.subarray(taken.start, taken.end));
    }
    default:
      return field === undefined ? bytes : ofField(kind, by, bytes, field, replace);
  }
}

function ofField(
  kind: Mutation['kind'],
  by: number,
  bytes: Uint8Array,
  { start, valueStart, contentStart, end, wireType }: Field,
  replace: (start: number, end: number, ...by: Uint8Array[]) => Uint8Array,
): Uint8Array {
  const whole = bytes.subarray(start, end);
  const tag = varintValue(bytes, start);
  const extreme = EXTREMES[by % EXTREMES.length] as bigint;
  switch (kind) {
    case 'field twice':
      return replace(end, end, whole);
    case 'field gone':
      return replace(start, end);
    case 'field last':
      return joined(bytes.subarray(0, start), bytes.subarray(end), whole);
    case 'overlong tag':
      return replace(start, valueStart, varint(tag, by % 11));
    case 'overlong value':
      if (wireType !== VARINT && wireType !== LENGTH_DELIMITED) return bytes;
      return replace(valueStart, varintEnd(bytes, valueStart), varint(varintValue(bytes, valueStart), by % 11));
    case 'length': {
      if (wireType !== LENGTH_DELIMITED) return bytes;
      const near = BigInt(Math.max(0, end - contentStart + (by % 7) - 3));
      return replace(valueStart, contentStart, varint(by % 2 === 0 ? near : extreme));
    }
    case 'varint':
      return replace(start, end, varint(tag - wireType + VARINT), varint(extreme));
    case 'number':
      return replace(start, valueStart, varint((by % 32) * 8 + wireType));
    case 'wire type':
      return replace(start, valueStart, varint(tag - wireType + (by % 8)));
    case 'group': {
      // As deep as may be, one deeper, and far deeper; every third one ends as another group.
      const depth = [1, 49, 50, 51, 99, 100, 101, 500][by % 8] as number;
      const [open, close] = [varint(25 * 8 + 3), varint((by % 3 === 0 ? 26 : 25) * 8 + 4)];
      return replace(start, start, ...Array(depth).fill(open), whole, ...Array(depth).fill(close));
    }
    default:
      return bytes;
  }
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
