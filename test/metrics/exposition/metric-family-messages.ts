/** `io.prometheus.client.MetricFamily`, read by reflection with the official field numbers. */
import { create, createFileRegistry, fromBinary, toJson } from '@bufbuild/protobuf';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import {
  FileDescriptorProtoSchema,
  FieldDescriptorProto_Label as Repetition,
  FieldDescriptorProto_Type as Type,
} from '@bufbuild/protobuf/wkt';

/** A type with `[]` before it is repeated. */
type Field = readonly [name: string, number: number, type: string];

const MESSAGES: Readonly<Record<string, readonly Field[]>> = {
  LabelPair: [
    ['name', 1, 'STRING'],
    ['value', 2, 'STRING'],
  ],
  Timestamp: [
    ['seconds', 1, 'INT64'],
    ['nanos', 2, 'INT32'],
  ],
  Gauge: [['value', 1, 'DOUBLE']],
  Counter: [
    ['value', 1, 'DOUBLE'],
    ['created_timestamp', 3, 'Timestamp'],
  ],
  Bucket: [
    ['cumulative_count', 1, 'UINT64'],
    ['upper_bound', 2, 'DOUBLE'],
  ],
  BucketSpan: [
    ['offset', 1, 'SINT32'],
    ['length', 2, 'UINT32'],
  ],
  Histogram: [
    ['sample_count', 1, 'UINT64'],
    ['sample_sum', 2, 'DOUBLE'],
    ['bucket', 3, '[]Bucket'],
    ['schema', 5, 'SINT32'],
    ['zero_threshold', 6, 'DOUBLE'],
    ['zero_count', 7, 'UINT64'],
    ['positive_span', 12, '[]BucketSpan'],
    ['positive_delta', 13, '[]SINT64'],
    ['created_timestamp', 15, 'Timestamp'],
  ],
  Metric: [
    ['label', 1, '[]LabelPair'],
    ['gauge', 2, 'Gauge'],
    ['counter', 3, 'Counter'],
    ['histogram', 7, 'Histogram'],
  ],
  MetricFamily: [
    ['name', 1, 'STRING'],
    ['help', 2, 'STRING'],
    ['type', 3, 'INT32'],
    ['metric', 4, '[]Metric'],
    ['unit', 5, 'STRING'],
  ],
};

function fieldOf([name, number, text]: Field) {
  const isRepeated = text.startsWith('[]');
  const type = isRepeated ? text.slice(2) : text;
  const scalar = Type[type as keyof typeof Type];
  return {
    name,
    jsonName: name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
    number,
    label: isRepeated ? Repetition.REPEATED : Repetition.OPTIONAL,
    type: scalar ?? Type.MESSAGE,
    ...(scalar === undefined ? { typeName: `.test.${type}` } : {}),
  };
}

const registry = createFileRegistry(
  create(FileDescriptorProtoSchema, {
    name: 'metrics.proto',
    package: 'test',
    syntax: 'proto2',
    messageType: Object.entries(MESSAGES).map(([name, fields]) => ({ name, field: fields.map(fieldOf) })),
  }),
  () => undefined,
);
const familySchema = registry.getMessage('test.MetricFamily');
if (familySchema === undefined) throw new Error('the schema is missing');
const schema = familySchema;

/** As protobuf's JSON: names in camel case, 64-bit numbers as text. */
export interface ReadFamily {
  readonly name: string;
  readonly help: string;
  readonly type: number;
  readonly unit?: string;
  readonly metric?: readonly {
    readonly label?: readonly { readonly name: string; readonly value: string }[];
    readonly gauge?: { readonly value: number | string };
    readonly counter?: { readonly value: number | string; readonly createdTimestamp?: unknown };
    readonly histogram?: ReadHistogram;
  }[];
}

export interface ReadHistogram {
  readonly sampleCount: string;
  readonly sampleSum: number;
  readonly bucket: readonly { readonly cumulativeCount: string; readonly upperBound: number }[];
  readonly schema?: number;
  readonly zeroThreshold?: number;
  readonly zeroCount?: string;
  readonly positiveSpan?: readonly { readonly offset: number; readonly length: number }[];
  readonly positiveDelta?: readonly string[];
  readonly createdTimestamp?: unknown;
}

/** Splits delimited messages by their varint lengths and decodes them. */
export function readFamilies(bytes: Uint8Array): ReadFamily[] {
  const reader = new BinaryReader(bytes);
  const families: ReadFamily[] = [];
  while (reader.pos < reader.len)
    families.push(toJson(schema, fromBinary(schema, reader.bytes())) as unknown as ReadFamily);
  return families;
}
