/** What each heartbeat tells beside telemetry: which instance sent it, what is missing, how far the clock is off. */
import { amountIn, type HeartbeatHead } from '../../model/heartbeat-scan.ts';
import { suspectAfterMs } from '../../model/liveness.ts';
import type { Arrival } from '../../model/sequence.ts';
import { smoothedSkewMs } from '../../model/skew.ts';
import { HOST_LOOP_STUCK_MS } from '../../model/stuck.ts';
import type { BoardWriter, Receipt } from '../../store/board.ts';
import type { RosterEntry } from '../workers/roster.ts';
import type { InstanceGuard } from './instance-guard.ts';
import type { StuckWatch } from './stuck-watch.ts';
import type { WorkerLiveness } from './worker-liveness.ts';

export interface HeartbeatWatchOptions {
  /** How often those send whose pace is not known. */
  readonly heartbeatIntervalMs: number;
  readonly board: BoardWriter;
  readonly guard: InstanceGuard;
  readonly stuck: StuckWatch;
}

export class HeartbeatWatch {
  readonly #options: HeartbeatWatchOptions;

  constructor(options: HeartbeatWatchOptions) {
    this.#options = options;
  }

  /**
   * @returns how it comes among the others of its worker.
   * @throws PulselaneError `failed_precondition` if a later instance has spoken
   */
  note(entry: RosterEntry, head: HeartbeatHead, receipt: Receipt, attentiveMs: number): Arrival {
    const { liveness } = entry;
    // Nearly always it is the same instance as before, which is told without making a text of it.
    if (!head.isOf(liveness.instances[0])) this.#options.guard.check(entry, head.instanceId, attentiveMs);
    if (head.sentAtUnixMs !== 0) this.#noteClock(entry, head, receipt.wallMs);
    this.#noteGap(liveness, receipt.monotonicMs);
    const hostLoopLagMs = amountIn(head.hostLoopLagMs);
    liveness.hostLoopLagMs = hostLoopLagMs;
    if (hostLoopLagMs >= HOST_LOOP_STUCK_MS !== (liveness.stuck === 'host_loop')) {
      this.#options.stuck.look(entry);
    }
    return head.sequence > 0 ? this.#noteSequence(entry, head, attentiveMs) : 'next';
  }

  #noteGap(liveness: WorkerLiveness, receivedMs: number): void {
    if (receivedMs - liveness.receivedMs > suspectAfterMs(liveness.intervalMs)) liveness.steadySinceMs = receivedMs;
    liveness.receivedMs = receivedMs;
  }

  #noteClock({ liveness, row }: RosterEntry, head: HeartbeatHead, receivedUnixMs: number): void {
    const { sentAtUnixMs } = head;
    const roundTripMs = amountIn(head.lastRoundTripMs);
    liveness.skewMs = smoothedSkewMs(liveness.skewMs, { sentAtUnixMs, receivedUnixMs, roundTripMs });
    this.#options.board.setSkew(row, liveness.skewMs);
  }

  #noteSequence(entry: RosterEntry, { sequence, leaving }: HeartbeatHead, atMs: number): Arrival {
    const { liveness, row } = entry;
    const { missed } = liveness.sequence;
    const intervalMs = Math.max(liveness.cadence.intervalMs, this.#options.heartbeatIntervalMs);
    const isBack =
      liveness.isLeaving && !leaving && liveness.sequence.isOld(sequence) && hasStarted(entry, sequence, atMs);
    const arrival = isBack
      ? liveness.sequence.beginAgain(sequence)
      : liveness.sequence.note(sequence, atMs, intervalMs);
    if (liveness.sequence.missed !== missed) this.#options.board.setMissed(row, liveness.sequence.missed);
    // A new instance with a name has been told of already, and its numbers begin with the first that comes.
    if (arrival === 'again') this.#options.guard.restarted(entry, 'it counts its heartbeats anew');
    return arrival;
  }
}

/** Whether a worker without instances that said farewell was started again: nothing of before is on its way for so long. */
function hasStarted({ liveness }: RosterEntry, sequence: number, atMs: number): boolean {
  const { instances, lastReceivedMs = atMs, intervalMs } = liveness;
  return instances.length === 0 && (sequence === 1 || atMs - lastReceivedMs > suspectAfterMs(intervalMs));
}
