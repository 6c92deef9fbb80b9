/** Converts a protobuf-es service to a grpc-js service definition, with codecs for client and server. */
import { isIP } from 'node:net';
import { checkServerIdentity } from 'node:tls';
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import {
  type ChannelCredentials,
  type ChannelOptions,
  credentials,
  type MethodDefinition,
  type ServiceDefinition,
} from '@grpc/grpc-js';

/**
 * Disables channelz, for which grpc-js counts every call and message and keeps a record of each connection. It is not
 * served here, and costs 6 % of a call on a server that does nothing else.
 */
export const WITHOUT_CHANNELZ = { 'grpc.enable_channelz': 0 } as const;

export interface Codec<T> {
  serialize(value: T): Buffer;
  deserialize(bytes: Buffer): T;
}

/** Passes raw bytes: for heartbeats, which only lanes decode, and for answers that are created as bytes. */
export const rawBytes: Codec<Buffer> = {
  serialize: (value) => value,
  deserialize: (bytes) => bytes,
};

function codecOf<Desc extends DescMessage>(schema: Desc): Codec<MessageShape<Desc>> {
  return {
    serialize: (value) => {
      const bytes = toBinary(schema, value);
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    },
    deserialize: (bytes) => (bytes.length === 0 ? create(schema) : fromBinary(schema, bytes)),
  };
}

function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/**
 * The grpc-js definition of `service`, with methods under their own names.
 * @param rawRequests methods whose requests are not decoded
 * @param rawResponses methods whose responses are given as bytes
 */
export function grpcServiceOf(
  service: DescService,
  rawRequests: readonly string[] = [],
  rawResponses: readonly string[] = [],
): ServiceDefinition {
  const definition: Record<string, MethodDefinition<unknown, unknown>> = {};
  for (const method of service.methods) {
    const request = rawRequests.includes(method.name) ? rawBytes : codecOf(method.input);
    const response = rawResponses.includes(method.name) ? rawBytes : codecOf(method.output);
    definition[method.name] = {
      path: pathOf(method),
      requestStream: method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming',
      responseStream: method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming',
      requestSerialize: request.serialize as (value: unknown) => Buffer,
      requestDeserialize: request.deserialize,
      responseSerialize: response.serialize as (value: unknown) => Buffer,
      responseDeserialize: response.deserialize,
    };
  }
  return definition;
}

// ── client TLS ───────────────────────────────────────────────────────────────────────────────────────────────────

/** Contents of the files, in PEM. */
export interface ClientPems {
  /** CA certificates to verify the server; undefined: the CAs built into Node. */
  readonly ca: string | undefined;
  /** Client certificate and its key; both or none. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

type VerifyOptions = NonNullable<Parameters<typeof credentials.createSsl>[3]>;

/**
 * grpc-js sends the host as the server name (SNI), which Node refuses for an IP address, as RFC 6066 requires. This
 * name, which no server has, is sent instead; the certificate is still verified against the address.
 */
const NO_NAME = 'address.invalid';
const ACCEPT_ANY: VerifyOptions = { rejectUnauthorized: false, checkServerIdentity: () => undefined };

/**
 * Channel credentials and options for TLS with `host`, whose certificate must name it, unless any is accepted.
 * @throws any error of OpenSSL about the files
 */
export function tlsChannel(
  { ca, cert, key }: ClientPems,
  host: string,
  verify = true,
): { credentials: ChannelCredentials; channelOptions: ChannelOptions } {
  const bytes = (pem: string | undefined) => (pem === undefined ? null : Buffer.from(pem));
  const options = verify ? verifying(host) : ACCEPT_ANY;
  return {
    credentials: credentials.createSsl(bytes(ca), bytes(key), bytes(cert), options),
    channelOptions: isIP(host) === 0 ? {} : { 'grpc.ssl_target_name_override': NO_NAME },
  };
}

function verifying(host: string): VerifyOptions {
  return isIP(host) === 0
    ? {}
    : { checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate) };
}
