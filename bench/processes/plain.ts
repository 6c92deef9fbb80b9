/** The plain server as a process. */
import { fromBinary } from '@bufbuild/protobuf';
import { HeartbeatSchema } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { PlainServer } from '../baseline/plain-server.ts';
import { answerParent } from '../lib/child.ts';
import { type ServerCalls, usage } from '../lib/server.ts';
import { monotonicMs } from '../lib/time.ts';
import { Fleet, messageOf } from '../load/fleet.ts';

const server = new PlainServer();

const serverCalls: ServerCalls = {
  start: () => server.listen(),
  counts: () => ({
    atMs: monotonicMs(),
    accepted: server.accepted,
    applied: server.accepted,
    replaced: 0,
    rejected: 0,
    lost: 0,
  }),
  applied: (workers) => new Uint32Array(workers).fill(server.accepted / workers),
  usage,
};

/** They pay for what all share. */
const WARM_WORKERS = 1000;

const calls = {
  ...serverCalls,
  /** The memory per worker in bytes, all on the heap. Needs --expose-gc. */
  heapBytesPerWorker(workers: number): number {
    const fleet = new Fleet(WARM_WORKERS + workers, 'pulselane');
    const take = (from: number, to: number) => {
      for (let worker = from; worker < to; worker++) {
        server.take(fromBinary(HeartbeatSchema, messageOf(fleet.next(worker))));
      }
      globalThis.gc?.();
      return process.memoryUsage().heapUsed;
    };
    const before = take(0, WARM_WORKERS);
    return (take(WARM_WORKERS, fleet.size) - before) / workers;
  },
};
export type PlainCalls = typeof calls;

answerParent(calls);
