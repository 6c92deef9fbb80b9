/** Receivers of OTLP for tests, which decode with the official messages and answer as they are told. */
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gunzipSync } from 'node:zlib';
import { Metadata, Server, ServerCredentials, type ServiceError } from '@grpc/grpc-js';
import { decodedBy, LOGS_REQUEST, METRICS_REQUEST, type OtlpMessage } from '../../../support/otlp-protos.ts';

export interface Received {
  readonly signal: 'metrics' | 'logs';
  readonly headers: Readonly<Record<string, unknown>>;
  /** Decoded. */
  readonly request: Record<string, unknown>;
}

export interface Receiver {
  readonly endpoint: string;
  readonly received: Received[];
  close(): void;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

/** What an answer waits for. */
type Before = () => Promise<void>;

export type HttpBehaviour = (received: Received) => HttpAnswer | 'hang' | 'disconnect';

const BY_PATH: Readonly<Record<string, readonly ['metrics' | 'logs', OtlpMessage]>> = {
  '/v1/metrics': ['metrics', METRICS_REQUEST],
  '/v1/logs': ['logs', LOGS_REQUEST],
};

export async function startHttpReceiver(
  behave: HttpBehaviour,
  {
    prefix = '',
    tls,
    before,
  }: { prefix?: string; tls?: { readonly cert: string; readonly key: string }; before?: Before } = {},
): Promise<Receiver> {
  const received: Received[] = [];
  const listener: RequestListener = async (request, response) => {
    const body = await buffer(request);
    const [signal, message] = BY_PATH[String(request.url).slice(prefix.length)] ?? [];
    if (signal === undefined || message === undefined) return void response.writeHead(404).end();
    const headers: IncomingHttpHeaders = request.headers;
    const plain = headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body;
    const one = { signal, headers, request: decodedBy(message, plain) };
    received.push(one);
    await before?.();
    const answer = behave(one);
    if (answer === 'hang') return;
    if (answer === 'disconnect') return void request.socket.destroy();
    response.writeHead(answer.status, { 'content-type': 'application/x-protobuf', ...answer.headers }).end(answer.body);
  };
  const server = tls === undefined ? createHttpServer(listener) : createHttpsServer(tls, listener);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    endpoint: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${(server.address() as AddressInfo).port}${prefix}`,
    received,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

export interface GrpcFailure {
  readonly code: number;
  readonly details?: string;
  /** A `google.rpc.Status`, encoded. */
  readonly statusDetails?: Uint8Array;
}

export type GrpcBehaviour = (received: Received) => Uint8Array | GrpcFailure | 'hang';

const SERVICES = [
  ['metrics', METRICS_REQUEST, '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export'],
  ['logs', LOGS_REQUEST, '/opentelemetry.proto.collector.logs.v1.LogsService/Export'],
] as const;

export async function startGrpcReceiver(
  behave: GrpcBehaviour,
  {
    credentials = ServerCredentials.createInsecure(),
    port = 0,
    before,
  }: { credentials?: ServerCredentials; port?: number; before?: Before } = {},
): Promise<Receiver> {
  const received: Received[] = [];
  const server = new Server();
  for (const [signal, message, path] of SERVICES) {
    const method = {
      path,
      requestStream: false,
      responseStream: false,
      requestSerialize: (bytes: Buffer) => bytes,
      requestDeserialize: (bytes: Buffer) => bytes,
      responseSerialize: (bytes: Buffer) => bytes,
      responseDeserialize: (bytes: Buffer) => bytes,
    } as const;
    server.addService(
      { Export: method },
      {
        Export: async (
          call: { readonly request: Buffer; readonly metadata: Metadata },
          callback: (error: Partial<ServiceError> | null, response?: Buffer) => void,
        ) => {
          const one = { signal, headers: call.metadata.getMap(), request: decodedBy(message, call.request) };
          received.push(one);
          await before?.();
          const answer = behave(one);
          if (answer === 'hang') return;
          if (answer instanceof Uint8Array) return callback(null, Buffer.from(answer));
          const metadata = new Metadata();
          if (answer.statusDetails !== undefined) {
            metadata.set('grpc-status-details-bin', Buffer.from(answer.statusDetails));
          }
          callback({ code: answer.code, details: answer.details ?? '', metadata });
        },
      },
    );
  }
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, credentials, (error, actual) =>
      error === null ? resolve(actual) : reject(error),
    );
  });
  return { endpoint: `http://127.0.0.1:${bound}`, received, close: () => server.forceShutdown() };
}
