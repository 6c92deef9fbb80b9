/** A master of few words: a real gRPC server for both services which records what it hears and answers as told. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';
import {
  type Heartbeat as ClusterHeartbeat,
  type WorkerInfo as ClusterWorkerInfo,
  HeartbeatAckSchema,
  MasterWorker,
  RegisterAckSchema,
} from '../../src/gen/cluster/master_worker_pb.ts';
import {
  type Heartbeat,
  RegisterResponseSchema,
  type StreamHeartbeatsResponse,
  StreamHeartbeatsResponseSchema,
  TelemetryService,
  type WorkerInfo,
} from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { grpcServiceOf } from '../../src/lib/grpc-adapter.ts';

export type Answer = MessageInitShape<typeof StreamHeartbeatsResponseSchema>;
type Stream = grpc.ServerDuplexStream<Heartbeat, StreamHeartbeatsResponse>;

export interface FakeMasterOptions {
  /** 0 for any. */
  readonly port?: number;
  /** Knows `cluster.MasterWorker` alone, as the Go master. */
  readonly onlyUnary?: boolean;
}

export class FakeMaster {
  readonly registrations: WorkerInfo[] = [];
  readonly heartbeats: Heartbeat[] = [];
  readonly clusterRegistrations: ClusterWorkerInfo[] = [];
  readonly clusterHeartbeats: ClusterHeartbeat[] = [];
  /** What plain calls brought as their credentials. */
  readonly authorizations: string[] = [];
  /** Streams that were opened, ended ones too. */
  streamsOpened = 0;
  /** Streams whose worker closed its side in order. */
  streamsEnded = 0;
  /** How `Register` is answered: an interval, or a status. */
  nextIntervalMs = 0;
  /** What it says that it takes; 0: it does not say. */
  maxMessageBytes = 0;
  maxRecordBytes = 0;
  registerStatus: grpc.status = grpc.status.OK;
  /** What a refused `Register` asks for, as gRPC's own "retry after"; undefined if nothing. */
  pushbackMs: number | undefined;
  /** What a heartbeat is answered with; undefined for silence. Accepts all unless told otherwise. */
  answer: (heartbeat: Heartbeat) => Answer | undefined = ({ workerId, sequence }) => ({
    acks: [{ workerId, acceptedSequence: sequence, heldMs: 0 }],
  });
  /** Whether it ends its side when a worker has ended its own. */
  endsStreams = true;
  /** How a Go master takes workers. */
  admits = true;
  /** With what status it ends a plain heartbeat's call. */
  clusterStatus: grpc.status = grpc.status.OK;
  /** What goes with it as `pulselane-rejected`, encoded; undefined if nothing. */
  clusterRejected: string | undefined;
  readonly #streams = new Set<Stream>();
  #server: grpc.Server | undefined;
  #port = 0;

  static async start(options: FakeMasterOptions = {}): Promise<FakeMaster> {
    const master = new FakeMaster();
    await master.listen(options);
    return master;
  }

  get port(): number {
    return this.#port;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get openStreams(): number {
    return this.#streams.size;
  }

  async listen({ port = 0, onlyUnary = false }: FakeMasterOptions = {}): Promise<void> {
    const server = new grpc.Server();
    server.addService(grpcServiceOf(MasterWorker), this.#clusterHandlers());
    if (!onlyUnary) server.addService(grpcServiceOf(TelemetryService), this.#telemetryHandlers());
    this.#port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error, bound) => {
        if (error === null) resolve(bound);
        else reject(error);
      });
    });
    this.#server = server;
  }

  /** Ends at once, as a killed process does. */
  close(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
    this.#streams.clear();
  }

  /** Says something on every open stream. */
  tell(answer: Answer): void {
    for (const stream of this.#streams) stream.write(create(StreamHeartbeatsResponseSchema, answer));
  }

  #clusterHandlers(): grpc.UntypedServiceImplementation {
    return {
      RegisterWorker: (call: grpc.ServerUnaryCall<ClusterWorkerInfo, unknown>, reply: grpc.sendUnaryData<unknown>) => {
        this.clusterRegistrations.push(call.request);
        this.authorizations.push(...call.metadata.get('authorization').map(String));
        const message = this.admits ? '' : 'worker is not registered by an operator';
        reply(null, create(RegisterAckSchema, { success: this.admits, message }));
      },
      SendHeartbeat: (call: grpc.ServerUnaryCall<ClusterHeartbeat, unknown>, reply: grpc.sendUnaryData<unknown>) => {
        this.clusterHeartbeats.push(call.request);
        this.authorizations.push(...call.metadata.get('authorization').map(String));
        const metadata = new grpc.Metadata();
        if (this.clusterRejected !== undefined) metadata.set('pulselane-rejected', this.clusterRejected);
        if (this.clusterStatus !== grpc.status.OK) {
          reply({ code: this.clusterStatus, details: 'as the test wants it', metadata });
          return;
        }
        reply(null, create(HeartbeatAckSchema, { success: this.admits }), metadata);
      },
    };
  }

  #telemetryHandlers(): grpc.UntypedServiceImplementation {
    return {
      Register: (call: grpc.ServerUnaryCall<WorkerInfo, unknown>, reply: grpc.sendUnaryData<unknown>) => {
        this.registrations.push(call.request);
        if (this.registerStatus !== grpc.status.OK) {
          const metadata = new grpc.Metadata();
          if (this.pushbackMs !== undefined) metadata.set('grpc-retry-pushback-ms', String(this.pushbackMs));
          reply({ code: this.registerStatus, details: 'as the test wants it', metadata });
          return;
        }
        const { nextIntervalMs, maxMessageBytes, maxRecordBytes } = this;
        reply(null, create(RegisterResponseSchema, { nextIntervalMs, maxMessageBytes, maxRecordBytes }));
      },
      StreamHeartbeats: (stream: Stream) => {
        this.streamsOpened += 1;
        this.#streams.add(stream);
        stream.on('data', (heartbeat: Heartbeat) => {
          this.heartbeats.push(heartbeat);
          const answer = this.answer(heartbeat);
          if (answer !== undefined) stream.write(create(StreamHeartbeatsResponseSchema, answer));
        });
        stream.on('end', () => {
          this.streamsEnded += 1;
          this.#streams.delete(stream);
          if (this.endsStreams) stream.end();
        });
        stream.on('cancelled', () => this.#streams.delete(stream));
        stream.on('error', () => this.#streams.delete(stream));
      },
    };
  }
}
