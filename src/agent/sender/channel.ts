/** One connection to a master, and unary calls on it as promises. */
import type { DescService } from '@bufbuild/protobuf';
import { Client, Metadata, type MethodDefinition, type ServiceError, status } from '@grpc/grpc-js';
import { type Address, formatAddress } from '../../config/kinds.ts';
import type { Clock } from '../../lib/clock.ts';
import { grpcServiceOf, WITHOUT_CHANNELZ } from '../../lib/grpc-adapter.ts';
import { connectionCause, NO_TLS_THERE } from '../../lib/tls-errors.ts';
import { MAX_BACKOFF_MS } from '../backoff.ts';
import { type CredentialSettings, readMasterCredentials } from './credentials.ts';

const CHANNEL_OPTIONS = {
  ...WITHOUT_CHANNELZ,
  // The agent makes a new channel for each attempt and backs off by itself; a pool shared by all channels of the
  // process would bring the old one's back-off along.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.initial_reconnect_backoff_ms': 500,
  // The default of 120 s outlives the inactivity timeout.
  'grpc.max_reconnect_backoff_ms': MAX_BACKOFF_MS,
  // Masters written in other languages punish faster pings, and pings without a call.
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.keepalive_permit_without_calls': 0,
};

/** A connection, and the token that each call on it carries. */
export class Channel {
  readonly client: Client;
  readonly #token: string | undefined;

  /** @throws PulselaneError `bad_setting` if a file that it needs is wrong */
  constructor(master: Address, settings: CredentialSettings) {
    const { credentials, channelOptions, token } = readMasterCredentials(settings, master.host);
    this.client = new Client(formatAddress(master), credentials, { ...CHANNEL_OPTIONS, ...channelOptions });
    this.#token = token;
  }

  get hasToken(): boolean {
    return this.#token !== undefined;
  }

  /**
   * For one call. By hand, since call credentials of grpc-js refuse to go over connections that are not encrypted: whether
   * that is acceptable is for people to say, who are warned.
   */
  metadata(): Metadata {
    const metadata = new Metadata();
    if (this.#token !== undefined) metadata.set('authorization', `Bearer ${this.#token}`);
    return metadata;
  }

  close(): void {
    this.client.close();
  }
}

/** The codecs and path of one method, with the caller's types. */
export function methodOf<Request, Response>(service: DescService, name: string): MethodDefinition<Request, Response> {
  const method = grpcServiceOf(service)[name];
  if (method === undefined) throw new Error(`${service.typeName} has no method ${name}`);
  return method as MethodDefinition<Request, Response>;
}

export interface CallOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Gets the trailing metadata of an answer that came, before it resolves or rejects. */
  readonly onTrailer?: (metadata: Metadata) => void;
}

/** @throws ServiceError of grpc-js, with CANCELLED when the signal aborts */
export function callUnary<Request, Response>(
  channel: Channel,
  method: MethodDefinition<Request, Response>,
  request: Request,
  { clock, timeoutMs, signal, onTrailer }: CallOptions,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    const { path, requestSerialize, responseDeserialize } = method;
    const deadline = new Date(clock.wallMs() + timeoutMs);
    const call = channel.client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      channel.metadata(),
      { deadline },
      (error, response) => {
        signal.removeEventListener('abort', cancel);
        if (error !== null) reject(error);
        else resolve(response as Response);
      },
    );
    if (onTrailer !== undefined) call.on('status', ({ metadata }) => onTrailer(metadata));
    const cancel = (): void => call.cancel();
    signal.addEventListener('abort', cancel);
    if (signal.aborted) cancel();
  });
}

export function isUnimplemented(error: unknown): boolean {
  return (error as Partial<ServiceError>).code === status.UNIMPLEMENTED;
}

/** Whether it was the request that was refused, and not the connection or whoever makes it. */
export function isInvalidArgument(error: unknown): boolean {
  return (error as Partial<ServiceError>).code === status.INVALID_ARGUMENT;
}

/** Whether a limit of the master is reached. */
export function isResourceExhausted(error: unknown): boolean {
  return (error as Partial<ServiceError>).code === status.RESOURCE_EXHAUSTED;
}

/** What is most likely wrong, by what grpc-js, Node or OpenSSL says of a connection that did not come about. */
const HINTS: readonly (readonly [RegExp, string])[] = [
  [/^Protocol error$/, 'the port does not serve gRPC; is it the HTTP port?'],
  [
    /^Failed to connect$/,
    'the connection was closed before any gRPC; does the master use TLS (--tls-ca <file>, or --tls), or is it ' +
      'the HTTP port?',
  ],
  [NO_TLS_THERE, 'the port does not use TLS; is the master without TLS, or is it the HTTP port?'],
  [/no application protocol/, 'the port uses TLS but does not serve gRPC; is it the HTTP port?'],
  [/certificate required/, 'the master asks for a client certificate (--tls-cert and --tls-key)'],
];
/** In place of Node's advice, which is about a switch of its own. */
const UNKNOWN_ISSUER =
  /^((?:unable to (?:verify|get)|self[- ]signed) [^;]*)(?:; if the root CA is installed locally[^;]*)?$/;

function hinted(cause: string): string {
  const hint = HINTS.find(([pattern]) => pattern.test(cause))?.[1];
  return (
    hint ??
    cause.replace(UNKNOWN_ISSUER, "$1: who issued the master's certificate is not known here; --tls-ca <file> names it")
  );
}

/** Why a call failed, for people, and the same for the same cause, so that it can be told once. */
export function reasonOf(error: unknown): string {
  const { code, details, message } = error as Partial<ServiceError>;
  // Not of gRPC: errors of Node and of ours have codes that are words.
  if (typeof code !== 'number') return message ?? String(error);
  // A stream that the other side ends in good order, as a master does that is stopped.
  if (code === status.OK) return 'the master ended the stream';
  const cause = hinted(connectionCause(details ?? ''));
  return cause === '' ? (status[code] ?? String(code)) : `${status[code]}: ${cause}`;
}
