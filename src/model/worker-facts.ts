/** A worker's registration, as shown to users. */
import type { WorkerInfo } from '../gen/pulselane/v1/telemetry_pb.ts';
import { amountIn } from './heartbeat-scan.ts';

/** Strings are empty and numbers 0 where the worker sent nothing. */
export interface WorkerFacts {
  /** Cores. */
  readonly totalCpu: number;
  readonly totalMemoryGib: number;
  readonly totalStorageGib: number;
  /** Devices. */
  readonly totalGpu: number;
  readonly ip: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Group of workers that can fail together. */
  readonly group: string;
  readonly ephemeral: boolean;
  /** Identifies one run of its process. */
  readonly instanceId: string;
  readonly agentVersion: string;
}

export function workerFactsOf(info: WorkerInfo): WorkerFacts {
  return {
    totalCpu: amountIn(info.totalCpu),
    totalMemoryGib: amountIn(info.totalMemory),
    totalStorageGib: amountIn(info.totalStorage),
    totalGpu: amountIn(info.totalGpu),
    ip: info.workerIp,
    labels: info.labels,
    group: info.group,
    ephemeral: info.ephemeral,
    instanceId: info.instanceId,
    agentVersion: info.agentVersion,
  };
}
