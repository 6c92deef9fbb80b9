/** Turns a protobuf-es service into what grpc-js wants, with the client's and the server's codecs. */
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  type MessageShape,
  toBinary,
} from '@bufbuild/protobuf';
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';

export interface Codec<T> {
  serialize(value: T): Buffer;
  deserialize(bytes: Buffer): T;
}

/** Hands the raw bytes through: for heartbeats, which only a lane decodes. */
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
 * @param rawRequests methods whose requests arrive undecoded.
 */
export function grpcServiceOf(service: DescService, rawRequests: readonly string[] = []): ServiceDefinition {
  const definition: Record<string, MethodDefinition<unknown, unknown>> = {};
  for (const method of service.methods) {
    const request = rawRequests.includes(method.name) ? rawBytes : codecOf(method.input);
    const response = codecOf(method.output);
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
