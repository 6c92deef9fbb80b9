/**
 * A telemetry server as most people would write it: gRPC in, decoded; a Map; Hono and `JSON.stringify` out; one thread
 * for all. No lanes, no liveness, no checks.
 */
import { create } from '@bufbuild/protobuf';
import { Server, type ServerDuplexStream, type ServerUnaryCall, type sendUnaryData } from '@grpc/grpc-js';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { HeartbeatAckSchema, MasterWorker } from '../../src/gen/cluster/master_worker_pb.ts';
import {
  type Heartbeat,
  type StreamHeartbeatsResponse,
  TelemetryService,
} from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { grpcServiceOf } from '../../src/lib/grpc-adapter.ts';
import type { TelemetryJson } from '../../src/model/record-json.ts';
import { AckedStreams } from './acked-stream.ts';
import { bindGrpc } from './bind-grpc.ts';

export class PlainServer {
  readonly #workers = new Map<string, TelemetryJson>();
  readonly #server = new Server();
  accepted = 0;

  constructor() {
    const { SendHeartbeat } = grpcServiceOf(MasterWorker);
    const { StreamHeartbeats } = grpcServiceOf(TelemetryService);
    const streams = new AckedStreams<Heartbeat>((heartbeat) => this.take(heartbeat));
    this.#server.addService({ SendHeartbeat, StreamHeartbeats } as ReturnType<typeof grpcServiceOf>, {
      SendHeartbeat: ({ request }: ServerUnaryCall<Heartbeat, unknown>, callback: sendUnaryData<unknown>) => {
        this.take(request);
        callback(null, create(HeartbeatAckSchema, { success: true }));
      },
      StreamHeartbeats: (call: ServerDuplexStream<Heartbeat, StreamHeartbeatsResponse>) => streams.take(call),
    });
  }

  /** @returns the ports. */
  async listen(): Promise<{ grpcPort: number; httpPort: number }> {
    return { grpcPort: await bindGrpc(this.#server), httpPort: await this.#serveHttp() };
  }

  take(heartbeat: Heartbeat): void {
    this.accepted++;
    this.#workers.set(heartbeat.workerId, telemetryJson(heartbeat));
  }

  #serveHttp(): Promise<number> {
    const app = new Hono();
    app.get('/telemetry', (c) => c.json(Object.fromEntries(this.#workers)));
    app.get('/telemetry/:id', (c) => {
      const worker = this.#workers.get(c.req.param('id'));
      return worker === undefined ? c.json({ error: 'worker not found' }, 404) : c.json(worker);
    });
    return new Promise((resolve) => {
      serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => resolve(port));
    });
  }
}

function telemetryJson(heartbeat: Heartbeat): TelemetryJson {
  return {
    worker_id: heartbeat.workerId,
    cpu_usage: heartbeat.cpuUsage,
    memory_usage: heartbeat.memoryUsage,
    gpu_usage: heartbeat.gpuUsage,
    running_tasks: heartbeat.runningTasks.map((task) => ({
      task_id: task.taskId,
      cpu_allocated: task.cpuAllocated,
      memory_allocated: task.memoryAllocated,
      gpu_allocated: task.gpuAllocated,
      status: task.status,
    })),
    storage_usage: heartbeat.storageUsage,
    last_update: Math.floor(Date.now() / 1000),
    is_active: true,
  };
}
