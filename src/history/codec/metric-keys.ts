/**
 * Metric keys as bytes. They are in every blob, so the usual ones are short.
 *
 *     key   form (byte), then
 *           0 to 15   the base metric of that number
 *           16        custom metric   its name, after `metrics.`
 *           17 to 20  GPU metric      its index (uint): the field of that number
 *           32        any other       the whole key
 *     text  length in bytes (uint), UTF-8
 */
import { BASE_METRICS, type MetricKey } from '../samples.ts';
import { type ByteReader, type ByteWriter, damaged } from './bytes.ts';

/** In the order in which blobs name them: append only. */
const BASE: readonly MetricKey[] = BASE_METRICS;
const GPU_FIELDS = ['utilization_percent', 'memory_used_bytes', 'temperature_celsius', 'power_watts'];
const CUSTOM = 16;
const GPU = 17;
const WHOLE = 32;

const CUSTOM_PREFIX = 'metrics.';
const GPU_KEY = /^gpus\.(0|[1-9]\d{0,5})\.([a-z_]+)$/;
/** More than any key may have. */
const MAX_KEY_BYTES = 4096;
const MAX_GPU_INDEX = 999_999;

export function writeKey(writer: ByteWriter, key: MetricKey): void {
  const base = BASE.indexOf(key);
  if (base >= 0) {
    writer.byte(base);
    return;
  }
  const [, index, field = ''] = GPU_KEY.exec(key) ?? [];
  const gpuField = GPU_FIELDS.indexOf(field);
  if (gpuField >= 0) {
    writer.byte(GPU + gpuField);
    writer.uint(Number(index));
  } else if (key.startsWith(CUSTOM_PREFIX)) {
    writer.byte(CUSTOM);
    writeText(writer, key.slice(CUSTOM_PREFIX.length));
  } else {
    writer.byte(WHOLE);
    writeText(writer, key);
  }
}

export function readKey(reader: ByteReader): MetricKey {
  const form = reader.byte();
  const base = BASE[form];
  if (base !== undefined) return base;
  if (form === CUSTOM) return CUSTOM_PREFIX + readText(reader);
  if (form === WHOLE) return readText(reader);
  const field = GPU_FIELDS[form - GPU];
  if (field === undefined) throw damaged(`a metric key is of the unknown form ${form}`);
  return `gpus.${reader.uint(MAX_GPU_INDEX)}.${field}`;
}

function writeText(writer: ByteWriter, text: string): void {
  const bytes = Buffer.from(text);
  if (bytes.length > MAX_KEY_BYTES) throw new RangeError(`a metric key is longer than ${MAX_KEY_BYTES} bytes`);
  writer.uint(bytes.length);
  writer.bytes(bytes);
}

function readText(reader: ByteReader): string {
  return Buffer.from(reader.bytes(reader.uint(MAX_KEY_BYTES))).toString();
}
