/** Evaluates what each heartbeat reveals besides telemetry: its instance, missing heartbeats, clock skew. */
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
  /** Interval assumed for workers whose pace is unknown. */
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
   * @returns how the heartbeat compares with the others of its worker
   * @throws PulselaneError `failed_precondition` if a later instance has reported
   */
  note(entry: RosterEntry, head: HeartbeatHead, receipt: Receipt, attentiveMs: number): Arrival {
    const { liveness } = entry;
    // Usually the instance is unchanged, which is checked without creating a string.
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
    // A new instance with an id was recorded above, and its sequence starts with its first heartbeat.
    if (arrival === 'again') this.#options.guard.restarted(entry, 'its sequence number started again');
    return arrival;
  }
}

/**
 * Whether a worker without instance ids was restarted after its farewell: no earlier heartbeat takes so long to arrive.
 */
function hasStarted({ liveness }: RosterEntry, sequence: number, atMs: number): boolean {
  const { instances, lastReceivedMs = atMs, intervalMs } = liveness;
  return instances.length === 0 && (sequence === 1 || atMs - lastReceivedMs > suspectAfterMs(intervalMs));
}
