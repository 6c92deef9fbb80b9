/** Turns a protobuf-es service into what grpc-js wants, with the client's and the server's codecs. */
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
 * grpc-js counts every call and message, and keeps a record of each connection, for a service (channelz) that is not served
 * here. That costs a call 6 % of a server that does nothing else.
 */
export const WITHOUT_CHANNELZ = { 'grpc.enable_channelz': 0 } as const;

export interface Codec<T> {
  serialize(value: T): Buffer;
  deserialize(bytes: Buffer): T;
}

/** Hands the raw bytes through: for heartbeats, which only a lane decodes, and for answers that are made as bytes. */
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
 * The definition of `service` for grpc-js, its methods under their own names.
 * @param rawRequests methods whose requests arrive undecoded
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

// ── TLS of a client ──────────────────────────────────────────────────────────────────────────────────────────────

/** What is in the files, in PEM. */
export interface ClientPems {
  /** Authorities of the server's certificate; undefined: those that Node comes with. */
  readonly ca: string | undefined;
  /** By which the server knows this client; both or none. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

type VerifyOptions = NonNullable<Parameters<typeof credentials.createSsl>[3]>;

/**
 * grpc-js sends the host that it calls as the name of the server (SNI), which Node refuses for an IP address, as
 * RFC 6066 does. It is told this name instead, which nobody has, and the certificate is still held against the address.
 */
const NO_NAME = 'address.invalid';
const ACCEPT_ANY: VerifyOptions = { rejectUnauthorized: false, checkServerIdentity: () => undefined };

/**
 * How to speak TLS with `host`, whose certificate has to name it, unless any is accepted.
 * @throws whatever OpenSSL finds wrong with the files
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
