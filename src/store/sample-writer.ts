/**
 * The writing side of a slot's samples, part of slot-writer.ts: one sample per applied heartbeat, numbered by
 * `applied`, in a ring of columns. A custom metric, or one of a device, gets a column when it is first seen.
 *
 * Order: a sample's metrics are written before its record is published; the rest is written afterwards, from the
 * record. So a killed lane leaves either a sample that readers do not see (its place is the one that they never read),
 * or one whose metrics are complete and whose rest its successor writes.
 *
 * A key is written into a memory once, then counted: readers may cache keys while they read that memory.
 */
import {
  CUSTOM_PREFIX_BYTES,
  customMetricKey,
  customMetricName,
  type DeviceMetric,
  deviceMetricKey,
  deviceMetricOf,
  deviceMetrics,
} from '../model/metric-keys.ts';
import type { GpuUsage } from '../model/telemetry.ts';
import {
  METRIC_KEY_BYTES,
  METRIC_TEXT_BYTES,
  NUMBER_BYTES,
  RecordNumber,
  RING_TASK_BITS,
  RING_USAGES,
  ringBytes,
  type SlotSize,
  SlotWord,
  WORD_BYTES,
} from './layout.ts';
import type { RecordAllowance } from './record-allowance.ts';
import { type SampleScore, type ScoreWriter, UNSCORED } from './score-writer.ts';
import { metricKeysIn, type SlotViews } from './slot-memory.ts';
import { metricColumnsFor, ringAfter, SHRINK_EVERY_MS, shortenedRing } from './slot-ring.ts';

/** The part of a heartbeat that is different for each worker. */
export interface Measured {
  /** Custom metrics. */
  readonly metrics: ReadonlyMap<string, number>;
  readonly gpus: readonly GpuUsage[];
}

export const NOTHING_MEASURED: Measured = { metrics: new Map(), gpus: [] };

type RingSize = Pick<SlotSize, 'ringCapacity' | 'metricColumns'>;
/** Shared by all workers without metrics, and never written: most have none, and each map takes 200 bytes. */
const NO_COLUMNS = new Map<never, number>();
const LONGEST_NAME_BYTES = METRIC_TEXT_BYTES - CUSTOM_PREFIX_BYTES;

export class SampleWriter {
  #slot: SlotViews;
  /** Keys of the metrics with a column, in column order. */
  #keys: string[] = [];
  /** Column index by a custom metric's name … */
  #custom: Map<string, number> = NO_COLUMNS;
  /** … and by a device's metric, neither of which needs a key to be built for each heartbeat. */
  #ofDevices: Map<DeviceMetric, number> = NO_COLUMNS;
  /** While all columns are taken: the sample number at which to check again whether any can be freed. */
  #lookAgainAt: number | undefined;
  /** Monotonic receipt of the sample for which the ring last shrank; at first, of this writer's first sample: an earlier one may have shrunk it. */
  #shrunkMs: number | undefined;
  /** Devices of the current heartbeat, and what they report. */
  #gpus: readonly GpuUsage[] | undefined;
  #deviceMetrics: ReadonlyMap<DeviceMetric, number> = NO_COLUMNS;
  readonly #scores: ScoreWriter;

  constructor(slot: SlotViews, scores: ScoreWriter) {
    this.#slot = slot;
    this.#scores = scores;
    for (const key of metricKeysIn(slot)) this.#know(key);
  }

