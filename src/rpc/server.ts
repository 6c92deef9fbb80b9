/** The gRPC server: both services, the standard health service and reflection on one port, in the main thread. */
import { type ConnectionInjector, logVerbosity, Server, ServerCredentials, setLogVerbosity } from '@grpc/grpc-js';
import { type Address, formatAddress } from '../config/kinds.ts';
import { type SettingNames, settingText } from '../config/setting-names.ts';
import type { FrontGauges } from '../engine/figure-publisher.ts';
import type { TelemetryManager } from '../engine/telemetry-manager.ts';
import { MasterWorker } from '../gen/cluster/master_worker_pb.ts';
import { TelemetryService } from '../gen/pulselane/v1/telemetry_pb.ts';
import { type Clock, endsWithin } from '../lib/clock.ts';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import { WITHOUT_CHANNELZ } from '../lib/grpc-adapter.ts';
import { portTakenText } from '../lib/local-ports.ts';
import type { Logger } from '../lib/logging.ts';
import type { TlsFiles } from '../lib/tls-files.ts';
import { rateLimit } from '../model/heartbeat-rate.ts';
import type { Authority } from './authority.ts';
import { CallGuard, type PeerLimits } from './call-guard.ts';
import { CallWatch, http2ServersOf } from './call-watch.ts';
import { clusterDefinition, clusterHandlers } from './cluster-service.ts';
import { type ConnectionLimits, GrpcConnections } from './grpc-connections.ts';
import { HealthService } from './health.ts';
import { Peers } from './peers.ts';
import { addReflection } from './reflection.ts';
import { Registrar } from './registration.ts';
import { RelayedCalls } from './relayed-calls.ts';
import { type TelemetryHandlers, telemetryDefinition, telemetryHandlers } from './telemetry-service.ts';
import { UnfinishedMessages } from './unfinished.ts';

/** All are settings, explained in `config/options.ts`. A rate of 0 means no limit. */
export interface RpcLimits extends ConnectionLimits, PeerLimits {
  readonly maxMessageBytes: number;
  /** Only announced to agents; lanes enforce it. */
  readonly maxRecordBytes: number;
  readonly maxMetadataBytes: number;
  readonly maxStreamsPerConnection: number;
}

export interface RpcServerOptions {
  readonly address: Address;
  /** How errors name the setting of the address. */
  readonly names?: SettingNames | undefined;
  readonly manager: TelemetryManager;
  readonly limits: RpcLimits;
  /** Undefined: plaintext. */
  readonly tls?: TlsFiles | undefined;
  /** Authenticates callers; undefined: no authentication. */
  readonly authority?: Authority | undefined;
  /** Whether server reflection is served; default true. */
  readonly hasReflection?: boolean;
  /** The time within which a stream is sent one ack per worker; default `ACK_EVERY_MS`. */
  readonly ackEveryMs?: number | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A connection that is silent this long gets a keepalive ping, and is closed if the answer takes longer than the timeout. */
const KEEPALIVE_TIME_MS = 20_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;
/** Calls get this long to finish before their connections are closed. */
const STOP_WITHIN_MS = 1500;
/**
 * The memory for incomplete messages: sixteen of the largest default size. Heartbeats of usual size arrive complete.
 * With a larger message limit there must still be room for a few of them.
 */
const MAX_UNFINISHED_BYTES = 64 * 1024 ** 2;
const LARGEST_UNFINISHED = 4;
/** The burst of MAX_PEER_CALL_RATE: what a whole fleet behind one address needs when the master comes back. */
export const PEER_CALLS_BURST_MS = 24_000;
/** Names in the health service: the whole server, and each service. */
const HEALTH_NAMES = ['', TelemetryService.typeName, MasterWorker.typeName];

export class RpcServer {
  readonly #options: RpcServerOptions;
  readonly #server: Server;
  readonly #peers: Peers;
  readonly #connections: GrpcConnections;
  readonly #telemetry: TelemetryHandlers;
  readonly #health: HealthService;
  /** Answers calls of workers that came over HTTP. */
  readonly relayed: RelayedCalls;

