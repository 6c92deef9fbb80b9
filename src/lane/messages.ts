/** What goes between the main thread and a lane: one union per direction. */

import type { FaultCause } from '../model/lanes.ts';
import type { Bell } from '../store/bell.ts';
import type { ByteRing } from '../store/byte-ring.ts';
import type { LedgerMemory } from '../store/lane-ledger.ts';
import type { PublicationsMemory } from '../store/publications.ts';
import type { AllowanceMemory } from '../store/record-allowance.ts';
import type { SlotMemory } from '../store/slot-memory.ts';

/** Handed to each thread of a lane when it is made. */
export interface LaneThreadData {
  /** What is done with each heartbeat beside publishing it; undefined: nothing. */
  readonly processor: ProcessorSpec | undefined;
  /** Rung after each message. */
  readonly bell: Bell;
  /** By which heartbeats come beside the port, see ordered-port.ts; undefined: all come by the port, which stamps nothing. */
  readonly ring: ByteRing | undefined;
  /** For whom the processor runs; undefined without one. */
  readonly ledger: LedgerMemory | undefined;
  /** How large records may be. */
  readonly allowance: AllowanceMemory;
  /** Where it is counted what is published to the slot of each row. */
  readonly publications: PublicationsMemory;
}

export interface ProcessorSpec {
  /** URL of the ES module. */
  readonly url: string;
  /** Memory outside the heap at which the lane ends itself. */
  readonly offHeapBytes: number;
}

export type ToLane =
  /** Serve this worker from now on. */
  | {
      readonly type: 'serve';
      readonly slot: number;
      readonly occupant: number;
      readonly workerId: string;
      readonly memory: SlotMemory;
    }
  /** Stop serving it, once all that was sent before is done, and say so. */
  | { readonly type: 'leave'; readonly slot: number }
  /** Collect the memory of slots that were replaced or left. */
  | { readonly type: 'collect' }
  /** Heartbeats, see frames.ts. */
  | { readonly type: 'heartbeats'; readonly frames: ArrayBuffer };

export type FromLane =
  /** The thread runs and takes heartbeats. */
  | { readonly type: 'ready' }
  /** The slot's record did not fit, or had far too much room: from now on this memory is the slot, of this occupant of the row. */
  | { readonly type: 'grown'; readonly slot: number; readonly occupant: number; readonly memory: SlotMemory }
  /** The lane will not touch this slot again. */
  | { readonly type: 'left'; readonly slot: number }
  /** The thread ends now, because of what was done for this worker; without one, nobody knows for whom. */
  | {
      readonly type: 'failed';
      readonly cause: FaultCause;
      readonly reason: string;
      readonly slot: number | undefined;
      readonly occupant: number | undefined;
    };
