/**
 * The official messages of OTLP, to decode what Pulselane encodes and to encode what it decodes. They come from the last release of
 * OpenTelemetry's own package that contains code generated from opentelemetry-proto (0.214.0; later ones have writers of
 * their own), so they share nothing with ours.
 */
import { createRequire } from 'node:module';

/** What protobufjs generates for a message; `object` has members in camelCase. */
export interface OtlpMessage {
  encode(message: unknown): { finish(): Uint8Array };
  decode(bytes: Uint8Array): unknown;
  fromObject(object: unknown): unknown;
  toObject(message: unknown, options: object): unknown;
}

const { opentelemetry } = createRequire(import.meta.url)('otlp-protos/build/src/generated/root.js');
const { collector } = opentelemetry.proto;

export const METRICS_REQUEST: OtlpMessage = collector.metrics.v1.ExportMetricsServiceRequest;
export const METRICS_RESPONSE: OtlpMessage = collector.metrics.v1.ExportMetricsServiceResponse;
export const LOGS_REQUEST: OtlpMessage = collector.logs.v1.ExportLogsServiceRequest;
export const LOGS_RESPONSE: OtlpMessage = collector.logs.v1.ExportLogsServiceResponse;

/** @param object members in camelCase; 64-bit numbers as number or decimal string */
export function encodedBy(message: OtlpMessage, object: unknown): Buffer {
  return Buffer.from(message.encode(message.fromObject(object)).finish());
}

/** 64-bit numbers are decimal strings; members that were not sent are missing. */
export function decodedBy(message: OtlpMessage, bytes: Uint8Array): Record<string, unknown> {
  return message.toObject(message.decode(bytes), { longs: String, oneofs: false }) as Record<string, unknown>;
}
