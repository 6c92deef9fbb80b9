/** A fleet: workers on a few streams, each sending heartbeats of four tasks at a steady rate, spread over the period. */
import { create, toBinary } from '@bufbuild/protobuf';
import { Client, type ClientDuplexStream, credentials, type MethodDefinition } from '@grpc/grpc-js';
import { HeartbeatSchema, RunningTaskSchema, TelemetryService } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { grpcServiceOf } from '../../src/lib/grpc-adapter.ts';
import { answerParent } from '../lib/child.ts';

export type LoadRequest =
  | {
      readonly type: 'start';
      readonly grpcPort: number;
      readonly workers: number;
      readonly streams: number;
      readonly periodMs: number;
    }
  | { readonly type: 'sent' };

export interface LoadAnswers {
  readonly sent: { readonly heartbeats: number };
}

const TASKS = 4;
const TICK_MS = 5;
const { path, responseDeserialize } = grpcServiceOf(TelemetryService).StreamHeartbeats as MethodDefinition<
  Buffer,
  unknown
>;
const clients: Client[] = [];
let timer: NodeJS.Timeout | undefined;
let heartbeats = 0;

answerParent<LoadRequest>(
  async (request) => {
    if (request.type === 'sent') return { heartbeats };
    start(request);
    return {};
  },
  async () => {
    clearInterval(timer);
    for (const client of clients) client.close();
  },
);

function start({ grpcPort, workers, streams, periodMs }: Extract<LoadRequest, { type: 'start' }>): void {
  const calls = Array.from({ length: streams }, () => openStream(grpcPort));
  const startMs = performance.now();
  let next = 0;
  timer = setInterval(() => {
    // As many as are due by now, so that a late tick does not lower the rate.
    const due = Math.floor(((performance.now() - startMs) / periodMs) * workers);
    for (; next < due; next++) {
      const worker = next % workers;
      calls[worker % streams]?.write(heartbeat(worker, Math.floor(next / workers) + 1));
      heartbeats++;
    }
  }, TICK_MS);
}

function openStream(grpcPort: number): ClientDuplexStream<Buffer, unknown> {
  const client = new Client(`127.0.0.1:${grpcPort}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
  });
  clients.push(client);
  const call = client.makeBidiStreamRequest(path, (bytes: Buffer) => bytes, responseDeserialize);
  call.resume();
  call.on('error', (error) => process.stderr.write(`load: ${error.message}\n`));
  return call;
}

function heartbeat(worker: number, sequence: number): Buffer {
  return Buffer.from(
    toBinary(
      HeartbeatSchema,
      create(HeartbeatSchema, {
        workerId: `worker-${worker}`,
        cpuUsage: 14.999999999997726 + (sequence % 50),
        memoryUsage: 40.25,
        storageUsage: 61.5,
        sequence: BigInt(sequence),
        sentAtUnixMs: BigInt(Date.now()),
        runningTasks: Array.from({ length: TASKS }, (_, task) =>
          create(RunningTaskSchema, {
            taskId: `task-${worker}-${task}`,
            cpuAllocated: 0.5,
            memoryAllocated: 0.25,
            status: 'running',
          }),
        ),
      }),
    ),
  );
}
