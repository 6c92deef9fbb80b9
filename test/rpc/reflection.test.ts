import { create, createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import { type RunningRpc, startRpc } from '../support/rpc-server.ts';

let rpc: RunningRpc | undefined;
afterEach(() => rpc?.stop());

// grpc.reflection.v1: a client that knows nothing of our services, and of reflection no more than its wire format.
const LIST_SERVICES = 7;
const FILE_CONTAINING_SYMBOL = 4;

function request(field: number, text: string): Buffer {
  return Buffer.concat([Buffer.of((field << 3) | 2, text.length), Buffer.from(text)]);
}

/** The length-delimited fields of a message. */
function* fieldsOf(bytes: Buffer): Generator<[number, Buffer]> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++] as number;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    if ((tag & 7) !== 2) throw new Error(`wire type ${tag & 7}`);
    const length = varint();
    yield [tag >> 3, bytes.subarray(at, at + length)];
    at += length;
  }
}

const within = (bytes: Buffer, field: number) => [...fieldsOf(bytes)].filter(([n]) => n === field).map(([, b]) => b);

async function ask(port: number, service: string, field: number, text: string): Promise<Buffer> {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const call = client.makeBidiStreamRequest(
    `/${service}/ServerReflectionInfo`,
    (bytes: Buffer) => bytes,
    (bytes) => bytes,
  );
  try {
    return await new Promise<Buffer>((resolve, reject) => {
      call.on('data', resolve);
      call.on('error', (error: ServiceError) => reject(error));
      call.write(request(field, text));
      call.end();
    });
  } finally {
    client.close();
  }
}

test.each(['grpc.reflection.v1.ServerReflection', 'grpc.reflection.v1alpha.ServerReflection'])(
  'a generic client lists services by %s, and resolves their methods',
  async (service) => {
    rpc = await startRpc();
    const { port } = rpc;
    const list = within(await ask(port, service, LIST_SERVICES, '*'), 6).flatMap((bytes) => within(bytes, 1));
    const names = list.flatMap((bytes) => within(bytes, 1)).map(String);
    expect(names.sort()).toEqual(['cluster.MasterWorker', 'grpc.health.v1.Health', 'pulselane.v1.TelemetryService']);

    const file: FileDescriptorProto[] = [];
    for (const name of names) {
      const answer = await ask(port, service, FILE_CONTAINING_SYMBOL, name);
      for (const bytes of within(answer, 4).flatMap((inner) => within(inner, 1))) {
        file.push(fromBinary(FileDescriptorProtoSchema, bytes));
      }
    }
    const registry = createFileRegistry(create(FileDescriptorSetSchema, { file }));
    const method = registry.getService('pulselane.v1.TelemetryService')?.method.streamHeartbeats;
    expect(method?.methodKind).toBe('bidi_streaming');
    expect(method?.input.fields.find(({ name }) => name === 'host_loop_lag_ms')?.number).toBe(21);
    expect(registry.getService('grpc.health.v1.Health')?.method.check?.input.typeName).toBe(
      'grpc.health.v1.HealthCheckRequest',
    );
    expect(registry.getService('cluster.MasterWorker')?.method.sendHeartbeat?.output.fields[0]?.name).toBe('success');
  },
);

test('it can be turned off', async () => {
  rpc = await startRpc({ hasReflection: false });
  await expect(ask(rpc.port, 'grpc.reflection.v1.ServerReflection', LIST_SERVICES, '*')).rejects.toMatchObject({
    code: status.UNIMPLEMENTED,
  });
});