  constructor(options: RpcServerOptions) {
    this.#options = options;
    const { manager, limits, tls, authority, ackEveryMs, clock, logger } = options;
    // grpc-js would write to stderr; everything that matters reaches us as an error.
    setLogVerbosity(logVerbosity.NONE);
    const { refusals } = manager;
    this.#peers = new Peers(clock, {
      heartbeats: rateLimit(limits.maxPeerHeartbeatsPerS),
      calls: rateLimit(limits.maxPeerCallsPerS, PEER_CALLS_BURST_MS),
    });
    const watch = new CallWatch({
      peers: this.#peers,
      refusals,
      maxPeerCallsPerS: limits.maxPeerCallsPerS,
      heartbeatPaths: new Set([(clusterDefinition.SendHeartbeat as { path: string }).path]),
    });
    this.#server = new Server({
      ...WITHOUT_CHANNELZ,
      'grpc.max_receive_message_length': limits.maxMessageBytes,
      'grpc.max_concurrent_streams': limits.maxStreamsPerConnection,
      'grpc.keepalive_time_ms': KEEPALIVE_TIME_MS,
      'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
      interceptors: [watch.intercept],
    });
    const guard = new CallGuard({ manager, peers: this.#peers, authority, ...limits });
    const registrar = new Registrar({ manager, guard, logger, clock });
    this.relayed = new RelayedCalls({ manager, guard, registrar, peers: this.#peers, authority });
    this.#telemetry = telemetryHandlers({ manager, guard, registrar, limits, ackEveryMs, clock, logger });
    this.#server.addService(clusterDefinition, clusterHandlers({ manager, guard, registrar, logger }));
    this.#server.addService(telemetryDefinition, this.#telemetry.implementation);
    this.#health = new HealthService({ names: HEALTH_NAMES, peers: this.#peers, refusals });
    this.#server.addService(this.#health.definition, this.#health.implementation);
    if (options.hasReflection !== false) addReflection(this.#server, (call) => guard.callRefusal(call.getPeer()));
    const unfinished = new UnfinishedMessages({
      maxBytes: Math.max(MAX_UNFINISHED_BYTES, LARGEST_UNFINISHED * limits.maxMessageBytes),
      streamedPaths: new Set(
        Object.values(telemetryDefinition).flatMap(({ path, requestStream }) => (requestStream ? path : [])),
      ),
      onCut: () => {
        refusals.count('unfinished_messages');
        logger.warn('closed a gRPC connection: incomplete messages take too much memory');
      },
    });
    // grpc-js sees plaintext connections: TLS has been decrypted before.
    const injector: ConnectionInjector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
    watch.watch(this.#server);
    for (const http2Server of http2ServersOf(this.#server)) unfinished.watch(http2Server);
    this.#connections = new GrpcConnections({
      limits,
      tls,
      // With an authority a caller may use a token instead; without one, the certificate is the only credential.
      mustHaveCertificate: tls?.clientCa !== undefined && authority === undefined,
      peers: this.#peers,
      refusals,
      onConnection: (socket) => injector.injectConnection(socket),
      clock,
      logger,
    });
  }

  /**
   * @returns the bound address
   * @throws PulselaneError `environment`, naming the setting, if the port cannot be bound
   */
  async start(): Promise<Address> {
    const { address } = this.#options;
    // All interfaces: IPv6 and IPv4 where both exist, else IPv4 alone.
    const hosts = address.host === '' ? ['::', '0.0.0.0'] : [address.host];
    let failure: unknown;
    for (const host of hosts) {
      try {
        return { host: address.host, port: await this.#connections.listen(host, address.port) };
      } catch (error) {
        failure = error;
      }
    }
    this.#close();
    const reason = /EADDRINUSE/.test(messageOf(failure)) ? portTakenText(address.port) : messageOf(failure);
    const setting = settingText(this.#options.names, 'GRPC_PORT', formatAddress(address));
    throw new PulselaneError('environment', `${setting}: ${reason}`, { cause: failure });
  }

  /** Sets the health of the whole server and of each service. */
  setServing(isServing: boolean): void {
    this.#health.set(isServing ? 'SERVING' : 'NOT_SERVING');
  }

  /** Sets the certificate of new connections; open ones are not affected. */
  setTls(tls: TlsFiles): void {
    this.#connections.setTls(tls);
  }

  /** The authority's tokens changed: ends streams whose token was removed. @returns how many */
  recheckCallers(): number {
    return this.#telemetry.recheck();
  }

  get gauges(): FrontGauges {
    return { connections: this.#connections.size, streams: this.#telemetry.streams() };
  }

  /** Accepts no more calls, ends streams with their last acks, then closes connections that do not end in time. */
  async stop(): Promise<void> {
    this.setServing(false);
    this.#close();
    const ended = new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    // tryShutdown regards injected sessions as closed as soon as they begin to close, so we wait for the sockets as well.
    await endsWithin(this.#options.clock, STOP_WITHIN_MS, Promise.all([ended, this.#connections.whenEmpty()]));
    this.#server.forceShutdown();
    // Closes what is left: without channelz, grpc-js does not know its injected sessions.
    this.#connections.destroy();
  }

  #close(): void {
    this.#connections.close();
    this.#telemetry.close();
    this.#peers.stop();
  }
}
