/**
 * The parts of OTLP's messages that both signals share. Field numbers are those of opentelemetry-proto 1.x, which never change:
 * opentelemetry/proto/{common,resource}/v1.
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { VERSION } from '../../../lib/version.ts';

export type AttributeValue = string | number | readonly string[];

/** Of `ExportMetricsServiceRequest`, `ResourceMetrics` and `ScopeMetrics`, and the same of logs. */
export const RESOURCE_ITEMS = 1;
export const SCOPE_ITEMS = 2;
export const ITEMS = 2;

/** The field `resource` of `ResourceMetrics` and of `ResourceLogs`. */
export function resourceField(attributes: Iterable<readonly [string, AttributeValue]>): Buffer {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).fork();
  for (const [key, value] of attributes) writeAttribute(writer, 1, key, value);
  return bytesOf(writer.join());
}

/** The field `scope` of `ScopeMetrics` and of `ScopeLogs`: who made what follows. */
export function scopeField(): Buffer {
  const writer = new BinaryWriter();
  writer.tag(1, WireType.LengthDelimited).fork();
  writer.tag(1, WireType.LengthDelimited).string('pulselane');
  writer.tag(2, WireType.LengthDelimited).string(VERSION);
  return bytesOf(writer.join());
}

/** The field `schema_url` of all four; nothing without one. */
export function schemaUrlField(schemaUrl: string | undefined): Buffer {
  const writer = new BinaryWriter();
  if (schemaUrl !== undefined) writer.tag(3, WireType.LengthDelimited).string(schemaUrl);
  return bytesOf(writer);
}

/** A `KeyValue` in the repeated field `field`. Numbers are integers. */
export function writeAttribute(writer: BinaryWriter, field: number, key: string, value: AttributeValue): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  writer.tag(1, WireType.LengthDelimited).string(key);
  writer.tag(2, WireType.LengthDelimited).fork();
  writeAnyValue(writer, value);
  writer.join().join();
}

/** The content of an `AnyValue`. */
export function writeAnyValue(writer: BinaryWriter, value: AttributeValue): void {
  if (typeof value === 'string') writer.tag(1, WireType.LengthDelimited).string(value);
  else if (typeof value === 'number') writer.tag(3, WireType.Varint).int64(value);
  else {
    writer.tag(5, WireType.LengthDelimited).fork();
    for (const item of value) {
      writer.tag(1, WireType.LengthDelimited).fork();
      writeAnyValue(writer, item);
      writer.join();
    }
    writer.join();
  }
}

export function bytesOf(writer: BinaryWriter): Buffer {
  const bytes = writer.finish();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Unix milliseconds as nanoseconds, in the `fixed64` of protobuf. */
export function unixNanos(unixMs: number): bigint {
  return BigInt(Math.round(unixMs * 1000)) * 1000n;
}
