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
export class SlotViews {
  readonly memory: SlotMemory;
  readonly size: SlotSize;
  readonly offsets: SlotOffsets;
  readonly control: Int32Array;
  readonly numbers: Float64Array;
  readonly bytes: Buffer;
  #ring: RingViews | undefined;

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

  /** Made when it is first asked for: most readers never do, and each of its six views takes 100 bytes. */
  get ring(): RingViews {
    this.#ring ??= viewRing(this);
    return this.#ring;
  }
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
  return new SlotViews(memory);
}

interface SlotShape {
  readonly size: SlotSize;
  readonly offsets: SlotOffsets;
}

/** The shape that was seen last. Nearly all slots have the same one, which they then share. */
let lastShape: SlotShape | undefined;

function shapeOf(control: Int32Array): SlotShape {
  const jsonCapacity = Atomics.load(control, SlotWord.jsonCapacity);
  const ringCapacity = Atomics.load(control, SlotWord.ringCapacity);
  if (lastShape?.size.jsonCapacity !== jsonCapacity || lastShape.size.ringCapacity !== ringCapacity) {
    const size = { jsonCapacity, ringCapacity };
    lastShape = { size, offsets: slotOffsets(size) };
  }
  return lastShape;
}

function viewRing({ memory, offsets, size }: SlotViews): RingViews {
  const { ringCapacity } = size;
  return {
    times: new Float64Array(memory, offsets.ringTimes, ringCapacity),
    columns: RING_F32_COLUMNS.map((_, column) => new Float32Array(memory, offsets.ringColumns[column], ringCapacity)),
    tasks: new Uint32Array(memory, offsets.ringTasks, ringCapacity),
  };
}
