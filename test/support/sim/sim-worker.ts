/** One simulated worker: what it sends next, and exact counts of what it did to its heartbeats on purpose. */
import { randomUUID } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { HeartbeatSchema, WorkerInfoSchema } from '../../../src/gen/pulselane/v1/telemetry_pb.ts';
import type { Clock } from '../../../src/lib/clock.ts';

/** What may befall one heartbeat in five. */
export const MISHAPS = ['drop', 'duplicate', 'reorder'] as const;
export type Mishap = (typeof MISHAPS)[number];
const MISHAP_EVERY = 5;

export interface SimCounts {
  /** Heartbeats that were handed to the connection, copies not counted. */
  readonly sent: number;
  readonly dropped: number;
  /** Copies that were sent in addition. */
  readonly duplicated: number;
  /** Heartbeats that were sent after their successors. */
  readonly reordered: number;
}

export interface SimWorkerOptions {
  readonly clock: Pick<Clock, 'wallMs'>;
  readonly workerId: string;
  readonly intervalMs: number;
  /** Added to the wall clock in what it sends. */
  readonly clockOffsetMs: number;
  /** Speaks the legacy service, which knows no sequences. */
  readonly isGo: boolean;
  readonly group: string;
  readonly ephemeral: boolean;
}

export class SimWorker {
  readonly workerId: string;
  clockOffsetMs: number;
  /** Its process is there and its sockets are open, but nothing is sent. */
  isSilent = false;
  hasLeft = false;
  mishaps: readonly Mishap[] = [];
  readonly #options: SimWorkerOptions;
  readonly #instanceId = randomUUID();
  readonly #counts = { sent: 0, dropped: 0, duplicated: 0, reordered: 0 };
  #sequence = 0;

  constructor(options: SimWorkerOptions) {
    this.#options = options;
    this.workerId = options.workerId;
    this.clockOffsetMs = options.clockOffsetMs;
  }

  get counts(): SimCounts {
    return { ...this.#counts };
  }

  get sends(): boolean {
    return !this.isSilent && !this.hasLeft;
  }

  get info(): Uint8Array {
    const { workerId, group, ephemeral, intervalMs } = this.#options;
    const instanceId = this.#instanceId;
    return toBinary(WorkerInfoSchema, create(WorkerInfoSchema, { workerId, group, ephemeral, intervalMs, instanceId }));
  }

  /** The messages that go out now: mostly one. */
  next(): Uint8Array[] {
    const heartbeat = this.#heartbeat();
    const mishap = this.#sequence % MISHAP_EVERY === 0 ? this.#mishap() : undefined;
    switch (mishap) {
      case 'drop':
        this.#counts.dropped++;
        return [];
      case 'duplicate':
        this.#counts.sent++;
        this.#counts.duplicated++;
        return [heartbeat, heartbeat];
      case 'reorder':
        this.#counts.sent += 2;
        this.#counts.reordered++;
        return [this.#heartbeat(), heartbeat];
      default:
        this.#counts.sent++;
        return [heartbeat];
    }
  }

  /** Its last heartbeat says so. */
  farewell(): Uint8Array {
    this.hasLeft = true;
    this.#counts.sent++;
    return this.#heartbeat(true);
  }

  /** Each kind in its turn. */
  #mishap(): Mishap | undefined {
    const turn = this.#sequence / MISHAP_EVERY;
    return this.mishaps[turn % this.mishaps.length];
  }

  #heartbeat(leaving = false): Uint8Array {
    this.#sequence++;
    const { workerId, isGo } = this.#options;
    const usages = { workerId, cpuUsage: this.#sequence % 100, memoryUsage: 40 };
    const ours = {
      sequence: BigInt(this.#sequence),
      sentAtUnixMs: BigInt(Math.round(this.#options.clock.wallMs()) + this.clockOffsetMs),
      instanceId: this.#instanceId,
      leaving,
    };
    return toBinary(HeartbeatSchema, create(HeartbeatSchema, isGo ? usages : { ...usages, ...ours }));
  }
}
