/** Server reflection: lets generic gRPC tools list the services and messages. */
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
 * ReflectionService expects proto-loader's definitions, but reads only the file descriptors in them.
 * @param refusal returns the error if an address asks too often, otherwise undefined
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

/** Counts each request as a call, and reads the next one only after the client has taken the answers. */
function bound(call: Conversation, refusal: (call: Conversation) => PulselaneError | undefined): void {
  const write = call.write.bind(call) as (answer: unknown) => boolean;
  let isOver = false;
  call.write = (answer: unknown) => {
    // The answer to the refused request.
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
    // The first request is counted with the call itself.
    const refused = isFirst ? undefined : refusal(call);
    isFirst = false;
    if (refused === undefined || isOver) return;
    isOver = true;
    call.pause();
    call.emit('error', serviceErrorOf(refused));
  });
}

/** The descriptors of a file and of everything it imports. */
function filesOf(file: DescFile): Buffer[] {
  return [Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto)), ...file.dependencies.flatMap(filesOf)];
}

function fileProtosOf(type: object): Buffer[] {
  return 'fileDescriptorProtos' in type ? (type.fileDescriptorProtos as Buffer[]) : [];
}

/**
 * Makes all type names fully qualified. proto-loader keeps names relative as written. That is allowed, but protoc never does
 * it, and clients such as protobuf-es cannot resolve them.
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
