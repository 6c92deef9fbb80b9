/** Calls as a worker makes them, over a real socket, with raw bytes where a test wants to send nonsense. */
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  type MethodDefinition,
  type ServiceError,
} from '@grpc/grpc-js';
import { MasterWorker } from '../../src/gen/cluster/master_worker_pb.ts';
import {
  HeartbeatSchema,
  type StreamHeartbeatsResponse,
  TelemetryService,
} from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { grpcServiceOf } from '../../src/lib/grpc-adapter.ts';

const methods = { ...grpcServiceOf(MasterWorker), ...grpcServiceOf(TelemetryService) } as Record<
  string,
  MethodDefinition<unknown, unknown>
>;

export type HeartbeatInit = MessageInitShape<typeof HeartbeatSchema>;

export function heartbeatBytes(heartbeat: HeartbeatInit): Buffer {
  return Buffer.from(toBinary(HeartbeatSchema, create(HeartbeatSchema, heartbeat)));
}

/** By which it shows who it is. */
export interface ClientAccess {
  readonly credentials?: ChannelCredentials;
  /** Goes with each call. */
  readonly metadata?: Readonly<Record<string, string>>;
}

export function bearer(token: string): ClientAccess {
  return { metadata: { authorization: `Bearer ${token}` } };
}

export class WorkerClient {
  readonly #client: Client;
  readonly #metadata: Metadata;
  /** `pulselane-rejected` of each answer, decoded; undefined where there was none. */
  readonly rejected: (string | undefined)[] = [];

  constructor(port: number, options: Record<string, number> = {}, access: ClientAccess = {}) {
    this.#client = new Client(`127.0.0.1:${port}`, access.credentials ?? credentials.createInsecure(), {
      ...options,
      // An IP address cannot be a name in TLS.
      ...(access.credentials === undefined ? {} : { 'grpc.ssl_target_name_override': 'localhost' }),
    });
    this.#metadata = Metadata.fromHttp2Headers(access.metadata ?? {});
  }

  /** Calls a unary method by name with bytes; rejects with the ServiceError. */
  call<Response>(name: string, bytes: Uint8Array, path?: string): Promise<Response> {
    const method = methods[name] as MethodDefinition<unknown, Response>;
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest<Uint8Array, Response>(
        path ?? method.path,
        (request) => Buffer.from(request),
        method.responseDeserialize,
        bytes,
        this.#metadata,
        (error: ServiceError | null, response?: Response) => {
          if (error === null) resolve(response as Response);
          else reject(error);
        },
      );
      call.on('status', ({ metadata }) => {
        const [value] = metadata.get('pulselane-rejected');
        this.rejected.push(value === undefined ? undefined : decodeURIComponent(String(value)));
      });
    });
  }

  sendHeartbeat(heartbeat: HeartbeatInit): Promise<{ success: boolean }> {
    return this.call('SendHeartbeat', heartbeatBytes(heartbeat));
  }

  stream(): HeartbeatStreamClient {
    const { path, responseDeserialize } = methods.StreamHeartbeats as MethodDefinition<
      unknown,
      StreamHeartbeatsResponse
    >;
    return new HeartbeatStreamClient(
      this.#client.makeBidiStreamRequest(path, (bytes: Buffer) => bytes, responseDeserialize, this.#metadata),
    );
  }

  /** Tells what the standard health service says of the server, now and with each change, until the connection ends. */
  watchHealth(onStatus: (status: 'SERVING' | 'NOT_SERVING' | 'UNKNOWN') => void): void {
    const call = this.#client.makeServerStreamRequest<Buffer, Buffer>(
      '/grpc.health.v1.Health/Watch',
      (request) => request,
      (response) => response,
      Buffer.alloc(0),
    );
    // Its one field is an enum; zero is not sent.
    call.on('data', (response: Buffer) =>
      onStatus((['UNKNOWN', 'SERVING', 'NOT_SERVING'] as const)[response[1] ?? 0] ?? 'UNKNOWN'),
    );
    call.on('error', () => {});
  }

  close(): void {
    this.#client.close();
  }
}

export class HeartbeatStreamClient {
  readonly responses: StreamHeartbeatsResponse[] = [];
  readonly call: ClientDuplexStream<Buffer, StreamHeartbeatsResponse>;
  ended = false;
  error: Error | undefined;

  constructor(call: ClientDuplexStream<Buffer, StreamHeartbeatsResponse>) {
    this.call = call;
    call.on('data', (response: StreamHeartbeatsResponse) => this.responses.push(response));
    call.on('end', () => {
      this.ended = true;
    });
    call.on('error', (error: Error) => {
      this.error = error;
    });
  }

  send(heartbeat: HeartbeatInit): void {
    this.call.write(heartbeatBytes(heartbeat));
  }

  /** Highest acknowledged sequence of a worker. */
  acked(workerId: string): number {
    const acks = this.responses.flatMap(({ acks }) => acks).filter((ack) => ack.workerId === workerId);
    return Math.max(0, ...acks.map(({ acceptedSequence }) => Number(acceptedSequence)));
  }

  get refusals() {
    return this.responses.flatMap(({ refusals }) => refusals);
  }
}
