import { create, toBinary } from '@bufbuild/protobuf';
import { WorkerInfoSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { monotonicMs } from '../lib/time.ts';
import { Fleet, framed, workerIdOf } from './fleet.ts';
import { type Load, noStats, REGISTER_WORKER, SEND_HEARTBEAT, type StormSpec } from './load.ts';
import { Probe } from './probe.ts';
import { UnaryConnection, UnaryMethod } from './unary-connection.ts';

/** See {@link StormSpec}. Worker 0 is the one that is known. */
export function storm({ grpcPort, workers, connections, probesPerSecond }: StormSpec): Load {
  const fleet = new Fleet(workers + 1, 'cluster');
  const register = new UnaryMethod(REGISTER_WORKER);
  const heartbeat = new UnaryMethod(SEND_HEARTBEAT);
  const open = Array.from({ length: connections }, () => new UnaryConnection(grpcPort));
  const stats = noStats();
  const probe = new Probe({ grpcPort, worker: 0, perSecond: probesPerSecond, stats });

  const call = (worker: number, method: UnaryMethod, message: Buffer): Promise<void> =>
    new Promise((resolve) => {
      (open[worker % connections] as UnaryConnection).call(method, message, (isOk) => {
        if (!isOk) stats.failed++;
        resolve();
      });
    });

  return {
    stats,
    async release() {
      const infos = Array.from({ length: workers }, (_, index) => infoOf(index + 1));
      const atMs = monotonicMs();
      const ackedAfterMs = await Promise.all(
        infos.map(async (info, index) => {
          const worker = index + 1;
          await call(worker, register, info);
          await call(worker, heartbeat, fleet.next(worker));
          stats.sent++;
          stats.acked++;
          return monotonicMs() - atMs;
        }),
      );
      return { atMs, ackedAfterMs };
    },
    async stop() {
      await probe.stop();
      for (const connection of open) connection.close();
    },
  };
}

function infoOf(worker: number): Buffer {
  const info = { workerId: workerIdOf(worker), workerIp: '10.0.0.1', totalCpu: 32, totalMemory: 128 };
  return framed(toBinary(WorkerInfoSchema, create(WorkerInfoSchema, info)));
}
