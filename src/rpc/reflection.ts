/** Server reflection: generic gRPC tools ask the server what it offers. */
import { type DescFile, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type DescriptorProto, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import type { Server, ServerDuplexStream, ServiceDefinition, UntypedServiceImplementation } from '@grpc/grpc-js';
import { ReflectionService } from '@grpc/reflection';
import { service as healthService } from 'grpc-health-check';
import { MasterWorker } from '../gen/cluster/master_worker_pb.ts';
import { TelemetryService } from '../gen/pulselane/v1/telemetry_pb.ts';
import type { PulselaneError } from '../lib/errors.ts';
import { withSmallRequests } from './calls.ts';
import { serviceErrorOf } from './status.ts';

type Package = ConstructorParameters<typeof ReflectionService>[0];

/**
 * It wants the definitions that proto-loader makes, and reads nothing of them but the files that they come from.
 * @param refusal why one more question of a call is not answered: the address asks too often; undefined if it is
 */
export function addReflection(
  server: Server,
  refusal: (call: { getPeer(): string }) => PulselaneError | undefined,
): void {
  const own = [TelemetryService, MasterWorker].flatMap(({ file }) => filesOf(file));
  const health = Object.values(healthService).flatMap(({ requestType }) =>
    fileProtosOf(requestType).map(withFullNames),
  );
  const files = { fileDescriptorProtos: [...own, ...health] };
  const bounded = {
    addService(definition: ServiceDefinition, implementation: UntypedServiceImplementation) {
      const handlers = Object.entries(implementation).map(([name, handler]) => [
        name,
        (call: Conversation) => {
          bound(call, refusal);
          (handler as (call: Conversation) => void)(call);
        },
      ]);
      server.addService(withSmallRequests(definition), Object.fromEntries(handlers));
    },
  };
  new ReflectionService({ files } as unknown as Package).addToServer(bounded as unknown as Server);
}

type Conversation = ServerDuplexStream<unknown, unknown>;

/** Each question counts as a call, and the next one is not read before the client has taken the answers. */
function bound(call: Conversation, refusal: (call: Conversation) => PulselaneError | undefined): void {
  const write = call.write.bind(call) as (answer: unknown) => boolean;
  let isOver = false;
  call.write = (answer: unknown) => {
    // To the question that was one too many.
    if (isOver) return false;
    const hasRoom = write(answer);
    if (!hasRoom) {
      call.pause();
      call.once('drain', () => call.resume());
    }
    return hasRoom;
  };
  let isFirst = true;
  call.on('data', () => {
    // The first came with the call, which was counted.
    const refused = isFirst ? undefined : refusal(call);
    isFirst = false;
    if (refused === undefined || isOver) return;
    isOver = true;
    call.pause();
    call.emit('error', serviceErrorOf(refused));
  });
}

/** A file and all that it imports. */
function filesOf(file: DescFile): Buffer[] {
  return [Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto)), ...file.dependencies.flatMap(filesOf)];
}

function fileProtosOf(type: object): Buffer[] {
  return 'fileDescriptorProtos' in type ? (type.fileDescriptorProtos as Buffer[]) : [];
}

/**
 * proto-loader leaves the names of types as somebody wrote them, relative to where they stand. Allowed, but protoc never
 * does it, and clients that build on that (protobuf-es) do not find them.
 */
function withFullNames(bytes: Buffer): Buffer {
  const file = fromBinary(FileDescriptorProtoSchema, bytes);
  const root = `.${file.package}`;
  const known = new Set<string>();
  const visit = (
    messages: readonly DescriptorProto[],
    scope: string,
    see: (m: DescriptorProto, name: string) => void,
  ) => {
    for (const message of messages) {
      see(message, `${scope}.${message.name}`);
      visit(message.nestedType, `${scope}.${message.name}`, see);
    }
  };
  const fullName = (name: string, scope: string): string => {
    if (name === '' || name.startsWith('.')) return name;
    for (let within = scope; within !== ''; within = within.slice(0, within.lastIndexOf('.'))) {
      if (known.has(`${within}.${name}`)) return `${within}.${name}`;
    }
    return name;
  };
  for (const { name } of file.enumType) known.add(`${root}.${name}`);
  visit(file.messageType, root, ({ enumType }, name) => {
    known.add(name);
    for (const type of enumType) known.add(`${name}.${type.name}`);
  });
  visit(file.messageType, root, ({ field }, name) => {
    for (const one of field) one.typeName = fullName(one.typeName, name);
  });
  for (const method of file.service.flatMap(({ method }) => method)) {
    method.inputType = fullName(method.inputType, root);
    method.outputType = fullName(method.outputType, root);
  }
  return Buffer.from(toBinary(FileDescriptorProtoSchema, file));
}
