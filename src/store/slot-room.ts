/**
 * How much room a slot has for its record, as pure functions: when it grows, when it shrinks, and when it may not grow.
 *
 * A slot grows as soon as a record does not fit. It shrinks when records have needed no more than a quarter of it for
 * {@link SHRINK_AFTER} heartbeats in a row, to what the largest of those needs; while memory is short, after the first. So
 * a worker whose records change between two sizes keeps the room for the larger one.
 */
import { jsonCapacityFor, LEAST_JSON_CAPACITY } from './layout.ts';
import type { RecordLimits } from './record-allowance.ts';

/** At one heartbeat in 5 s, 40 s: longer than a burst of tasks takes to come and go, and soon enough for memory. */
export const SHRINK_AFTER = 8;
const MUCH_SMALLER = 4;

/** What is remembered between heartbeats; it may be forgotten. */
export interface SmallRecords {
  /** How many in a row needed no more than a quarter of the room. */
  readonly count: number;
  /** Bytes of the largest of them. */
  readonly largestBytes: number;
}

export const NO_SMALL_RECORDS: SmallRecords = { count: 0, largestBytes: 0 };

export interface SlotRoom {
  readonly capacity: number;
  readonly small: SmallRecords;
}

/** @param bytes of the record's JSON */
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
  /** For people. */
  readonly reason: string;
}

/** Why a slot may not be made to hold so much; undefined if it may. The least room is every slot's. */
export function whyNoRoom(jsonBytes: number, allowance: RecordLimits): NoRoom | undefined {
  const { maxRecordBytes, maxCapacityBytes } = allowance;
  if (jsonBytes > maxRecordBytes) {
    return {
      cause: 'record_size',
      reason: `the record has ${jsonBytes} bytes as JSON; at most ${maxRecordBytes} are taken (MAX_RECORD_SIZE)`,
    };
  }
  const capacity = jsonCapacityFor(jsonBytes);
  if (capacity === LEAST_JSON_CAPACITY || capacity <= maxCapacityBytes) return undefined;
  return {
    cause: 'record_memory',
    reason:
      `there is no memory for a record of ${jsonBytes} bytes as JSON: for now, ` +
      `one may have ${Math.floor(maxCapacityBytes / 1.25)} (RECORD_MEMORY)`,
  };
}
