/**
 * Samples as rows of `COPY … WITH (FORMAT binary)`. A row is a count of fields, and each field its length (-1: NULL) and bytes, all
 * big-endian:
 *
 *     "PGCOPY\n\xff\r\n\0" flags:4 extra:4 │ fields:2 length:4 worker length:4 at:8 … │ … │ -1:2
 *
 * Numbers travel as their bits, so nothing is rounded. In `jsonb` they are decimals of any length: the shortest that is read back
 * as the same number.
 */
import { BASE_METRICS, type MetricKey, type SampleRun } from '../samples.ts';
import { OBJECT_COLUMNS, type ObjectColumn, placeOf, storable } from './metric-columns.ts';

export const COPY_COLUMNS = `worker, at, ${BASE_METRICS.join(', ')}, flags, run, number, ${OBJECT_COLUMNS.join(', ')}`;

const FIELDS = 2 + BASE_METRICS.length + 3 + OBJECT_COLUMNS.length;
const HEAD = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
/** Of a row, without the texts. */
const ROW_BYTES = 2 + FIELDS * 4 + 8 + BASE_METRICS.length * 8 + 2 + 4 + 8;
const JSONB_VERSION = 1;
/** PostgreSQL counts microseconds from 2000 on. */
const EPOCH_US = 946_684_800_000_000;
const TWO_32 = 2 ** 32;
const FIRST_BYTES = 1 << 20;
/** Names of metrics that are remembered: more than a fleet has, unless they contain an id. */
const MAX_KNOWN_METRICS = 10_000;

export class SampleRows {
  /** Grows to the largest batch, which is bounded, and is used again. */
  #buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #length = HEAD.copy(this.#buffer);
  #count = 0;
  readonly #members = new Map<MetricKey, { readonly column: string; readonly name: string | undefined }>();

  get count(): number {
    return this.#count;
  }

  /** @param run number of the master's run in this database */
  add(samples: SampleRun, run: number, isWanted: (atMs: number) => boolean): void {
    const worker = Buffer.from(storable(samples.workerId));
    const base = BASE_METRICS.map((metric) => samples.columns.get(metric));
    const objects: Readonly<Record<ObjectColumn, Member[]>> = { metrics: [], gpus: [], anomaly: [] };
    for (const [key, values] of samples.columns) {
      const { column, name } = this.#memberOf(key);
      if (name !== undefined) objects[column as ObjectColumn].push({ name, values });
    }
    for (const [index, atMs] of samples.at.entries()) {
      if (!isWanted(atMs)) continue;
      const texts = OBJECT_COLUMNS.map((column) => textOf(objects[column], index));
      const units = texts.reduce((sum, { length }) => sum + length, 0);
      // A character of a string takes at most three bytes.
      this.#reserve(ROW_BYTES + worker.length + texts.length + 3 * units);
      this.#int16(FIELDS);
      this.#bytes(worker);
      this.#int32(8);
      this.#int64(Math.round(atMs * 1000) - EPOCH_US);
      for (const column of base) this.#double(column?.[index] ?? Number.NaN);
      this.#int32(2);
      this.#int16(samples.flags[index] ?? 0);
      this.#int32(4);
      this.#int32(run);
      this.#int32(8);
      this.#int64(samples.first + index);
      for (const text of texts) this.#jsonb(text);
      this.#count++;
    }
  }

  /** All rows; valid until {@link clear}. */
  finish(): Uint8Array {
    this.#reserve(2);
    this.#int16(-1);
    return this.#buffer.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = HEAD.length;
    this.#count = 0;
  }

  /** Where a metric stands, and how its member is named in JSON; undefined: it has a column. */
  #memberOf(key: MetricKey): { readonly column: string; readonly name: string | undefined } {
    const known = this.#members.get(key);
    if (known !== undefined) return known;
    const place = placeOf(key);
    const name = 'member' in place ? `${JSON.stringify(storable(place.member))}:` : undefined;
    if (this.#members.size >= MAX_KNOWN_METRICS) this.#members.clear();
    const member = { column: place.column, name };
    this.#members.set(key, member);
    return member;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#length + bytes));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }

  #int16(value: number): void {
    this.#length = this.#buffer.writeInt16BE(value, this.#length);
  }

  #int32(value: number): void {
    this.#length = this.#buffer.writeInt32BE(value, this.#length);
  }

  #int64(value: number): void {
    const high = Math.floor(value / TWO_32);
    this.#length = this.#buffer.writeInt32BE(high, this.#length);
    this.#length = this.#buffer.writeUInt32BE(value - high * TWO_32, this.#length);
  }

  #double(value: number): void {
    if (Number.isNaN(value)) {
      this.#int32(-1);
      return;
    }
    this.#int32(8);
    this.#length = this.#buffer.writeDoubleBE(value, this.#length);
  }

  #bytes(bytes: Uint8Array): void {
    this.#int32(bytes.length);
    this.#buffer.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #jsonb(text: string): void {
    if (text === '') {
      this.#int32(-1);
      return;
    }
    const written = this.#buffer.write(text, this.#length + 5, 'utf8');
    this.#int32(written + 1);
    this.#buffer[this.#length] = JSONB_VERSION;
    this.#length += written + 1;
  }
}

/** Of an object in JSON. */
interface Member {
  /** With quotes and colon. */
  readonly name: string;
  readonly values: Float64Array;
}

/** `''` if the sample has no member. */
function textOf(members: readonly Member[], index: number): string {
  let text = '';
  for (const { name, values } of members) {
    const value = values[index] as number;
    if (!Number.isNaN(value)) text += `${text === '' ? '{' : ','}${name}${jsonNumber(value)}`;
  }
  return text === '' ? '' : `${text}}`;
}

/** JSON has no infinity, and PostgreSQL's decimals no negative zero; a text casts to it. */
function jsonNumber(value: number): string {
  if (Number.isFinite(value) && !Object.is(value, -0)) return `${value}`;
  return Object.is(value, -0) ? '"-0"' : `"${value}"`;
}
