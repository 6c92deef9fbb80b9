/**
 * The capacity of a slot for its record: when it grows, when it shrinks, and when it may not grow. Pure functions.
 *
 * A slot grows as soon as a record does not fit. It shrinks when records needed at most a quarter of it for
 * {@link SHRINK_AFTER} heartbeats in a row, to the size needed by the largest of those; while memory is short, after
 * the first. So a worker whose records alternate between two sizes keeps the capacity for the larger one.
 */
import { jsonCapacityFor, LEAST_JSON_CAPACITY } from './layout.ts';
import type { RecordLimits } from './record-allowance.ts';

/** 40 s at one heartbeat per 5 s: longer than a usual burst of tasks. */
export const SHRINK_AFTER = 8;
const MUCH_SMALLER = 4;

/** State between heartbeats; it may be lost. */
export interface SmallRecords {
  /** Number of consecutive records that needed at most a quarter of the capacity. */
  readonly count: number;
  /** Size of the largest of them in bytes. */
  readonly largestBytes: number;
}

export const NO_SMALL_RECORDS: SmallRecords = { count: 0, largestBytes: 0 };

export interface SlotRoom {
  readonly capacity: number;
  readonly small: SmallRecords;
}

/** @param bytes size of the record's JSON */
export function roomAfter({ capacity, small }: SlotRoom, bytes: number, isShort: boolean): SlotRoom {
  if (bytes > capacity) return { capacity: jsonCapacityFor(bytes), small: NO_SMALL_RECORDS };
  if (capacity === LEAST_JSON_CAPACITY || MUCH_SMALLER * jsonCapacityFor(bytes) > capacity) {
    return { capacity, small: NO_SMALL_RECORDS };
  }
  const count = small.count + 1;
  const largestBytes = Math.max(small.largestBytes, bytes);
  if (count < SHRINK_AFTER && !isShort) return { capacity, small: { count, largestBytes } };
  return { capacity: jsonCapacityFor(largestBytes), small: NO_SMALL_RECORDS };
}

export type NoRoomCause = 'record_size' | 'record_memory';

export interface NoRoom {
  readonly cause: NoRoomCause;
  /** Readable text. */
  readonly reason: string;
}

/** Why a slot may not have this capacity; undefined if it may. The minimum capacity is always allowed. */
export function whyNoRoom(jsonBytes: number, allowance: RecordLimits): NoRoom | undefined {
  const { maxRecordBytes, maxCapacityBytes } = allowance;
  if (jsonBytes > maxRecordBytes) {
    return {
      cause: 'record_size',
      reason: `the record has ${jsonBytes} bytes as JSON; at most ${maxRecordBytes} are allowed (MAX_RECORD_SIZE)`,
    };
  }
  const capacity = jsonCapacityFor(jsonBytes);
  if (capacity === LEAST_JSON_CAPACITY || capacity <= maxCapacityBytes) return undefined;
  return {
    cause: 'record_memory',
    reason:
      `there is not enough memory for a record of ${jsonBytes} bytes as JSON; ` +
      `the limit is currently ${Math.floor(maxCapacityBytes / 1.25)} (RECORD_MEMORY)`,
  };
}
