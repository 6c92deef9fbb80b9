/** The gRPC front: both services and the standard health service on one port, in the main thread. */
import { logVerbosity, Server, ServerCredentials, setLogVerbosity } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { type Address, formatAddress } from '../config/kinds.ts';
import type { TelemetryManager } from '../engine/telemetry-manager.ts';
import { MasterWorker } from '../gen/cluster/master_worker_pb.ts';
import { TelemetryService } from '../gen/pulselane/v1/telemetry_pb.ts';
import { type Clock, endsWithin } from '../lib/clock.ts';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import type { Logger } from '../lib/logging.ts';
import { clusterDefinition, clusterHandlers } from './cluster-service.ts';
import { type TelemetryHandlers, telemetryDefinition, telemetryHandlers } from './telemetry-service.ts';
import { UnfinishedMessages } from './unfinished.ts';

export interface RpcServerOptions {
  readonly address: Address;
  readonly manager: TelemetryManager;
  readonly maxMessageBytes: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A connection that says nothing for this long is asked whether it lives, and has as long again halved to answer. */
const KEEPALIVE_TIME_MS = 20_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;
/** Calls under way get this long to end before their connections are cut. */
const STOP_WITHIN_MS = 1500;
/**
 * What messages may take that are not whole yet: sixteen of the largest at a time. Heartbeats of a usual size come whole.
 * Where messages may be larger there must be room for some of them.
 */
const MAX_UNFINISHED_BYTES = 64 * 1024 ** 2;
const LARGEST_UNFINISHED = 4;
/** Names in the health service: the whole server, and each service by itself. */
const HEALTH_NAMES = ['', TelemetryService.typeName, MasterWorker.typeName];

export class RpcServer {
  readonly #options: RpcServerOptions;
  readonly #server: Server;
  readonly #telemetry: TelemetryHandlers;
  readonly #health: HealthImplementation;
  readonly #unfinished: UnfinishedMessages;
  #isServing = true;

  constructor(options: RpcServerOptions) {
    this.#options = options;
    const { manager, maxMessageBytes, clock, logger } = options;
    this.#server = new Server({
      'grpc.max_receive_message_length': maxMessageBytes,
      'grpc.keepalive_time_ms': KEEPALIVE_TIME_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    });
    this.#telemetry = telemetryHandlers({ manager, clock, logger });
    this.#server.addService(clusterDefinition, clusterHandlers(manager, logger));
    this.#server.addService(telemetryDefinition, this.#telemetry.implementation);
    this.#health = new HealthImplementation(Object.fromEntries(HEALTH_NAMES.map((name) => [name, 'SERVING'])));
    this.#health.addToServer(this.#server);
    this.#unfinished = new UnfinishedMessages({
      maxBytes: Math.max(MAX_UNFINISHED_BYTES, LARGEST_UNFINISHED * maxMessageBytes),
      streamedPaths: new Set(
        Object.values(telemetryDefinition).flatMap(({ path, requestStream }) => (requestStream ? path : [])),
      ),
      onCut: () => logger.warn('a gRPC connection that keeps too much of unfinished messages is cut'),
    });
    this.#unfinished.start();
  }

  /**
   * @returns the address as bound.
   * @throws PulselaneError `environment`, naming the setting, if the port cannot be had.
   */
  async start(): Promise<Address> {
    const { address } = this.#options;
    // It would write to stderr by itself; whatever matters reaches us as an error.
    setLogVerbosity(logVerbosity.NONE);
    // All interfaces: IPv6 and IPv4 where both exist, else IPv4 alone.
    const hosts = address.host === '' ? ['::', '0.0.0.0'] : [address.host];
    let failure: unknown;
    for (const host of hosts) {
      try {
        return { host: address.host, port: await this.#bind({ ...address, host }) };
      } catch (error) {
        failure = error;
      }
    }
    this.#telemetry.close();
    this.#unfinished.stop();
    const reason = /EADDRINUSE/.test(messageOf(failure)) ? 'the port is in use' : messageOf(failure);
    throw new PulselaneError('environment', `GRPC_PORT=${formatAddress(address)}: ${reason}`, { cause: failure });
  }

  /** What the health service says of the whole server and of each service. */
  setServing(isServing: boolean): void {
    // Who watches is told of each setting, changed or not.
    if (isServing === this.#isServing) return;
    this.#isServing = isServing;
    for (const name of HEALTH_NAMES) this.#health.setStatus(name, isServing ? 'SERVING' : 'NOT_SERVING');
  }

  /** Takes no more calls, ends streams with their last acks, and cuts what does not end in time. */
  async stop(): Promise<void> {
    this.setServing(false);
    this.#telemetry.close();
    const ended = new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    await endsWithin(this.#options.clock, STOP_WITHIN_MS, ended);
    this.#server.forceShutdown();
    this.#unfinished.stop();
  }

  #bind(address: Address): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.bindAsync(formatAddress(address), ServerCredentials.createInsecure(), (error, port) => {
        if (error === null) resolve(port);
        else reject(error);
      });
    });
  }
}
