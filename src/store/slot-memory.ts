/** A slot's memory: how it is made, and the views through which writer and readers see it. */
import {
  LAYOUT_VERSION,
  RING_F32_COLUMNS,
  SLOT_MAGIC,
  type SlotOffsets,
  type SlotSize,
  SlotWord,
  slotOffsets,
} from './layout.ts';

/** The memory itself, as it is handed from thread to thread. */
export type SlotMemory = SharedArrayBuffer;

/** Views of one slot. They hold no state of their own: any number may look at the same memory. */
export interface SlotViews {
  readonly memory: SlotMemory;
  readonly size: SlotSize;
  readonly offsets: SlotOffsets;
  readonly control: Int32Array;
  readonly numbers: Float64Array;
  readonly bytes: Buffer;
  readonly ring: RingViews;
}

export interface RingViews {
  readonly times: Float64Array;
  readonly columns: readonly Float32Array[];
  readonly tasks: Uint32Array;
}

export function allocateSlot(size: SlotSize): SlotViews {
  const memory = new SharedArrayBuffer(slotOffsets(size).totalBytes);
  const control = new Int32Array(memory);
  Atomics.store(control, SlotWord.magic, SLOT_MAGIC);
  Atomics.store(control, SlotWord.version, LAYOUT_VERSION);
  Atomics.store(control, SlotWord.jsonCapacity, size.jsonCapacity);
  Atomics.store(control, SlotWord.ringCapacity, size.ringCapacity);
  return viewSlot(memory);
}

export function viewSlot(memory: SlotMemory): SlotViews {
  const control = new Int32Array(memory);
  if (control[SlotWord.magic] !== SLOT_MAGIC || control[SlotWord.version] !== LAYOUT_VERSION) {
    throw new Error('not a slot of this layout');
  }
  const size = {
    jsonCapacity: Atomics.load(control, SlotWord.jsonCapacity),
    ringCapacity: Atomics.load(control, SlotWord.ringCapacity),
  };
  const { ringCapacity } = size;
  const offsets = slotOffsets(size);
  return {
    memory,
    size,
    offsets,
    control,
    numbers: new Float64Array(memory),
    bytes: Buffer.from(memory),
    ring: {
      times: new Float64Array(memory, offsets.ringTimes, ringCapacity),
      columns: RING_F32_COLUMNS.map((_, column) => new Float32Array(memory, offsets.ringColumns[column], ringCapacity)),
      tasks: new Uint32Array(memory, offsets.ringTasks, ringCapacity),
    },
  };
}
