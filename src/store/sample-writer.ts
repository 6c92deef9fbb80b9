/**
 * The writing side of a slot's samples, part of slot-writer.ts: one sample per applied heartbeat, numbered by
 * `applied`, in a ring of columns. A custom metric gets a column when it is first seen.
 *
 * Order: a sample's metrics are written before its record is published; the rest is written afterwards, from the
 * record. So a killed lane leaves either a sample that readers do not see (its place is the one that they never read),
 * or one whose metrics are complete and whose rest its successor writes.
 *
 * A name is written into a memory once, then counted: readers may cache names while they read that memory.
 */
import {
  METRIC_NAME_BYTES,
  METRIC_TEXT_BYTES,
  RecordNumber,
  RING_F32_COLUMNS,
  type SlotSize,
  SlotWord,
  slotBytes,
  WORD_BYTES,
} from './layout.ts';
import type { RecordAllowance } from './record-allowance.ts';
import { metricNamesIn, type RingViews, type SlotViews } from './slot-memory.ts';
import { MOST_METRIC_COLUMNS, metricColumnsFor, ringAfter } from './slot-ring.ts';

export type Metrics = ReadonlyMap<string, number>;

type RingSize = Pick<SlotSize, 'ringCapacity' | 'metricColumns'>;
type Column = Float64Array | Float32Array | Uint32Array;

export class SampleWriter {
  #slot: SlotViews;
  /** Column index by metric name. */
  #columns = new Map<string, number>();
  /** While all columns are taken: the sample number at which to check again whether any can be freed. */
  #lookAgainAt: number | undefined;

  constructor(slot: SlotViews) {
    this.#slot = slot;
    this.#nameColumns(metricNamesIn(slot));
  }

  /** The ring size needed for the current sample; unchanged if there is no memory for a larger one. */
  sizeFor(nowMs: number, metrics: Metrics, allowance: RecordAllowance): RingSize {
    const { size } = this.#slot;
    const { sampleSpanMs } = allowance;
    const ringCapacity = sampleSpanMs === 0 ? size.ringCapacity : this.#ringCapacityFor(nowMs, sampleSpanMs);
    if (ringCapacity === 0) return size;
    const metricColumns = this.#metricColumnsFor(metrics);
    if (ringCapacity === size.ringCapacity && metricColumns === size.metricColumns) return size;
    // As much as a larger record could take.
    const mostBytes = slotBytes(size) + 2 * allowance.maxCapacityBytes;
    const wanted = [
      { ringCapacity, metricColumns },
      { ...size, metricColumns },
      { ...size, ringCapacity },
    ];
    return wanted.find((ring) => slotBytes({ ...size, ...ring }) <= mostBytes) ?? size;
  }