  /** The ring size needed for the current sample; unchanged if there is no memory for a larger one. */
  sizeFor(nowMs: number, measured: Measured, allowance: RecordAllowance): RingSize {
    const { control, size } = this.#slot;
    const ringCapacity = allowance.sampleSpanMs === 0 ? size.ringCapacity : this.#ringCapacityFor(nowMs, allowance);
    if (ringCapacity === 0) return size;
    const metricColumns = this.#metricColumnsFor(measured, allowance.metricColumns);
    if (Atomics.load(control, SlotWord.columnsWanted) !== metricColumns) {
      Atomics.store(control, SlotWord.columnsWanted, metricColumns);
    }
    if (ringCapacity === size.ringCapacity && metricColumns === size.metricColumns) return size;
    const mostBytes = ringBytes({ ...size, taskLogCapacity: 0 }) + allowance.ringRoomBytes;
    const wanted = [
      { ringCapacity, metricColumns },
      { ringCapacity: size.ringCapacity, metricColumns },
      { ringCapacity, metricColumns: size.metricColumns },
    ];
    return wanted.find((ring) => ringBytes({ ...ring, isScored: size.isScored }) <= mostBytes) ?? size;
  }

  /** Moves to another memory, with as many of the newest samples as fit, and with the scores. */
  move(to: SlotViews): void {
    const from = this.#slot;
    const applied = Atomics.load(from.control, SlotWord.applied);
    const count = Math.min(heldIn(from), Math.max(0, to.size.ringCapacity - 1));
    Atomics.store(to.control, SlotWord.ringFrom, (applied - count) | 0);
    const kept = this.#keys.length <= to.size.metricColumns ? allOf(this.#keys) : this.#liveColumns();
    const keys = this.#keys;
    this.#slot = to;
    this.#keys = [];
    this.#custom = NO_COLUMNS;
    this.#ofDevices = NO_COLUMNS;
    for (const column of kept) this.#addColumn(keys[column] as string);
    const first = applied - count;
    copyRing(from.numbers, to.numbers, from.offsets.ringTimes, to.offsets.ringTimes, NUMBER_BYTES);
    for (const [column, before] of kept.entries()) {
      const [source, target] = [from.offsets.ringMetrics[before], to.offsets.ringMetrics[column]] as [number, number];
      copyRing(from.numbers, to.numbers, source, target, NUMBER_BYTES);
    }
    const words = wordColumns(to);
    for (const [index, source] of wordColumns(from).entries()) {
      copyRing(from.control, to.control, source, words[index] as number, WORD_BYTES);
    }
    this.#scores.move(to, kept, first, applied);

    function copyRing<A extends Float64Array | Int32Array>(
      source: A,
      target: A,
      sourceBytes: number,
      targetBytes: number,
      unitBytes: number,
    ): void {
      const sourceAt = sourceBytes / unitBytes;
      const targetAt = targetBytes / unitBytes;
      for (let number = first; number < applied; number++) {
        const value = source[sourceAt + (number & (from.size.ringCapacity - 1))] as number;
        target[targetAt + (number & (to.size.ringCapacity - 1))] = value;
      }
    }
  }

