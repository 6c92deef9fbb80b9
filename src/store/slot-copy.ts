/**
 * Copies a slot whose writing thread cannot be terminated: the worker continues in the copy, and whatever the thread
 * still writes goes to memory without readers.
 *
 * Only the slot in process needs this. The thread was told to end (`terminate`): if it ever continues, V8 ends it at
 * the next function call, so it can at most finish its current write, and takes no other heartbeat and no message.
 *
 * Called by main while the old writer may be at any point of a write. Record and note are copied whole
 * (double-buffer.ts). A sample that may be incomplete is the one that the next writer overwrites. The next writer calls
 * `mend`, as after any killed writer.
 */

import { beginRead, currentCopy, isWhole, MAX_READ_TRIES } from './double-buffer.ts';
import { RecordNumber, SlotWord } from './layout.ts';
import { allocateSlot, type SlotMemory, type SlotViews, viewSlot } from './slot-memory.ts';
import { taskLogEndIn } from './task-log.ts';

export function copiedSlot(memory: SlotMemory): SlotMemory {
  const old = viewSlot(memory);
  const copy = allocateSlot(old.size);
  // Counters first: a publication after them is not counted as finished, and is repaired.
  // `finished` before `taken`: in the other order, a heartbeat finished in between would look like one in process.
  for (const word of [SlotWord.finished, SlotWord.taken, SlotWord.applied, SlotWord.rejected]) {
    Atomics.store(copy.control, word, Atomics.load(old.control, word));
  }
  for (const word of [SlotWord.ringFrom, SlotWord.metricKeys, SlotWord.metricsLeftOut, SlotWord.columnsWanted]) {
    Atomics.store(copy.control, word, Atomics.load(old.control, word));
  }
  const { offsets } = old;
  const noteBytes = offsets.note[1] - offsets.note[0];
  const recordBytes = offsets.record[1] - offsets.record[0];
  copyTwin(old.control, SlotWord.noteGeneration, (from) => {
    old.bytes.copy(copy.bytes, copy.offsets.note[0], offsets.note[from], offsets.note[from] + noteBytes);
  });
  copyTwin(old.control, SlotWord.recordGeneration, (from) => {
    old.bytes.copy(copy.bytes, copy.offsets.record[0], offsets.record[from], offsets.record[from] + recordBytes);
  });
  old.bytes.copy(copy.bytes, copy.offsets.ringTimes, offsets.ringTimes, offsets.score[0]);
  if (old.size.isScored) copyScores(old, copy);
  // A later look than the copying: what is behind this floor was not overwritten meanwhile. It may be beyond the end that was copied.
  const { position: end } = taskLogEndIn(copy, 0);
  const floor = Atomics.add(old.control, SlotWord.taskLogFloor, 0);
  Atomics.store(copy.control, SlotWord.taskLogFloor, ((end - floor) | 0) < 0 ? end | 0 : floor);
  // The record may be newer than the counters. It contains its own sample count; `mend` writes its sample again if the
  // record is that of the heartbeat in process.
  const record = copy.offsets.record[0] / 8;
  const appliedIndex = copy.numbers[record + RecordNumber.appliedIndex] as number;
  const ordinal = copy.numbers[record + RecordNumber.ordinal] as number;
  const taken = Atomics.load(copy.control, SlotWord.taken);
  if (ordinal === taken && Atomics.load(copy.control, SlotWord.finished) !== taken) {
    Atomics.store(copy.control, SlotWord.applied, (appliedIndex - 1) | 0);
  }
  return copy.memory;
}

/**
 * States are not copied while one of them changes: the copy then begins to learn anew. A thread that was stopped within such a change
 * must have been interrupted within less than a microsecond.
 */
function copyScores(old: SlotViews, copy: SlotViews): void {
  const { offsets } = old;
  const scoreBytes = offsets.score[1] - offsets.score[0];
  copyTwin(old.control, SlotWord.scoreGeneration, (from) => {
    old.bytes.copy(copy.bytes, copy.offsets.score[0], offsets.score[from], offsets.score[from] + scoreBytes);
  });
  const generation = Atomics.load(old.control, SlotWord.stateGeneration);
  old.bytes.copy(copy.bytes, copy.offsets.keptState, offsets.keptState);
  const isChanging = (generation & 1) === 1 || Atomics.add(old.control, SlotWord.stateGeneration, 0) !== generation;
  if (isChanging) copy.bytes.fill(0, copy.offsets.keptState);
}

/** Generation 0 makes copy 0 the current one. */
function copyTwin(control: Int32Array, word: number, copy: (from: 0 | 1) => void): void {
  for (let tries = 0; tries < MAX_READ_TRIES; tries++) {
    const generation = beginRead(control, word);
    copy(currentCopy(generation));
    if (isWhole(control, word, generation)) return;
  }
  throw new Error(`a slot changed ${MAX_READ_TRIES} times while it was copied`);
}
