/**
 * A lane beside a processor, in its own realm: a second set of JavaScript builtins in the same thread. The processor
 * runs in the thread's main realm, like any Node module; if it changes `JSON`, `Array.prototype` or `Promise` there,
 * the lane is not affected. Built as one script, which processor-thread.ts runs in the new realm before any foreign
 * code is loaded.
 *
 * Invariants: no object of this realm is passed to the processor; of the other realm, only the functions in {@link
 * Outside} are called, and only own properties are read.
 */
import './realm-buffer.ts';
import type { HeartbeatProcessor } from '../model/processor.ts';
import { type ApplyTimesMemory, ApplyTimesWriter } from '../store/apply-times.ts';
import type { Bell } from '../store/bell.ts';
import { BellWaiter, newBell } from '../store/bell.ts';
import { type LedgerMemory, LedgerWriter } from '../store/lane-ledger.ts';
import { Publications, type PublicationsMemory } from '../store/publications.ts';
import { type AllowanceMemory, AllowanceReader } from '../store/record-allowance.ts';
import { Account } from './account.ts';
import { Lane, type ServedWorker } from './lane.ts';
import type { FromLane, ToLane } from './messages.ts';
import { OffHeap, type ThreadMemory } from './off-heap.ts';
import { type Fault, type ForeignRealm, ProcessorHost } from './processor.ts';
import { SleepingPort } from './sleeping-port.ts';

/** What the lane uses of the realm around it: functions captured before foreign code was loaded. */
export interface Outside extends ForeignRealm, ThreadMemory {
  readonly bell: Bell;
  readonly ledger: LedgerMemory;
  readonly allowance: AllowanceMemory;
  readonly publications: PublicationsMemory;
  readonly applyTimes: ApplyTimesMemory;
  /** Its number. */
  readonly lane: number;
  /** Limit of memory outside the heap; the lane ends beyond it. */
  readonly offHeapBytes: number;
  post(message: FromLane): void;
  receive(): { readonly message: unknown } | undefined;
  /** Resident memory of the whole process. */
  residentBytes(): number;
  /** `process.hrtime`. */
  hrtime(): readonly [seconds: number, nanoseconds: number];
}

export interface RealmLane {
  /** Starts accepting heartbeats. */
  begin(processor: HeartbeatProcessor): void;
  /** Handles an uncaught exception or an unhandled rejection. */
  failed(thrown: unknown): void;
}

export function laneIn(outside: Outside): RealmLane {
  const end = ({ cause, reason, owner }: Fault<ServedWorker>): never => {
    outside.post({ type: 'failed', cause, reason, slot: owner?.row, occupant: owner?.occupant });
    // Blocks until main ends the thread, so that no further foreign code runs and no heartbeat is taken.
    const silence = new BellWaiter(newBell());
    for (;;) silence.waitBeyond(0);
  };
  const ledger = new LedgerWriter(outside.ledger);
  const account = new Account<ServedWorker>(ledger, outside.residentBytes);
  const offHeap = new OffHeap<ServedWorker>(outside, outside.offHeapBytes, () => account.owner, end);
  const host = new ProcessorHost<ServedWorker>({ realm: outside, account, offHeap, onFault: end });
  return {
    failed: (thrown) => host.failed(thrown),
    begin(processor) {
      const port = new SleepingPort<ToLane, FromLane>(
        { postMessage: (message) => outside.post(message as FromLane), receive: outside.receive, close() {} },
        outside.bell,
      );
      const clock = {
        monotonicMs() {
          const time = outside.hrtime();
          return time[0] * 1e3 + time[1] / 1e6;
        },
      };
      const lane = new Lane(port, {
        clock,
        allowance: new AllowanceReader(outside.allowance),
        publications: new Publications(outside.publications),
        applyTimes: new ApplyTimesWriter(outside.applyTimes, outside.lane),
        custom: {
          derive: (heartbeat, worker) => host.run(processor, heartbeat, worker),
          isHeld: ({ row }) => ledger.isHeld(row),
        },
      });
      port.onIdle(() => lane.idle());
      port.listenBetween(outside.later);
    },
  };
}