  /** Moves to another memory, with as many of the newest samples as fit. */
  move(to: SlotViews): void {
    const from = this.#slot;
    const applied = Atomics.load(from.control, SlotWord.applied);
    const count = Math.min(heldIn(from), Math.max(0, to.size.ringCapacity - 1));
    Atomics.store(to.control, SlotWord.ringFrom, (applied - count) | 0);
    const names = [...this.#columns.keys()];
    const kept = names.length <= to.size.metricColumns ? names : this.#liveNames();
    this.#slot = to;
    const before = this.#columns;
    this.#columns = new Map();
    for (const name of kept) this.#addColumn(name);
    if (count === 0) return;
    const pairs: (readonly [Column, Column])[] = [
      ...plainColumns(from.ring).map((column, index) => [column, plainColumns(to.ring)[index] as Column] as const),
      ...kept.map(
        (name, column) => [metricColumn(from.ring, before.get(name)), metricColumn(to.ring, column)] as const,
      ),
    ];
    for (const [source, target] of pairs) {
      for (let number = applied - count; number < applied; number++) {
        target[number & (to.size.ringCapacity - 1)] = source[number & (from.size.ringCapacity - 1)] as number;
      }
    }
  }

  /** Writes the metrics of the current sample, before its record is published. */
  begin(metrics: Metrics): void {
    const { control, ring, size } = this.#slot;
    if (size.metricColumns === 0) {
      if (size.ringCapacity > 0 && metrics.size > 0) Atomics.add(control, SlotWord.metricsLeftOut, metrics.size);
      return;
    }
    if (metrics.size > this.#known(metrics)) this.#addNew(metrics);
    const index = Atomics.load(control, SlotWord.applied) & (size.ringCapacity - 1);
    let written = 0;
    for (const [name, column] of this.#columns) {
      const value = metrics.get(name);
      metricColumn(ring, column)[index] = value ?? Number.NaN;
      if (value !== undefined) written++;
    }
    if (written < metrics.size) Atomics.add(control, SlotWord.metricsLeftOut, metrics.size - written);
  }

  /** Writes the rest of the sample. @param record index of the first number of its record */
  write(record: number): void {
    const { control, numbers, ring, size } = this.#slot;
    if (size.ringCapacity === 0) return;
    const index = Atomics.load(control, SlotWord.applied) & (size.ringCapacity - 1);
    ring.times[index] = numbers[record + RecordNumber.receivedUnixMs] as number;
    ring.monotonic[index] = numbers[record + RecordNumber.receivedMonotonicMs] as number;
    for (let column = 0; column < RING_F32_COLUMNS.length; column++) {
      const name = RING_F32_COLUMNS[column] as (typeof RING_F32_COLUMNS)[number];
      (ring.columns[column] as Float32Array)[index] = numbers[record + RecordNumber[name]] as number;
    }
    ring.tasks[index] = numbers[record + RecordNumber.runningTasks] as number;
  }

  #ringCapacityFor(nowMs: number, spanMs: number): number {
    const { control, size } = this.#slot;
    const { ringCapacity: capacity } = size;
    if (capacity === 0) return ringAfter({ capacity, isFull: false, heldMs: 0 }, spanMs);
    const held = heldIn(this.#slot);
    const isFull = held >= capacity - 1;
    if (!isFull) return capacity;
    const oldest = (Atomics.load(control, SlotWord.applied) - held) & (capacity - 1);
    return ringAfter({ capacity, isFull, heldMs: nowMs - (this.#slot.ring.monotonic[oldest] as number) }, spanMs);
  }

  #metricColumnsFor(metrics: Metrics): number {
    const { control, size } = this.#slot;
    const { metricColumns: columns, ringCapacity } = size;
    if (metrics.size <= this.#known(metrics)) return columns;
    let unknown = 0;
    for (const name of metrics.keys()) {
      if (!this.#columns.has(name) && isShort(name) && ++unknown === MOST_METRIC_COLUMNS) break;
    }
    if (this.#columns.size + unknown <= columns) return columns;
    if (columns < MOST_METRIC_COLUMNS) return metricColumnsFor(this.#columns.size + unknown);
    const applied = Atomics.load(control, SlotWord.applied);
    this.#lookAgainAt ??= applied;
    if (((applied - this.#lookAgainAt) | 0) < 0) return columns;
    this.#lookAgainAt = (applied + ringCapacity) | 0;
    return metricColumnsFor(this.#liveNames().length + unknown);
  }

  /** How many of them have a column. */
  #known(metrics: Metrics): number {
    let known = 0;
    if (metrics.size > 0) for (const name of this.#columns.keys()) if (metrics.has(name)) known++;
    return known;
  }

  /** Names of metrics with a value in the ring. */
  #liveNames(): string[] {
    const { control, ring, size } = this.#slot;
    const applied = Atomics.load(control, SlotWord.applied);
    const held = heldIn(this.#slot);
    const isLive = (column: number) => {
      const values = metricColumn(ring, column);
      for (let number = applied - held; number < applied; number++) {
        if (!Number.isNaN(values[number & (size.ringCapacity - 1)])) return true;
      }
      return false;
    };
    return Array.from(this.#columns).flatMap(([name, column]) => (isLive(column) ? name : []));
  }

  /** Adds columns while there are free ones. */
  #addNew(metrics: Metrics): void {
    for (const name of metrics.keys()) {
      if (this.#columns.size === this.#slot.size.metricColumns) return;
      if (!this.#columns.has(name) && isShort(name)) this.#addColumn(name);
    }
  }

  #addColumn(name: string): void {
    const { bytes, control, offsets, ring } = this.#slot;
    const column = this.#columns.size;
    metricColumn(ring, column).fill(Number.NaN);
    const at = offsets.metricNames + column * METRIC_NAME_BYTES;
    control[at / WORD_BYTES] = bytes.write(name, at + WORD_BYTES, METRIC_TEXT_BYTES, 'utf8');
    this.#columns.set(name, column);
    Atomics.store(control, SlotWord.metricNames, column + 1);
  }

  #nameColumns(names: readonly string[]): void {
    for (const [column, name] of names.entries()) this.#columns.set(name, column);
  }
}

/** Number of samples in the ring, without the place of the next one, where a killed lane may have begun to write. */
function heldIn({ control, size }: SlotViews): number {
  const held = (Atomics.load(control, SlotWord.applied) - Atomics.load(control, SlotWord.ringFrom)) >>> 0;
  return Math.min(held, Math.max(0, size.ringCapacity - 1));
}

/** Whether the name fits. A UTF-16 unit takes at most three bytes. */
function isShort(name: string): boolean {
  return 3 * name.length <= METRIC_TEXT_BYTES || Buffer.byteLength(name) <= METRIC_TEXT_BYTES;
}

export function plainColumns({ times, monotonic, columns, tasks }: RingViews): readonly Column[] {
  return [times, monotonic, ...columns, tasks];
}

function metricColumn({ metrics }: RingViews, column: number | undefined): Float64Array {
  return metrics[column as number] as Float64Array;
}
