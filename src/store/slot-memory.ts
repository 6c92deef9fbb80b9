/** A slot's memory: its allocation, and the views through which writer and readers access it. */
import {
  LAYOUT_VERSION,
  METRIC_KEY_BYTES,
  METRIC_TEXT_BYTES,
  SLOT_MAGIC,
  type SlotOffsets,
  type SlotSize,
  SlotWord,
  slotOffsets,
  WORD_BYTES,
} from './layout.ts';
import { isMetricColumns, isRingCapacity } from './slot-ring.ts';
import { isTaskLogCapacity } from './task-log-room.ts';

/** The memory, as passed between threads. */
export type SlotMemory = SharedArrayBuffer;

/** Views of one slot, without state of their own: any number may view the same memory. */
export class SlotViews {
  readonly memory: SlotMemory;
  readonly size: SlotSize;
  readonly offsets: SlotOffsets;
  readonly control: Int32Array;
  readonly numbers: Float64Array;
  readonly bytes: Buffer;
  #floats: Float32Array | undefined;

  constructor(memory: SlotMemory) {
    const control = new Int32Array(memory);
    if (control[SlotWord.magic] !== SLOT_MAGIC || control[SlotWord.version] !== LAYOUT_VERSION) {
      throw new Error('not a slot of this layout');
    }
    const { size, offsets } = shapeOf(control);
    this.memory = memory;
    this.size = size;
    this.offsets = offsets;
    this.control = control;
    this.numbers = new Float64Array(memory);
    this.bytes = Buffer.from(memory);
  }

  /** Created on first use: not every reader needs samples, and a view takes 100 bytes in each thread. */
  get floats(): Float32Array {
    this.#floats ??= new Float32Array(this.memory);
    return this.#floats;
  }
}

/** Captured before foreign code is loaded, whose allocations are counted, see foreign-memory.ts. */
const Memory = SharedArrayBuffer;

export function allocateSlot(size: SlotSize): SlotViews {
  if (!isRingCapacity(size.ringCapacity)) throw new Error(`a ring cannot have ${size.ringCapacity} samples`);
  const memory = new Memory(slotOffsets(size).totalBytes);
  const control = new Int32Array(memory);
  Atomics.store(control, SlotWord.magic, SLOT_MAGIC);
  Atomics.store(control, SlotWord.version, LAYOUT_VERSION);
  Atomics.store(control, SlotWord.jsonCapacity, size.jsonCapacity);
  Atomics.store(control, SlotWord.ringCapacity, size.ringCapacity);
  Atomics.store(control, SlotWord.metricColumns, size.metricColumns);
  Atomics.store(control, SlotWord.taskLogCapacity, size.taskLogCapacity);
  Atomics.store(control, SlotWord.isScored, size.isScored ? 1 : 0);
  return viewSlot(memory);
}

export function viewSlot(memory: SlotMemory): SlotViews {
  return new SlotViews(memory);
}

/**
 * Whether `memory`, which a thread claims to be the resized slot after `old`, can be one.
 * @returns what is wrong with it, as readable text; undefined if nothing is
 */
export function successorProblem(memory: unknown, old: SlotMemory, maxBytes: number): string | undefined {
  if (!(memory instanceof SharedArrayBuffer)) return 'it is not shared memory';
  if (memory.growable) return 'it is growable';
  const { byteLength } = memory;
  if (byteLength > maxBytes) return `it has ${byteLength} bytes; the maximum is ${maxBytes}`;
  if (byteLength % WORD_BYTES !== 0) return `its ${byteLength} bytes are not a whole number of words`;
  const control = new Int32Array(memory);
  if (control[SlotWord.magic] !== SLOT_MAGIC || control[SlotWord.version] !== LAYOUT_VERSION) {
    return 'not a slot of this layout';
  }
  const jsonCapacity = Atomics.load(control, SlotWord.jsonCapacity);
  const ringCapacity = Atomics.load(control, SlotWord.ringCapacity);
  if (!isRingCapacity(ringCapacity)) return 'its ring has an invalid size';
  const metricColumns = Atomics.load(control, SlotWord.metricColumns);
  if (!isMetricColumns(metricColumns)) return 'it has an invalid number of metric columns';
  const keys = Atomics.load(control, SlotWord.metricKeys);
  if (keys < 0 || keys > metricColumns) return 'it has more metric keys than columns';
  const taskLogCapacity = Atomics.load(control, SlotWord.taskLogCapacity);
  if (!isTaskLogCapacity(taskLogCapacity)) return 'its task log has an invalid size';
  const { size: oldSize } = viewSlot(old);
  const isScored = Atomics.load(control, SlotWord.isScored) === 1;
  if (isScored !== oldSize.isScored) return 'its samples are scored, or not, other than before';
  const size = { jsonCapacity, ringCapacity, metricColumns, taskLogCapacity, isScored };
  if (isSameSize(size, oldSize)) return `it has ${byteLength} bytes as before, expected another size`;
  const expectedBytes = jsonCapacity > 0 ? slotOffsets(size).totalBytes : undefined;
  return byteLength === expectedBytes ? undefined : 'its size contradicts its header';
}

export function isSameSize(one: SlotSize, other: SlotSize): boolean {
  return (
    one.jsonCapacity === other.jsonCapacity &&
    one.ringCapacity === other.ringCapacity &&
    one.metricColumns === other.metricColumns &&
    one.taskLogCapacity === other.taskLogCapacity &&
    one.isScored === other.isScored
  );
}

interface SlotShape {
  readonly size: SlotSize;
  readonly offsets: SlotOffsets;
}

/** Shapes by size: nearly all slots have one of a few, and share it. Emptied when it is full. */
const shapes = new Map<string, SlotShape>();
const MOST_SHAPES = 64;

function shapeOf(control: Int32Array): SlotShape {
  const jsonCapacity = Atomics.load(control, SlotWord.jsonCapacity);
  const ringCapacity = Atomics.load(control, SlotWord.ringCapacity);
  const metricColumns = Atomics.load(control, SlotWord.metricColumns);
  const taskLogCapacity = Atomics.load(control, SlotWord.taskLogCapacity);
  const isScored = Atomics.load(control, SlotWord.isScored) === 1;
  const key = `${jsonCapacity} ${ringCapacity} ${metricColumns} ${taskLogCapacity} ${isScored}`;
  const known = shapes.get(key);
  if (known !== undefined) return known;
  const size = { jsonCapacity, ringCapacity, metricColumns, taskLogCapacity, isScored };
  const shape = { size, offsets: slotOffsets(size) };
  if (shapes.size === MOST_SHAPES) shapes.clear();
  shapes.set(key, shape);
  return shape;
}

/** Keys of metrics with a column, in column order. @param from number of keys that are already known */
export function metricKeysIn({ bytes, control, offsets, size }: SlotViews, from = 0): string[] {
  const keys: string[] = [];
  const named = Math.min(Atomics.load(control, SlotWord.metricKeys), size.metricColumns);
  for (let column = from; column < named; column++) {
    const at = offsets.metricKeys + column * METRIC_KEY_BYTES;
    const text = at + WORD_BYTES;
    const length = control[at / WORD_BYTES] as number;
    keys.push(bytes.toString('utf8', text, text + Math.max(0, Math.min(length, METRIC_TEXT_BYTES))));
  }
  return keys;
}
