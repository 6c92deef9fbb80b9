/** The messages of remote write, read by reflection with the official field numbers, and what they say in plain terms. */
import { create, createFileRegistry, type DescMessage, fromBinary } from '@bufbuild/protobuf';
import {
  FileDescriptorProtoSchema,
  FieldDescriptorProto_Label as Repetition,
  FieldDescriptorProto_Type as Type,
} from '@bufbuild/protobuf/wkt';

/** A type with `[]` before it is repeated. */
type Field = readonly [name: string, number: number, type: string];

const MESSAGES: Readonly<Record<string, readonly Field[]>> = {
  WriteRequest: [
    ['timeseries', 1, '[]TimeSeries'],
    ['metadata', 3, '[]MetricMetadata'],
  ],
  TimeSeries: [
    ['labels', 1, '[]Label'],
    ['samples', 2, '[]Sample'],
  ],
  Label: [
    ['name', 1, 'STRING'],
    ['value', 2, 'STRING'],
  ],
  Sample: [
    ['value', 1, 'FIXED64'],
    ['timestamp', 2, 'INT64'],
  ],
  MetricMetadata: [
    ['type', 1, 'INT32'],
    ['family', 2, 'STRING'],
    ['help', 4, 'STRING'],
    ['unit', 5, 'STRING'],
  ],
  RequestV2: [
    ['symbols', 4, '[]STRING'],
    ['timeseries', 5, '[]TimeSeriesV2'],
  ],
  TimeSeriesV2: [
    ['labels', 1, '[]UINT32'],
    ['samples', 2, '[]SampleV2'],
    ['metadata', 5, 'MetadataV2'],
    ['created', 6, 'INT64'],
  ],
  SampleV2: [
    ['value', 1, 'FIXED64'],
    ['timestamp', 2, 'INT64'],
    ['start', 3, 'INT64'],
  ],
  MetadataV2: [
    ['type', 1, 'INT32'],
    ['help', 3, 'UINT32'],
    ['unit', 4, 'UINT32'],
  ],
};

function fieldOf([name, number, text]: Field) {
  const isRepeated = text.startsWith('[]');
  const type = isRepeated ? text.slice(2) : text;
  const scalar = Type[type as keyof typeof Type];
  return {
    name,
    number,
    label: isRepeated ? Repetition.REPEATED : Repetition.OPTIONAL,
    type: scalar ?? Type.MESSAGE,
    ...(scalar === undefined ? { typeName: `.test.${type}` } : {}),
  };
}

const registry = createFileRegistry(
  create(FileDescriptorProtoSchema, {
    name: 'remote-write.proto',
    package: 'test',
    syntax: 'proto3',
    messageType: Object.entries(MESSAGES).map(([name, fields]) => ({ name, field: fields.map(fieldOf) })),
  }),
  () => undefined,
);

function read<T>(name: string, bytes: Uint8Array): T {
  return fromBinary(registry.getMessage(`test.${name}`) as DescMessage, bytes) as unknown as T;
}

/** One sample with its series. */
export interface ReadSample {
  readonly labels: readonly (readonly [name: string, value: string])[];
  /** 64 bits as a number would hide which NaN it is. */
  readonly bits: bigint;
  readonly timestamp: number;
  readonly metadata?: { readonly type: number; readonly help: string; readonly unit: string };
  readonly created?: number;
}

export interface ReadRequest {
  readonly samples: readonly ReadSample[];
  readonly metadata: readonly { type: number; family: string; help: string; unit: string }[];
  /** Of version 2.0. */
  readonly symbols: readonly string[];
}

interface V1 {
  timeseries: { labels: { name: string; value: string }[]; samples: { value: bigint; timestamp: bigint }[] }[];
  metadata: { type: number; family: string; help: string; unit: string }[];
}

export function readV1(bytes: Uint8Array): ReadRequest {
  const { timeseries, metadata } = read<V1>('WriteRequest', bytes);
  return {
    samples: timeseries.flatMap(({ labels, samples }) =>
      samples.map(({ value, timestamp }) => ({
        labels: labels.map(({ name, value: text }) => [name, text] as const),
        bits: value,
        timestamp: Number(timestamp),
      })),
    ),
    metadata: metadata.map(({ type, family, help, unit }) => ({ type, family, help, unit })),
    symbols: [],
  };
}

interface V2 {
  symbols: string[];
  timeseries: {
    labels: number[];
    samples: { value: bigint; timestamp: bigint; start: bigint }[];
    metadata: { type: number; help: number; unit: number };
    created: bigint;
  }[];
}

export function readV2(bytes: Uint8Array): ReadRequest {
  const { symbols, timeseries } = read<V2>('RequestV2', bytes);
  const symbol = (at: number): string => {
    const text = symbols[at];
    if (text === undefined) throw new Error(`no symbol ${at}`);
    return text;
  };
  const samples = timeseries.flatMap(({ labels, samples: all, metadata, created }) => {
    if (labels.length % 2 !== 0) throw new Error('a label without a value');
    const pairs = Array.from({ length: labels.length / 2 }, (_, n) => {
      return [symbol(labels[2 * n] as number), symbol(labels[2 * n + 1] as number)] as const;
    });
    return all.map(({ value, timestamp, start }) => {
      if (start !== created) throw new Error('two times of creation');
      return {
        labels: pairs,
        bits: value,
        timestamp: Number(timestamp),
        metadata: { type: metadata.type, help: symbol(metadata.help), unit: symbol(metadata.unit) },
        ...(created === 0n ? {} : { created: Number(created) }),
      };
    });
  });
  return { samples, metadata: [], symbols };
}

export function bitsOf(value: number): bigint {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes.readBigUInt64LE();
}

export const STALE_BITS = 0x7ff0000000000002n;

/** `name{label="value"}`, for comparisons. */
export function textOf({ labels }: Pick<ReadSample, 'labels'>): string {
  const name = labels.find(([label]) => label === '__name__')?.[1] ?? '';
  const others = labels
    .filter(([label]) => label !== '__name__')
    .map(([label, value]) => `${label}=${JSON.stringify(value)}`);
  return `${name}{${others.join()}}`;
}
