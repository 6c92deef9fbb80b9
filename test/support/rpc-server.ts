/** A gRPC server over a real engine, with what a test wants to be different. */
import { TelemetryManager, type TelemetryManagerOptions } from '../../src/engine/telemetry-manager.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { type Logger, silentLogger } from '../../src/lib/logging.ts';
import { type RpcLimits, RpcServer, type RpcServerOptions } from '../../src/rpc/server.ts';
import { type ClientAccess, WorkerClient } from './grpc-client.ts';
import { NO_LIMITS } from './rpc-limits.ts';

export interface RpcTestOptions
  extends Partial<Pick<RpcServerOptions, 'tls' | 'authority' | 'hasReflection' | 'ackEveryMs'>> {
  readonly engine?: TelemetryManagerOptions;
  readonly limits?: Partial<RpcLimits>;
  readonly logger?: Logger;
}

export interface RunningRpc {
  readonly manager: TelemetryManager;
  readonly server: RpcServer;
  readonly port: number;
  /** On a connection of its own. */
  client(access?: ClientAccess): WorkerClient;
  stop(): Promise<void>;
}

export async function startRpc({ engine, limits, logger, ...options }: RpcTestOptions = {}): Promise<RunningRpc> {
  const manager = new TelemetryManager({ maxWorkers: 50, maxDedicatedLanes: 0, sharedLanes: 1, ...engine });
  await manager.start();
  const server = new RpcServer({
    address: { host: '127.0.0.1', port: 0 },
    manager,
    limits: { ...NO_LIMITS, ...limits },
    clock: systemClock,
    logger: logger ?? silentLogger,
    ...options,
  });
  const { port } = await server.start();
  const clients: WorkerClient[] = [];
  return {
    manager,
    server,
    port,
    client(access) {
      const client = new WorkerClient(port, { 'grpc.use_local_subchannel_pool': 1 }, access);
      clients.push(client);
      return client;
    },
    async stop() {
      for (const client of clients) client.close();
      await server.stop();
      await manager.shutdown();
    },
  };
}
