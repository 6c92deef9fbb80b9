/**
 * Answers of OTLP over HTTP: `ExportMetricsServiceResponse` for success, `google.rpc.Status` for everything else, in the
 * encoding of the request: https://opentelemetry.io/docs/specs/otlp/#otlphttp-response
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';

export type Encoding = 'protobuf' | 'json';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** `google.rpc.Code`: the number that stands in `Status.code`. */
const INVALID_ARGUMENT = 3;
const BAD_REQUEST_TYPE = 'type.googleapis.com/google.rpc.BadRequest';

/** @param rejected data points; with 0 and a message, the message is a warning; without both it is a full success */
export function successAnswer(encoding: Encoding, rejected: number, message: string): HttpAnswer {
  const isPartial = rejected > 0 || message !== '';
  if (encoding === 'json') {
    // A 64-bit integer is a string in the JSON of protobuf.
    const partialSuccess = { ...(rejected > 0 ? { rejectedDataPoints: String(rejected) } : {}), errorMessage: message };
    return answer(200, encoding, jsonBytes(isPartial ? { partialSuccess } : {}));
  }
  const writer = new BinaryWriter();
  if (isPartial) {
    writer.tag(1, WireType.LengthDelimited).fork();
    if (rejected > 0) writer.tag(1, WireType.Varint).int64(rejected);
    writer.tag(2, WireType.LengthDelimited).string(message).join();
  }
  return answer(200, encoding, Buffer.from(writer.finish()));
}

export interface ErrorAnswer {
  readonly status: number;
  readonly message: string;
  /** The field that is wrong, as a path. */
  readonly field?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export function errorAnswer(
  encoding: Encoding,
  { status, message, field = '', headers = {} }: ErrorAnswer,
): HttpAnswer {
  if (encoding === 'json') {
    const details =
      field === '' ? [] : [{ '@type': BAD_REQUEST_TYPE, fieldViolations: [{ field, description: message }] }];
    return answer(status, encoding, jsonBytes({ code: INVALID_ARGUMENT, message, details }), headers);
  }
  const writer = new BinaryWriter();
  writer.tag(1, WireType.Varint).int32(INVALID_ARGUMENT);
  writer.tag(2, WireType.LengthDelimited).string(message);
  if (field !== '') {
    writer.tag(3, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(BAD_REQUEST_TYPE);
    writer.tag(2, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(field);
    writer.tag(2, WireType.LengthDelimited).string(message);
    writer.join().join().join();
  }
  return answer(status, encoding, Buffer.from(writer.finish()), headers);
}

function answer(
  status: number,
  encoding: Encoding,
  body: Buffer,
  headers: Readonly<Record<string, string>> = {},
): HttpAnswer {
  const type = encoding === 'json' ? 'application/json' : 'application/x-protobuf';
  return { status, headers: { 'content-type': type, 'content-length': String(body.length), ...headers }, body };
}

function jsonBytes(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
