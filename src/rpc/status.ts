/** Error codes as gRPC sees them: one table for unary calls, one for refusals within a stream. */
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { RefusalCode } from '../gen/pulselane/v1/telemetry_pb.ts';
import { type ErrorCode, messageOf, PulselaneError } from '../lib/errors.ts';

const STATUS_OF: Readonly<Record<ErrorCode, status>> = {
  invalid_argument: status.INVALID_ARGUMENT,
  not_admitted: status.PERMISSION_DENIED,
  not_found: status.NOT_FOUND,
  failed_precondition: status.FAILED_PRECONDITION,
  resource_exhausted: status.RESOURCE_EXHAUSTED,
  unavailable: status.UNAVAILABLE,
  bad_setting: status.INTERNAL,
  environment: status.INTERNAL,
};

const REFUSAL_OF: Readonly<Record<ErrorCode, RefusalCode>> = {
  invalid_argument: RefusalCode.INVALID_ARGUMENT,
  not_admitted: RefusalCode.NOT_ADMITTED,
  not_found: RefusalCode.FAILED_PRECONDITION,
  failed_precondition: RefusalCode.FAILED_PRECONDITION,
  resource_exhausted: RefusalCode.RESOURCE_EXHAUSTED,
  unavailable: RefusalCode.UNAVAILABLE,
  bad_setting: RefusalCode.UNAVAILABLE,
  environment: RefusalCode.UNAVAILABLE,
};

/** What a failed call answers. Nothing of the inside is told: an unknown error is only logged by the caller. */
export function serviceErrorOf(thrown: unknown): Partial<ServiceError> {
  if (!(thrown instanceof PulselaneError)) return { code: status.INTERNAL, details: 'internal error' };
  const metadata = new Metadata();
  // gRPC's own word for "retry after": clients with a retry policy obey it (grpc/proposal A6).
  if (thrown.retryAfterMs !== undefined) metadata.set('grpc-retry-pushback-ms', String(thrown.retryAfterMs));
  return { code: STATUS_OF[thrown.code], details: messageOf(thrown), metadata };
}

export function refusalCodeOf(error: PulselaneError): RefusalCode {
  return REFUSAL_OF[error.code];
}