  /** Writes the metrics of the current sample, before its record is published. */
  begin(measured: Measured): void {
    const { control, size } = this.#slot;
    if (size.ringCapacity === 0) return;
    const { metrics } = measured;
    const devices = this.#devicesOf(measured);
    const values = metrics.size + devices.size;
    if (size.metricColumns === 0) {
      if (values > 0) Atomics.add(control, SlotWord.metricsLeftOut, values);
      return;
    }
    if (values > this.#known(measured)) this.#addNew(measured);
    const index = Atomics.load(control, SlotWord.applied) & (size.ringCapacity - 1);
    const written = this.#write(index, this.#custom, metrics) + this.#write(index, this.#ofDevices, devices);
    if (written < values) Atomics.add(control, SlotWord.metricsLeftOut, values - written);
  }

  /** Writes the rest of the sample. @param record index of the first number of its record */
  write(record: number, scored: Readonly<SampleScore> = UNSCORED): void {
    const { control, floats, numbers, offsets, size } = this.#slot;
    if (size.ringCapacity === 0) return;
    const index = Atomics.load(control, SlotWord.applied) & (size.ringCapacity - 1);
    numbers[offsets.ringTimes / NUMBER_BYTES + index] = numbers[record + RecordNumber.receivedUnixMs] as number;
    // Stored modulo 2^32.
    const receivedMs = Math.floor(numbers[record + RecordNumber.receivedMonotonicMs] as number);
    control[offsets.ringMonotonic / WORD_BYTES + index] = receivedMs;
    for (let column = 0; column < RING_USAGES.length; column++) {
      const name = RING_USAGES[column] as (typeof RING_USAGES)[number];
      const at = (offsets.ringUsages[column] as number) / WORD_BYTES + index;
      floats[at] = numbers[record + RecordNumber[name]] as number;
    }
    if (size.isScored) {
      control[offsets.ringScore / WORD_BYTES + index] = scored.word;
      floats[offsets.ringUsual / WORD_BYTES + index] = scored.usual;
    }
    const tasks = numbers[record + RecordNumber.runningTasks] as number;
    const flags = numbers[record + RecordNumber.sampleFlags] as number;
    control[offsets.ringTasks / WORD_BYTES + index] = tasks | (flags << RING_TASK_BITS);
  }

  #ringCapacityFor(nowMs: number, { sampleSpanMs: spanMs, areRingsShort }: RecordAllowance): number {
    const { control, offsets, size } = this.#slot;
    const { ringCapacity: capacity } = size;
    this.#shrunkMs ??= nowMs;
    if (capacity === 0) return ringAfter({ capacity, isFull: false, heldMs: 0 }, spanMs);
    const held = heldIn(this.#slot);
    const isFull = held >= capacity - 1;
    if (held === 0 || (!isFull && !areRingsShort)) return capacity;
    const oldest = (Atomics.load(control, SlotWord.applied) - held) & (capacity - 1);
    const heldMs = (Math.floor(nowMs) - (control[offsets.ringMonotonic / WORD_BYTES + oldest] as number)) >>> 0;
    const shortened = areRingsShort ? shortenedRing(capacity, heldMs / held, spanMs) : capacity;
    const wanted = shortened < capacity ? shortened : ringAfter({ capacity, isFull, heldMs }, spanMs);
    if (wanted >= capacity) return wanted;
    if (nowMs - this.#shrunkMs < SHRINK_EVERY_MS) return capacity;
    this.#shrunkMs = nowMs;
    return wanted;
  }

  /** @param most HISTORY_METRICS */
  #metricColumnsFor(measured: Measured, most: number): number {
    const { control, size } = this.#slot;
    const { metricColumns: columns, ringCapacity } = size;
    const values = measured.metrics.size + this.#devicesOf(measured).size;
    if (values <= this.#known(measured)) return columns;
    const unknown = this.#unknown(measured, most);
    if (this.#keys.length + unknown <= columns) return columns;
    if (columns < most) return metricColumnsFor(this.#keys.length + unknown, most);
    const applied = Atomics.load(control, SlotWord.applied);
    this.#lookAgainAt ??= applied;
    if (((applied - this.#lookAgainAt) | 0) < 0) return columns;
    this.#lookAgainAt = (applied + ringCapacity) | 0;
    return metricColumnsFor(this.#liveColumns().length + unknown, most);
  }

  #devicesOf({ gpus }: Measured): ReadonlyMap<DeviceMetric, number> {
    if (gpus !== this.#gpus) {
      this.#gpus = gpus;
      this.#deviceMetrics = deviceMetrics(gpus);
    }
    return this.#deviceMetrics;
  }

  /** How many of them have a column. */
  #known(measured: Measured): number {
    return knownIn(this.#custom, measured.metrics) + knownIn(this.#ofDevices, this.#devicesOf(measured));
  }

  /** How many could get one, counted up to `most`. */
  #unknown(measured: Measured, most: number): number {
    let unknown = 0;
    for (const name of measured.metrics.keys()) {
      if (!this.#custom.has(name) && isShort(name) && ++unknown >= most) return unknown;
    }
    for (const metric of this.#devicesOf(measured).keys()) {
      if (!this.#ofDevices.has(metric) && ++unknown >= most) return unknown;
    }
    return unknown;
  }

  /** @returns the number of values with a column */
  #write<K>(index: number, columns: ReadonlyMap<K, number>, values: ReadonlyMap<K, number>): number {
    const { numbers } = this.#slot;
    let written = 0;
    for (const [metric, column] of columns) {
      const value = values.get(metric);
      numbers[this.#columnAt(column) + index] = value ?? Number.NaN;
      if (value !== undefined) written++;
    }
    return written;
  }

  /** Columns with a value in the ring. */
  #liveColumns(): number[] {
    const { control, numbers, size } = this.#slot;
    const applied = Atomics.load(control, SlotWord.applied);
    const held = heldIn(this.#slot);
    return allOf(this.#keys).filter((column) => {
      const from = this.#columnAt(column);
      for (let number = applied - held; number < applied; number++) {
        if (!Number.isNaN(numbers[from + (number & (size.ringCapacity - 1))])) return true;
      }
      return false;
    });
  }

  /** Adds columns while there are free ones. */
  #addNew(measured: Measured): void {
    const { metricColumns } = this.#slot.size;
    for (const name of measured.metrics.keys()) {
      if (this.#keys.length === metricColumns) return;
      if (!this.#custom.has(name) && isShort(name)) this.#addColumn(customMetricKey(name));
    }
    for (const metric of this.#devicesOf(measured).keys()) {
      if (this.#keys.length === metricColumns) return;
      if (!this.#ofDevices.has(metric)) this.#addColumn(deviceMetricKey(metric));
    }
  }

  #addColumn(key: string): void {
    const { bytes, control, numbers, offsets, size } = this.#slot;
    const column = this.#keys.length;
    const from = this.#columnAt(column);
    numbers.fill(Number.NaN, from, from + size.ringCapacity);
    const at = offsets.metricKeys + column * METRIC_KEY_BYTES;
    control[at / WORD_BYTES] = bytes.write(key, at + WORD_BYTES, METRIC_TEXT_BYTES, 'utf8');
    this.#know(key);
    Atomics.store(control, SlotWord.metricKeys, column + 1);
  }

  /** Index of the first number of a metric's column. */
  #columnAt(column: number): number {
    return (this.#slot.offsets.ringMetrics[column] as number) / NUMBER_BYTES;
  }

  #know(key: string): void {
    const column = this.#keys.push(key) - 1;
    const device = deviceMetricOf(key);
    if (device === undefined) {
      if (this.#custom === NO_COLUMNS) this.#custom = new Map();
      this.#custom.set(customMetricName(key) ?? key, column);
    } else {
      if (this.#ofDevices === NO_COLUMNS) this.#ofDevices = new Map();
      this.#ofDevices.set(device, column);
    }
  }
}

function allOf(keys: readonly string[]): number[] {
  return Array.from(keys, (_, column) => column);
}

function knownIn<K>(columns: ReadonlyMap<K, number>, values: ReadonlyMap<K, number>): number {
  let known = 0;
  if (values.size > 0) for (const metric of columns.keys()) if (values.has(metric)) known++;
  return known;
}

/** Number of samples in the ring, without the place of the next one, where a killed lane may have begun to write. */
function heldIn({ control, size }: SlotViews): number {
  const held = (Atomics.load(control, SlotWord.applied) - Atomics.load(control, SlotWord.ringFrom)) >>> 0;
  return Math.min(held, Math.max(0, size.ringCapacity - 1));
}

/** Whether the name fits. A UTF-16 unit takes at most three bytes. */
function isShort(name: string): boolean {
  return 3 * name.length <= LONGEST_NAME_BYTES || Buffer.byteLength(name) <= LONGEST_NAME_BYTES;
}

/** Offsets of the columns of 32 bits. */
function wordColumns({ offsets, size }: SlotViews): readonly number[] {
  const ofScores = size.isScored ? [offsets.ringScore, offsets.ringUsual] : [];
  return [offsets.ringMonotonic, ...offsets.ringUsages, offsets.ringTasks, ...ofScores];
}
