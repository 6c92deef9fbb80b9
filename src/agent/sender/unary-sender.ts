/** Heartbeats as single calls of `cluster.MasterWorker`, for masters that know nothing else. */
import { create } from '@bufbuild/protobuf';
import {
  type HeartbeatAck,
  HeartbeatSchema,
  MasterWorker,
  type Heartbeat as PlainHeartbeat,
  type WorkerInfo as PlainWorkerInfo,
  type RegisterAck,
  WorkerInfoSchema,
} from '../../gen/cluster/master_worker_pb.ts';
import type { Heartbeat, WorkerInfo } from '../../gen/pulselane/v1/telemetry_pb.ts';
import type { Clock } from '../../lib/clock.ts';
import { type CallOptions, type Channel, callUnary, methodOf } from './channel.ts';
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

  /** These masters know no farewell: one more plain heartbeat would only make the worker look alive for longer. */
  async farewell(): Promise<void> {}

  close(): void {
    this.#abort.abort();
  }

  /** Never rejects. */
  async #call(heartbeat: Heartbeat): Promise<void> {
    const { channel, clock, intervalMs, events } = this.#options;
    const { signal } = this.#abort;
    const sentAtMs = clock.monotonicMs();
    try {
      const plain = plainHeartbeat(heartbeat);
      const { success } = await callUnary(channel, HEARTBEAT, plain, { clock, timeoutMs: intervalMs(), signal });
      if (!success)
        throw new Error('the master does not take heartbeats of this worker: it has to be registered there');
      if (!signal.aborted) events.onAccepted(Number(heartbeat.sequence), clock.monotonicMs() - sentAtMs);
    } catch (error) {
      if (!signal.aborted) events.onLost(error);
    } finally {
      this.#isUnderWay = false;
    }
  }
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
