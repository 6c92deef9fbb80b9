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
  RecordNumber,
  RING_TASK_BITS,
  RING_USAGES,
  ringBytes,
  type SlotSize,
  SlotWord,
  WORD_BYTES,
} from './layout.ts';
import type { RecordAllowance } from './record-allowance.ts';
import { metricKeysIn, type RingViews, type SlotViews } from './slot-memory.ts';
import { metricColumnsFor, ringAfter, shortenedRing } from './slot-ring.ts';

/** The part of a heartbeat that is different for each worker. */
export interface Measured {
  /** Custom metrics. */
  readonly metrics: ReadonlyMap<string, number>;
  readonly gpus: readonly GpuUsage[];
}

export const NOTHING_MEASURED: Measured = { metrics: new Map(), gpus: [] };

type RingSize = Pick<SlotSize, 'ringCapacity' | 'metricColumns'>;
type Column = Float64Array | Float32Array | Uint32Array;

const LONGEST_NAME_BYTES = METRIC_TEXT_BYTES - CUSTOM_PREFIX_BYTES;

export class SampleWriter {
  #slot: SlotViews;
  /** Keys of the metrics with a column, in column order. */
  #keys: string[] = [];
  /** Column index by a custom metric's name … */
  #custom = new Map<string, number>();
  /** … and by a device's metric, neither of which needs a key to be built for each heartbeat. */
  #ofDevices = new Map<DeviceMetric, number>();
  /** While all columns are taken: the sample number at which to check again whether any can be freed. */
  #lookAgainAt: number | undefined;
  /** Devices of the current heartbeat, and what they report. */
  #gpus: readonly GpuUsage[] | undefined;
  #deviceMetrics: ReadonlyMap<DeviceMetric, number> = new Map();

  constructor(slot: SlotViews) {
    this.#slot = slot;
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
    return wanted.find((ring) => ringBytes(ring) <= mostBytes) ?? size;
  }

  /** Moves to another memory, with as many of the newest samples as fit. */
  move(to: SlotViews): void {
    const from = this.#slot;
    const applied = Atomics.load(from.control, SlotWord.applied);
    const count = Math.min(heldIn(from), Math.max(0, to.size.ringCapacity - 1));
    Atomics.store(to.control, SlotWord.ringFrom, (applied - count) | 0);
    const kept = this.#keys.length <= to.size.metricColumns ? allOf(this.#keys) : this.#liveColumns();
    const keys = this.#keys;
    this.#slot = to;
    this.#keys = [];
    this.#custom = new Map();
    this.#ofDevices = new Map();
    for (const column of kept) this.#addColumn(keys[column] as string);
    if (count === 0) return;
    const pairs: (readonly [Column, Column])[] = [
      ...plainColumns(from.ring).map((column, index) => [column, plainColumns(to.ring)[index] as Column] as const),
      ...kept.map((before, column) => [metricColumn(from.ring, before), metricColumn(to.ring, column)] as const),
    ];
    for (const [source, target] of pairs) {
      for (let number = applied - count; number < applied; number++) {
        target[number & (to.size.ringCapacity - 1)] = source[number & (from.size.ringCapacity - 1)] as number;
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
  write(record: number): void {
    const { control, numbers, ring, size } = this.#slot;
    if (size.ringCapacity === 0) return;
    const index = Atomics.load(control, SlotWord.applied) & (size.ringCapacity - 1);
    ring.times[index] = numbers[record + RecordNumber.receivedUnixMs] as number;
    // Stored modulo 2^32.
    ring.monotonic[index] = Math.floor(numbers[record + RecordNumber.receivedMonotonicMs] as number);
    for (let column = 0; column < RING_USAGES.length; column++) {
      const name = RING_USAGES[column] as (typeof RING_USAGES)[number];
      (ring.usages[column] as Float32Array)[index] = numbers[record + RecordNumber[name]] as number;
    }
    ring.anomaly[index] = Number.NaN;
    const tasks = numbers[record + RecordNumber.runningTasks] as number;
    ring.tasks[index] = tasks | ((numbers[record + RecordNumber.sampleFlags] as number) << RING_TASK_BITS);
  }

  #ringCapacityFor(nowMs: number, { sampleSpanMs: spanMs, areRingsShort }: RecordAllowance): number {
    const { control, size } = this.#slot;
    const { ringCapacity: capacity } = size;
    if (capacity === 0) return ringAfter({ capacity, isFull: false, heldMs: 0 }, spanMs);
    const held = heldIn(this.#slot);
    const isFull = held >= capacity - 1;
    if (held === 0 || (!isFull && !areRingsShort)) return capacity;
    const oldest = (Atomics.load(control, SlotWord.applied) - held) & (capacity - 1);
    const heldMs = (Math.floor(nowMs) - (this.#slot.ring.monotonic[oldest] as number)) >>> 0;
    const shortened = areRingsShort ? shortenedRing(capacity, heldMs / held, spanMs) : capacity;
    return shortened < capacity ? shortened : ringAfter({ capacity, isFull, heldMs }, spanMs);
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
    const { ring } = this.#slot;
    let written = 0;
    for (const [metric, column] of columns) {
      const value = values.get(metric);
      metricColumn(ring, column)[index] = value ?? Number.NaN;
      if (value !== undefined) written++;
    }
    return written;
  }

  /** Columns with a value in the ring. */
  #liveColumns(): number[] {
    const { control, ring, size } = this.#slot;
    const applied = Atomics.load(control, SlotWord.applied);
    const held = heldIn(this.#slot);
    return allOf(this.#keys).filter((column) => {
      const values = metricColumn(ring, column);
      for (let number = applied - held; number < applied; number++) {
        if (!Number.isNaN(values[number & (size.ringCapacity - 1)])) return true;
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
    const { bytes, control, offsets, ring } = this.#slot;
    const column = this.#keys.length;
    metricColumn(ring, column).fill(Number.NaN);
    const at = offsets.metricKeys + column * METRIC_KEY_BYTES;
    control[at / WORD_BYTES] = bytes.write(key, at + WORD_BYTES, METRIC_TEXT_BYTES, 'utf8');
    this.#know(key);
    Atomics.store(control, SlotWord.metricKeys, column + 1);
  }

  #know(key: string): void {
    const column = this.#keys.push(key) - 1;
    const device = deviceMetricOf(key);
    if (device === undefined) this.#custom.set(customMetricName(key) ?? key, column);
    else this.#ofDevices.set(device, column);
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

function plainColumns({ times, monotonic, usages, anomaly, tasks }: RingViews): readonly Column[] {
  return [times, monotonic, ...usages, anomaly, tasks];
}

function metricColumn({ metrics }: RingViews, column: number): Float64Array {
  return metrics[column] as Float64Array;
}
