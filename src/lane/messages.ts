/** The messages between the main thread and a lane: one union per direction. */

import type { FaultCause } from '../model/lanes.ts';
import type { ApplyTimesMemory } from '../store/apply-times.ts';
import type { Bell } from '../store/bell.ts';
import type { ByteRing } from '../store/byte-ring.ts';
import type { LedgerMemory } from '../store/lane-ledger.ts';
import type { PublicationsMemory } from '../store/publications.ts';
import type { AllowanceMemory } from '../store/record-allowance.ts';
import type { AcceptedNormal } from '../store/score-writer.ts';
import type { SlotMemory } from '../store/slot-memory.ts';

/** Passed to each lane thread when it starts. */
export interface LaneThreadData {
  /** The processor to run; undefined if there is none. */
  readonly processor: ProcessorSpec | undefined;
  /** Main rings it after each message. */
  readonly bell: Bell;
  /** Carries heartbeats alongside the port, see ordered-port.ts; undefined: all come through the port, unstamped. */
  readonly ring: ByteRing | undefined;
  /** Records which worker the processor runs for; undefined without a processor. */
  readonly ledger: LedgerMemory | undefined;
  /** Limits on the size of records. */
  readonly allowance: AllowanceMemory;
  /** Counts publications per row. */
  readonly publications: PublicationsMemory;
  /** Where the lane records how long heartbeats take, by its number. */
  readonly applyTimes: ApplyTimesMemory;
  readonly lane: number;
}

export interface ProcessorSpec {
  /** URL of the ES module. */
  readonly url: string;
  /** Limit of memory outside the heap; the lane ends itself beyond it. */
  readonly offHeapBytes: number;
}

/** What is expected of metrics, by key; NaN: nothing new is known. */
export type ExpectedMetrics = readonly (readonly [key: string, value: number])[];

export type ToLane =
  /** Start serving this worker. */
  | {
      readonly type: 'serve';
      readonly slot: number;
      readonly occupant: number;
      readonly workerId: string;
      readonly memory: SlotMemory;
    }
  /** Stop serving the worker after processing all earlier messages, and confirm with `left`. */
  | { readonly type: 'leave'; readonly slot: number }
  /** What is expected of the worker's metrics from now on. */
  | {
      readonly type: 'expect';
      readonly slot: number;
      readonly occupant: number;
      readonly values: ExpectedMetrics;
    }
  /** Collect the memory of replaced and removed slots. */
  | { readonly type: 'collect' }
  /** Heartbeats in the format of frames.ts. */
  | { readonly type: 'heartbeats'; readonly frames: ArrayBuffer };

export type FromLane =
  /** The thread is running and accepts heartbeats. */
  | { readonly type: 'ready' }
  /**
   * The slot was too small, or far too large, for the record: this memory replaces it, for this occupant of the row.
   */
  | { readonly type: 'grown'; readonly slot: number; readonly occupant: number; readonly memory: SlotMemory }
  /** A metric of the worker was unusual for so long that what it does now is usual. */
  | ({ readonly type: 'accepted'; readonly slot: number; readonly occupant: number } & AcceptedNormal)
  /** The lane will not access this slot again. */
  | { readonly type: 'left'; readonly slot: number }
  /** The thread ends because of code that ran for this worker; the worker is undefined if unknown. */
  | {
      readonly type: 'failed';
      readonly cause: FaultCause;
      readonly reason: string;
      readonly slot: number | undefined;
      readonly occupant: number | undefined;
    };
