/** OTLP over gRPC: https://opentelemetry.io/docs/specs/otlp/#otlpgrpc */
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { Client, compressionAlgorithms, credentials, Metadata } from '@grpc/grpc-js';
import type { OtlpSignal } from '../../../config/otlp-kinds.ts';
import type { Clock } from '../../../lib/clock.ts';
import { rawBytes, tlsChannel, WITHOUT_CHANNELZ } from '../../../lib/grpc-adapter.ts';
import { MAX_ANSWER_BYTES } from '../../../lib/http-post.ts';
import { VERSION } from '../../../lib/version.ts';
import { MAX_BACK_OFF_MS, SEND_WITHIN_MS } from '../export-limits.ts';
import type { Outcome } from '../exporter.ts';
import { grpcOutcome, takenOutcome } from './answers.ts';
import type { OtlpSettings } from './settings.ts';
import type { OtlpRequest, Transport } from './transport.ts';

const decompressed = promisify(gunzip);

const PATHS: Readonly<Record<OtlpSignal, string>> = {
  metrics: '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export',
  logs: '/opentelemetry.proto.collector.logs.v1.LogsService/Export',
};

const CHANNEL_OPTIONS = {
  ...WITHOUT_CHANNELZ,
  'grpc.max_reconnect_backoff_ms': MAX_BACK_OFF_MS,
  'grpc.max_receive_message_length': MAX_ANSWER_BYTES,
  // When to send again is decided elsewhere, for all protocols.
  'grpc.enable_retries': 0,
  // As with HTTP: no environment variable decides where metrics go.
  'grpc.enable_http_proxy': 0,
  'grpc.primary_user_agent': `pulselane/${VERSION}`,
};

export class GrpcTransport implements Transport {
  readonly #client: Client;
  readonly #metadata = new Metadata();
  readonly #secrets: readonly string[];
  readonly #clock: Clock;

  constructor(
    {
      endpoint,
      ca,
      headers,
      authorization,
      compression,
    }: Pick<OtlpSettings, 'endpoint' | 'ca' | 'headers' | 'authorization' | 'compression'>,
    secrets: readonly string[],
    clock: Clock,
  ) {
    const { protocol, hostname, port } = new URL(endpoint);
    const isEncrypted = protocol === 'https:';
    const host = hostname.replace(/^\[(.*)\]$/, '$1');
    const channel = isEncrypted
      ? tlsChannel({ ca, cert: undefined, key: undefined }, host)
      : { credentials: credentials.createInsecure(), channelOptions: {} };
    this.#client = new Client(`${hostname}:${port === '' ? (isEncrypted ? 443 : 80) : port}`, channel.credentials, {
      ...CHANNEL_OPTIONS,
      ...channel.channelOptions,
      ...(compression === 'gzip' ? { 'grpc.default_compression_algorithm': compressionAlgorithms.gzip } : {}),
    });
    for (const [name, value] of Object.entries(headers)) this.#metadata.set(name, value);
    if (authorization !== undefined) this.#metadata.set('authorization', authorization);
    this.#secrets = secrets;
    this.#clock = clock;
  }

  async send({ signal: kind, body, isCompressed, samples }: OtlpRequest, signal: AbortSignal): Promise<Outcome> {
    // grpc-js compresses by itself, and takes nothing that is compressed already.
    const message = isCompressed ? await decompressed(body) : body;
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    const call = this.#client.makeUnaryRequest(
      PATHS[kind],
      rawBytes.serialize,
      rawBytes.deserialize,
      message,
      this.#metadata,
      { deadline: new Date(this.#clock.wallMs() + SEND_WITHIN_MS) },
      (error, response) => {
        if (error !== null) resolve(grpcOutcome(error, this.#secrets));
        else resolve(takenOutcome(response ?? Buffer.alloc(0), samples, this.#secrets));
      },
    );
    const cancel = () => call.cancel();
    signal.addEventListener('abort', cancel);
    if (signal.aborted) cancel();
    return promise.finally(() => signal.removeEventListener('abort', cancel));
  }

  close(): void {
    this.#client.close();
  }
}
