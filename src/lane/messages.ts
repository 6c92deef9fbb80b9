/** What goes between the main thread and a lane: one union per direction. */

import type { SlotMemory } from '../store/slot-memory.ts';

export type ToLane =
  /** Serve this worker from now on. */
  | { readonly type: 'serve'; readonly slot: number; readonly workerId: string; readonly memory: SlotMemory }
  /** Stop serving it. */
  | { readonly type: 'leave'; readonly slot: number }
  /** Heartbeats, see frames.ts. */
  | { readonly type: 'heartbeats'; readonly frames: ArrayBuffer };

export type FromLane =
  /** The thread runs and takes heartbeats. */
  | { readonly type: 'ready' }
  /** The slot's record did not fit: from now on this memory is the slot. */
  | { readonly type: 'grown'; readonly slot: number; readonly memory: SlotMemory };
