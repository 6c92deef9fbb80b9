/** The code that users find ready in examples/ describes the protocol as it is: examples/generate.sh. */
import { readFileSync } from 'node:fs';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type FileDescriptorProto, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { expect, test } from 'vitest';
import { file_pulselane_v1_telemetry } from '../../src/gen/pulselane/v1/telemetry_pb.ts';

const read = (path: string) => readFileSync(new URL(`../../examples/${path}`, import.meta.url), 'utf8');

/** Of Python's `b'…'`. */
function pythonBytes(text: string): Buffer {
  const literal = /AddSerializedFile\(b'((?:[^'\\]|\\.)*)'\)/.exec(text)?.[1] ?? '';
  const SIGNS: Record<string, string> = { n: '\n', r: '\r', t: '\t' };
  const plain = literal.replaceAll(/\\(?:x([0-9a-f]{2})|([0-7]{3})|(.))/g, (_, hex, octal, sign) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
    if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8));
    return SIGNS[sign] ?? sign;
  });
  return Buffer.from(plain, 'latin1');
}

/** Of the list of hexadecimal numbers in Go. */
function goBytes(text: string): Buffer {
  const list = /_rawDesc = \[\]byte\{([^}]*)\}/.exec(text)?.[1] ?? '';
  return Buffer.from(Array.from(list.matchAll(/0x([0-9a-f]{2})/g), ([, hex]) => Number.parseInt(hex as string, 16)));
}

/** What counts of it: some generators add names for JSON, which follow from the others. */
function essence(file: FileDescriptorProto): FileDescriptorProto {
  const bare = fromBinary(FileDescriptorProtoSchema, toBinary(FileDescriptorProtoSchema, file));
  const messages = [...bare.messageType];
  for (const message of messages) {
    messages.push(...message.nestedType);
    for (const field of message.field) field.jsonName = '';
  }
  return bare;
}

test.each([
  ['Python', () => pythonBytes(read('python/pulselane/v1/telemetry_pb2.py'))],
  ['Go', () => goBytes(read('go/v1/telemetry.pb.go'))],
])('the generated code for %s is that of the protocol', (_, bytes) => {
  const described = fromBinary(FileDescriptorProtoSchema, bytes());
  expect(essence(described)).toEqual(essence(file_pulselane_v1_telemetry.proto));
});
