/** Error codes as gRPC sees them: statuses of calls, and refusals within a stream. */
import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { RefusalCode } from '../gen/pulselane/v1/telemetry_pb.ts';
import { ERRORS, type ErrorCode, messageOf, PulselaneError } from '../lib/errors.ts';

/** Trailing metadata: the error's code among ours. */
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
  misdirected: RefusalCode.FAILED_PRECONDITION,
  rate_limited: RefusalCode.RESOURCE_EXHAUSTED,
  resource_exhausted: RefusalCode.RESOURCE_EXHAUSTED,
  unavailable: RefusalCode.UNAVAILABLE,
  bad_setting: RefusalCode.UNAVAILABLE,
  environment: RefusalCode.UNAVAILABLE,
  internal: RefusalCode.UNAVAILABLE,
};

/** What a failed call answers. Nothing of the inside is told: an unknown error is only logged by the caller. */
export function serviceErrorOf(thrown: unknown): Partial<ServiceError> {
  if (!(thrown instanceof PulselaneError)) return { code: status.INTERNAL, details: 'internal error' };
  const metadata = new Metadata();
  // Two codes of ours share a status: an agent asks soon again for admission, and seldom with a wrong name.
  metadata.set(ERROR_CODE_KEY, thrown.code);
  // gRPC's own word for "retry after": clients with a retry policy obey it (grpc/proposal A6).
  if (thrown.retryAfterMs !== undefined) metadata.set('grpc-retry-pushback-ms', String(thrown.retryAfterMs));
  return { code: status[ERRORS[thrown.code].grpcStatus], details: messageOf(thrown), metadata };
}

/** Whether it is an error of ours, and not one of grpc-js. */
export function hasErrorCode(metadata: Metadata | null | undefined): boolean {
  return metadata != null && metadata.get(ERROR_CODE_KEY).length > 0;
}

export function refusalCodeOf(error: PulselaneError): RefusalCode {
  return REFUSAL_OF[error.code];
}
