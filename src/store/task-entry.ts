/**
 * One entry of a task log as bytes. All multiples of 8, so that the head is never split where the log wraps.
 *
 *     0        4         8       12     13        14       16        24          32
 *     ┌────────┬─────────┬────────┬──────┬─────────┬────────┬─────────┬───────────┬─────────────────────┬──────┬────────┬──────┐
 *     │ length │ ordinal │ sample │ type │ outcome │ bytes  │ receipt │ receipt   │ numbers of the type │ id   │ status │ –    │
 *     │        │         │        │      │         │ of id  │ Unix ms │ monotonic │ (NaN: unknown)      │      │        │      │
 *     └────────┴─────────┴────────┴──────┴─────────┴────────┴─────────┴───────────┴─────────────────────┴──────┴────────┴──────┘
 */
import { MAX_LOGGED_ID_BYTES, MAX_LOGGED_STATUS_BYTES, type TaskEvent } from '../model/task-change.ts';
import { ENDED_TASK_OUTCOMES } from '../model/telemetry.ts';

export const ENTRY_ALIGNMENT = 8;
/** Length and ordinal. */
export const ENTRY_HEAD_BYTES = 8;
/** Position of the monotonic receipt, by which the writer knows an entry's age although the wall clock may be set. */
export const ENTRY_MONOTONIC_AT = 24;
const FIXED_BYTES = 32;
const NUMBER_BYTES = 8;

const TYPES = ['listed', 'left', 'ended'] as const;
const NUMBERS = { listed: 5, left: 1, ended: 5 } as const;

/** Where in the worker's life it happened, as the slot counts. */
export interface EntryPlace {
  readonly ordinal: number;
  readonly sample: number;
  readonly atMs: number;
}

export interface TaskEntry extends EntryPlace {
  readonly event: TaskEvent;
}

export interface WrittenEntry extends TaskEntry {
  /** Receipt by the monotonic clock, in ms. */
  readonly monotonicMs: number;
}

export function entryBytes(event: TaskEvent): number {
  const status = event.type === 'listed' ? Buffer.byteLength(event.status) : 0;
  const bytes = FIXED_BYTES + NUMBERS[event.type] * NUMBER_BYTES + Buffer.byteLength(event.taskId) + status;
  return Math.ceil(bytes / ENTRY_ALIGNMENT) * ENTRY_ALIGNMENT;
}

export const MAX_ENTRY_BYTES =
  FIXED_BYTES + NUMBERS.listed * NUMBER_BYTES + MAX_LOGGED_ID_BYTES + MAX_LOGGED_STATUS_BYTES;

/** Scratch memory of this thread for one entry. A DataView, since a lane beside a processor has only parts of Buffer. */
const scratch = new ArrayBuffer(Math.ceil(MAX_ENTRY_BYTES / ENTRY_ALIGNMENT) * ENTRY_ALIGNMENT);
const scratchView = new DataView(scratch);
const scratchBytes = Buffer.from(scratch);

/** @returns the entry as bytes, valid until the next call */
export function encodedEntry({ event, ordinal, sample, atMs, monotonicMs }: WrittenEntry): Buffer {
  const length = entryBytes(event);
  const outcome = event.type === 'ended' && event.outcome !== null ? ENDED_TASK_OUTCOMES.indexOf(event.outcome) + 1 : 0;
  scratchView.setUint32(0, length, true);
  scratchView.setUint32(4, ordinal, true);
  scratchView.setUint32(8, sample, true);
  scratchView.setUint8(12, TYPES.indexOf(event.type));
  scratchView.setUint8(13, outcome);
  scratchView.setFloat64(16, atMs, true);
  scratchView.setFloat64(ENTRY_MONOTONIC_AT, monotonicMs, true);
  let at = FIXED_BYTES;
  for (const number of numbersOf(event)) {
    scratchView.setFloat64(at, number ?? Number.NaN, true);
    at += NUMBER_BYTES;
  }
  const idBytes = scratchBytes.write(event.taskId, at);
  scratchView.setUint16(14, idBytes, true);
  at += idBytes;
  if (event.type === 'listed') at += scratchBytes.write(event.status, at);
  scratchBytes.fill(0, at, length);
  return scratchBytes.subarray(0, length);
}

function numbersOf(event: TaskEvent): readonly (number | null)[] {
  switch (event.type) {
    case 'listed':
      return [
        event.startedMs,
        event.cpuAllocated,
        event.memoryAllocated,
        event.gpuAllocated,
        Buffer.byteLength(event.status),
      ];
    case 'left':
      return [event.lastSeenMs];
    default:
      return [event.startedMs, event.endedMs, event.exitCode, event.cpuSeconds, event.maxRssBytes];
  }
}

/** Length of the entry that begins at `at`; undefined if there cannot be one: the memory is not trusted. */
export function entryLengthAt(bytes: Buffer, at: number, end: number): number | undefined {
  if (at + FIXED_BYTES > end) return undefined;
  const length = bytes.readUInt32LE(at);
  return length >= FIXED_BYTES && length % ENTRY_ALIGNMENT === 0 && at + length <= end ? length : undefined;
}

export function ordinalAt(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 4);
}

/** @returns undefined if the bytes are no entry */
export function readEntry(bytes: Buffer, at: number, end: number): TaskEntry | undefined {
  const length = entryLengthAt(bytes, at, end);
  if (length === undefined) return undefined;
  const type = TYPES[bytes.readUInt8(at + 12)];
  if (type === undefined) return undefined;
  const numbers = Array.from({ length: NUMBERS[type] }, (_, index) => {
    const offset = at + FIXED_BYTES + index * NUMBER_BYTES;
    return offset + NUMBER_BYTES <= at + length ? bytes.readDoubleLE(offset) : Number.NaN;
  });
  const text = at + FIXED_BYTES + numbers.length * NUMBER_BYTES;
  const idEnd = Math.min(text + bytes.readUInt16LE(at + 14), at + length);
  const taskId = bytes.toString('utf8', text, idEnd);
  const place = {
    ordinal: ordinalAt(bytes, at),
    sample: bytes.readUInt32LE(at + 8),
    atMs: bytes.readDoubleLE(at + 16),
  };
  const [first, second, third, fourth, fifth] = numbers.map((number) => (Number.isNaN(number) ? null : number));
  switch (type) {
    case 'listed': {
      const statusEnd = Math.min(idEnd + Math.max(0, fifth ?? 0), at + length);
      return {
        ...place,
        event: {
          type,
          taskId,
          status: bytes.toString('utf8', idEnd, statusEnd),
          cpuAllocated: second ?? 0,
          memoryAllocated: third ?? 0,
          gpuAllocated: fourth ?? 0,
          startedMs: first ?? null,
        },
      };
    }
    case 'left':
      return { ...place, event: { type, taskId, lastSeenMs: first ?? 0 } };
    default:
      return {
        ...place,
        event: {
          type,
          taskId,
          startedMs: first ?? null,
          endedMs: second ?? null,
          outcome: ENDED_TASK_OUTCOMES[bytes.readUInt8(at + 13) - 1] ?? null,
          exitCode: third ?? null,
          cpuSeconds: fourth ?? null,
          maxRssBytes: fifth ?? null,
        },
      };
  }
}
