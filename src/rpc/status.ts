/** Maps error codes to gRPC: call statuses, and refusals within a stream. */
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { RejectedOnArrival } from '../engine/rejected-on-arrival.ts';
import type { UntoldRejection } from '../engine/untold-rejections.ts';
import { RefusalCode } from '../gen/pulselane/v1/telemetry_pb.ts';
import { ERRORS, type ErrorCode, messageOf, PulselaneError } from '../lib/errors.ts';
import type { RejectionCause } from '../model/lanes.ts';
import { encodeRejected, REJECTED_KEY } from '../model/rejected-metadata.ts';

/** Trailing metadata key for our error code. */
const ERROR_CODE_KEY = 'pulselane-error-code';

const REFUSAL_OF: Readonly<Record<ErrorCode, RefusalCode>> = {
  invalid_argument: RefusalCode.INVALID_ARGUMENT,
  unauthenticated: RefusalCode.PERMISSION_DENIED,
  permission_denied: RefusalCode.PERMISSION_DENIED,
  not_admitted: RefusalCode.NOT_ADMITTED,
  not_found: RefusalCode.FAILED_PRECONDITION,
  method_not_allowed: RefusalCode.INVALID_ARGUMENT,
  failed_precondition: RefusalCode.FAILED_PRECONDITION,
  too_large: RefusalCode.RESOURCE_EXHAUSTED,
  unsupported_media_type: RefusalCode.INVALID_ARGUMENT,
  misdirected: RefusalCode.FAILED_PRECONDITION,
  invalid_rules: RefusalCode.INVALID_ARGUMENT,
  rate_limited: RefusalCode.RESOURCE_EXHAUSTED,
  resource_exhausted: RefusalCode.RESOURCE_EXHAUSTED,
  unavailable: RefusalCode.UNAVAILABLE,
  bad_setting: RefusalCode.UNAVAILABLE,
  environment: RefusalCode.UNAVAILABLE,
  internal: RefusalCode.UNAVAILABLE,
};

/** The status of a failed call. Internal details are not revealed: the caller logs unknown errors. */
export function serviceErrorOf(thrown: unknown): Partial<ServiceError> {
  if (!(thrown instanceof PulselaneError)) return { code: status.INTERNAL, details: 'internal error' };
  const metadata = new Metadata();
  // Two of our codes share a status, and an agent retries soon for one (not_admitted) but rarely for the other.
  metadata.set(ERROR_CODE_KEY, thrown.code);
  // The standard gRPC name for "retry after"; clients with a retry policy obey it (grpc/proposal A6).
  if (thrown.retryAfterMs !== undefined) metadata.set('grpc-retry-pushback-ms', String(thrown.retryAfterMs));
  if (thrown instanceof RejectedOnArrival) metadata.set(REJECTED_KEY, encodeRejected(thrown.rejected));
  return { code: status[ERRORS[thrown.code].grpcStatus], details: messageOf(thrown), metadata };
}

/** Whether the status comes from our code and not from grpc-js. */
export function hasErrorCode(metadata: Metadata | null | undefined): boolean {
  return metadata != null && metadata.get(ERROR_CODE_KEY).length > 0;
}

export function refusalCodeOf(error: PulselaneError): RefusalCode {
  return REFUSAL_OF[error.code];
}

const REFUSAL_OF_REJECTION: Readonly<Record<RejectionCause, RefusalCode>> = {
  content: RefusalCode.INVALID_ARGUMENT,
  record_size: RefusalCode.RESOURCE_EXHAUSTED,
  record_memory: RefusalCode.RESOURCE_EXHAUSTED,
};

export function refusalCodeOfRejection(cause: RejectionCause): RefusalCode {
  return REFUSAL_OF_REJECTION[cause];
}

/** Trailing metadata for an answer that is OK, when values of earlier heartbeats were rejected. */
export function rejectionTrailer({ reason }: UntoldRejection): Metadata {
  const metadata = new Metadata();
  metadata.set(REJECTED_KEY, encodeRejected(reason));
  return metadata;
}

/** The heartbeat of this call was accepted, so that its worker is alive, and its values will be rejected. */
export class RejectedContent extends RejectedOnArrival {
  readonly #rejected: string;

  constructor(problem: string, before: UntoldRejection | undefined) {
    super('invalid_argument', problem);
    this.#rejected = before === undefined ? problem : `${problem}; before it: ${before.reason}`;
  }

  override get rejected(): string {
    return this.#rejected;
  }
}
