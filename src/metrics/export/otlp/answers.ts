/**
 * What an answer means: pure functions, by https://opentelemetry.io/docs/specs/otlp
 *
 * | answer                                                              | then                                         |
 * |---------------------------------------------------------------------|----------------------------------------------|
 * | success, without or with a part that was rejected                   | next message; the part is never sent again   |
 * | HTTP 429, 502, 503, 504, no answer                                  | again, after `Retry-After` if it is there    |
 * | gRPC CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS | again, after RetryInfo if it is there |
 * | gRPC RESOURCE_EXHAUSTED with RetryInfo                              | the same                                     |
 * | everything else                                                     | never again                                  |
 */
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { type Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { type Answer, answerText, headerText } from '../../../lib/http-post.ts';
import { retryAfterMs } from '../../../lib/retry-after.ts';
import { shownText } from '../../../lib/secret-text.ts';
import { connectionCause } from '../../../lib/tls-errors.ts';
import type { SendFailureCode } from '../../../model/export-status.ts';
import type { Outcome } from '../exporter.ts';

const HTTP_AGAIN: ReadonlySet<number> = new Set([429, 502, 503, 504]);

export function httpOutcome(answer: Answer, samples: number, secrets: readonly string[], nowUnixMs: number): Outcome {
  const code = answer.status;
  if (code >= 200 && code < 300) return takenOutcome(answer.body, samples, secrets);
  const detail = answerText(withStatusMessage(answer), secrets);
  if (!HTTP_AGAIN.has(code)) return { type: 'refused', detail };
  const waitMs = retryAfterMs(headerText(answer, 'retry-after'), nowUnixMs);
  const failure = { type: 'retry', code: code === 429 ? 'throttled' : 'failed', detail } as const;
  return waitMs === undefined ? failure : { ...failure, retryAfterMs: waitMs };
}

/** Node's text for a peer that does not answer HTTP/2. */
const NO_GRPC_THERE = 'Protocol error';
const NO_GRPC_HINT = 'the port does not serve gRPC; if it is the HTTP port, set OTLP_PROTOCOL=http/protobuf';

/** From a gRPC code to what it counts as; others are for good. */
const GRPC_AGAIN: ReadonlyMap<number, SendFailureCode> = new Map([
  [status.CANCELLED, 'failed'],
  [status.DEADLINE_EXCEEDED, 'timeout'],
  [status.ABORTED, 'failed'],
  [status.OUT_OF_RANGE, 'failed'],
  [status.UNAVAILABLE, 'unreachable'],
  [status.DATA_LOSS, 'failed'],
]);

export function grpcOutcome({ code, details, metadata }: ServiceError, secrets: readonly string[]): Outcome {
  const cause = connectionCause(details);
  const said = cause === NO_GRPC_THERE ? NO_GRPC_HINT : shownText(cause, secrets);
  const detail = `gRPC ${status[code] ?? code}${said === '' ? '' : `: ${said}`}`;
  const waitMs = retryInfoMs(metadata);
  // Without RetryInfo it means that the receiver will never have room for this message.
  if (code === status.RESOURCE_EXHAUSTED && waitMs === undefined) return { type: 'refused', detail };
  if (waitMs !== undefined && (code === status.RESOURCE_EXHAUSTED || GRPC_AGAIN.has(code))) {
    return { type: 'retry', code: 'throttled', detail, retryAfterMs: waitMs };
  }
  const again = GRPC_AGAIN.get(code);
  return again === undefined ? { type: 'refused', detail } : { type: 'retry', code: again, detail };
}

/**
 * Of `ExportMetricsServiceResponse` or `ExportLogsServiceResponse`. A body that is neither counts as full success: the receiver has
 * said that it has taken the request.
 */
export function takenOutcome(body: Uint8Array, samples: number, secrets: readonly string[]): Outcome {
  const { rejected, message } = partialSuccessIn(body);
  // More than were sent cannot be rejected, and a negative number says nothing.
  const counted = Math.min(samples, Math.max(0, rejected));
  if (counted === 0 && message === '') return { type: 'taken', rejected: 0 };
  const said = message === '' ? 'without a reason' : shownText(message, secrets);
  const detail =
    counted === 0 ? `the receiver warns: ${said}` : `the receiver rejected ${counted} of ${samples}: ${said}`;
  return { type: 'taken', rejected: counted, detail };
}

function partialSuccessIn(body: Uint8Array): { rejected: number; message: string } {
  const none = { rejected: 0, message: '' };
  try {
    const partial = messageIn(body, 1);
    return partial === undefined ? none : { rejected: integerIn(partial, 1), message: textIn(partial, 2) };
  } catch {
    return none;
  }
}

/** An error's body is a `google.rpc.Status`, whose message is what people should see. */
function withStatusMessage(answer: Answer): Answer {
  if (!/^application\/x-protobuf\b/.test(headerText(answer, 'content-type') ?? '')) return answer;
  try {
    return { ...answer, body: Buffer.from(textIn(answer.body, 2)) };
  } catch {
    return { ...answer, body: Buffer.alloc(0) };
  }
}

const DETAILS = 'grpc-status-details-bin';

/** How long `google.rpc.RetryInfo` in the details of a status asks to wait; undefined: it is not there. */
export function retryInfoMs(metadata: Metadata): number | undefined {
  const [bytes] = metadata.get(DETAILS);
  if (!Buffer.isBuffer(bytes)) return undefined;
  try {
    for (const any of messagesIn(bytes, 3)) {
      if (!textIn(any, 1).endsWith('/google.rpc.RetryInfo')) continue;
      const delay = messageIn(messageIn(any, 2) ?? new Uint8Array(), 1);
      if (delay === undefined) return 0;
      return Math.max(0, integerIn(delay, 1) * 1000 + integerIn(delay, 2) / 1e6);
    }
  } catch {
    // Not of the form that it should have: as good as absent.
  }
  return undefined;
}

function messageIn(bytes: Uint8Array, wanted: number): Uint8Array | undefined {
  return messagesIn(bytes, wanted).at(-1);
}

function messagesIn(bytes: Uint8Array, wanted: number): Uint8Array[] {
  const found: Uint8Array[] = [];
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === wanted && type === WireType.LengthDelimited) found.push(reader.bytes());
    else reader.skip(type, field);
  }
  return found;
}

function textIn(bytes: Uint8Array, wanted: number): string {
  const found = messageIn(bytes, wanted);
  return found === undefined ? '' : Buffer.from(found.buffer, found.byteOffset, found.byteLength).toString();
}

function integerIn(bytes: Uint8Array, wanted: number): number {
  let value = 0;
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === wanted && type === WireType.Varint) value = Number(reader.int64());
    else reader.skip(type, field);
  }
  return value;
}
