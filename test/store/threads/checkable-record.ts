/** A record whose every part tells which record it is, so that a mix of two is seen. */
import type { RecordNumbers } from '../../../src/store/slot-writer.ts';

export function checkableRecord(ordinal: number): { numbers: RecordNumbers; json: string } {
  const numbers: RecordNumbers = {
    ordinal,
    cpuUsage: ordinal,
    memoryUsage: ordinal,
    storageUsage: ordinal,
    gpuUsage: ordinal,
    runningTasks: ordinal,
    receivedUnixMs: ordinal,
    receivedMonotonicMs: ordinal,
    publishedMonotonicMs: ordinal,
    sequence: ordinal,
    sentAtUnixMs: ordinal,
    hostLoopLagMs: ordinal,
    lastRoundTripMs: ordinal,
    taskStoodStillSinceMs: ordinal,
    sampleFlags: ordinal,
  };
  // Length and letter both follow from the ordinal, by different strides.
  return { numbers, json: letterOf(ordinal).repeat(1 + (ordinal % 1009)) };
}

function letterOf(ordinal: number): string {
  return String.fromCharCode(97 + (ordinal % 23));
}

export function isWholeNumbers(numbers: RecordNumbers): boolean {
  return Object.values(numbers).every((value) => value === numbers.ordinal);
}

/** Whether the text is that of some record: one letter throughout, and a length that goes with the letter's stride. */
export function isWholeJson(bytes: Buffer): boolean {
  return bytes.length > 0 && bytes.every((byte) => byte === bytes[0]);
}
