/** Heartbeats as unary calls of `cluster.MasterWorker`, for masters without our own service. */
import { create } from '@bufbuild/protobuf';
import type { Metadata } from '@grpc/grpc-js';
import {
  type HeartbeatAck,
  HeartbeatSchema,
  MasterWorker,
  type Heartbeat as PlainHeartbeat,
  type WorkerInfo as PlainWorkerInfo,
  type RegisterAck,
  WorkerInfoSchema,
} from '../../gen/cluster/master_worker_pb.ts';
import {
  type Heartbeat,
  type Refusal,
  RefusalCode,
  RefusalSchema,
  type WorkerInfo,
} from '../../gen/pulselane/v1/telemetry_pb.ts';
import type { Clock } from '../../lib/clock.ts';
import { shortText } from '../../lib/foreign-text.ts';
import { printable } from '../../lib/printable.ts';
import { decodeRejected, REJECTED_KEY } from '../../model/rejected-metadata.ts';
import { type CallOptions, type Channel, callUnary, isResourceExhausted, methodOf } from './channel.ts';
import type { Sender, SenderEvents } from './sender.ts';

const REGISTER = methodOf<PlainWorkerInfo, RegisterAck>(MasterWorker, 'RegisterWorker');
const HEARTBEAT = methodOf<PlainHeartbeat, HeartbeatAck>(MasterWorker, 'SendHeartbeat');

/** @throws Error with the master's words if it does not take this worker (a Go master: not yet, an operator must). */
export async function registerUnary(channel: Channel, info: WorkerInfo, options: CallOptions): Promise<void> {
  const { workerId, workerIp, totalCpu, totalMemory, totalStorage, totalGpu } = info;
  const plain = create(WorkerInfoSchema, { workerId, workerIp, totalCpu, totalMemory, totalStorage, totalGpu });
  const { success, message } = await callUnary(channel, REGISTER, plain, options);
  if (!success) throw new Error(`the master does not take this worker: ${message || 'it gives no reason'}`);
}

export interface UnarySenderOptions {
  readonly channel: Channel;
  readonly clock: Clock;
  /** A call may take no longer than the time to the next heartbeat. */
  readonly intervalMs: () => number;
  readonly events: SenderEvents;
}

export class UnarySender implements Sender {
  /** A plain heartbeat has no such field. They wait for a master that has it. */
  readonly tellsEndedTasks = false;
  readonly #options: UnarySenderOptions;
  readonly #abort = new AbortController();
  #isUnderWay = false;

  constructor(options: UnarySenderOptions) {
    this.#options = options;
  }

  send(heartbeat: Heartbeat): boolean {
    if (this.#isUnderWay || this.#abort.signal.aborted) return false;
    this.#isUnderWay = true;
    void this.#call(heartbeat);
    return true;
  }

  /** These masters have no farewell: another plain heartbeat would only make the worker look alive for longer. */
  async farewell(): Promise<void> {}

  close(): void {
    this.#abort.abort();
  }

  /** Never rejects. */
  async #call(heartbeat: Heartbeat): Promise<void> {
    const { channel, clock, intervalMs, events } = this.#options;
    const { signal } = this.#abort;
    const sentAtMs = clock.monotonicMs();
    let rejected: string | undefined;
    const onTrailer = (metadata: Metadata): void => {
      rejected = rejectedIn(metadata);
    };
    try {
      const plain = plainHeartbeat(heartbeat);
      const options = { clock, timeoutMs: intervalMs(), signal, onTrailer };
      const { success } = await callUnary(channel, HEARTBEAT, plain, options);
      if (!success)
        throw new Error('the master does not take heartbeats of this worker: it has to be registered there');
      if (signal.aborted) return;
      // It is about heartbeats of before: this one was accepted.
      if (rejected !== undefined)
        events.onRefused(rejection(heartbeat.sequence - 1n, rejected, RefusalCode.INVALID_ARGUMENT));
      events.onAccepted(Number(heartbeat.sequence), clock.monotonicMs() - sentAtMs);
    } catch (error) {
      if (signal.aborted) return;
      // Whatever the status, the master heard it and goes on listening: only its values were not taken.
      if (rejected !== undefined) events.onRefused(rejection(heartbeat.sequence, rejected, codeOf(error)));
      else events.onLost(error);
    } finally {
      this.#isUnderWay = false;
    }
  }
}

/** What the master says of rejected values; undefined if it says nothing. */
function rejectedIn(metadata: Metadata): string | undefined {
  const [value] = metadata.get(REJECTED_KEY);
  return value === undefined ? undefined : printable(shortText(decodeRejected(value.toString())));
}

function rejection(sequence: bigint, reason: string, code: RefusalCode): Refusal {
  return create(RefusalSchema, { sequence, code, reason, heard: true });
}

/** By the status of the call. */
function codeOf(error: unknown): RefusalCode {
  return isResourceExhausted(error) ? RefusalCode.RESOURCE_EXHAUSTED : RefusalCode.INVALID_ARGUMENT;
}

function plainHeartbeat({ workerId, cpuUsage, memoryUsage, storageUsage, gpuUsage, runningTasks }: Heartbeat) {
  return create(HeartbeatSchema, {
    workerId,
    cpuUsage,
    memoryUsage,
    storageUsage,
    gpuUsage,
    runningTasks: runningTasks.map(({ taskId, cpuAllocated, memoryAllocated, gpuAllocated, status }) => ({
      taskId,
      cpuAllocated,
      memoryAllocated,
      gpuAllocated,
      status,
    })),
  });
}
