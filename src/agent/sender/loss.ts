/** What follows from the way in which a master was lost. */
import { type Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { type Refusal, RefusalCode } from '../../gen/pulselane/v1/telemetry_pb.ts';
import { reasonOf } from './channel.ts';
import { LONGEST_WAIT_MS } from './standing.ts';

/**
 * How long this instance keeps away from a master that takes a later one of the same worker. Both are at work then, and
 * only people can tell which one should be; asking more often would fill two logs and change nothing.
 */
export const CONFLICT_WAIT_MS = 60_000;

export interface Loss {
  /** For people. */
  readonly reason: string;
  /** A later instance of this worker reports to that master. */
  readonly isConflict: boolean;
  /** How long that master is not to be asked again; 0 if it may be at once. */
  readonly quietMs: number;
}

/** What a heartbeat's refusal in band means where it ends the use of that master. */
export class RefusedInBand extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.reason);
    this.refusal = refusal;
  }
}

/** @param cause what ended a call or a stream, or a {@link RefusedInBand} */
export function lossOf(cause: unknown): Loss {
  if (cause instanceof RefusedInBand) {
    const { code, reason, retryAfterMs } = cause.refusal;
    return lossFor(code === RefusalCode.FAILED_PRECONDITION, reason, retryAfterMs);
  }
  const { code, metadata } = cause as Partial<ServiceError>;
  const isConflict = code === status.FAILED_PRECONDITION;
  // Other failures have the back-off, as they have without this word of the master's.
  return lossFor(isConflict, reasonOf(cause), isConflict ? pushbackMs(metadata) : 0);
}

function lossFor(isConflict: boolean, reason: string, askedMs: number): Loss {
  const quietMs = Math.min(LONGEST_WAIT_MS, Math.max(askedMs, isConflict ? CONFLICT_WAIT_MS : 0));
  return { reason, isConflict, quietMs };
}

/** gRPC's own word for "retry after" (grpc/proposal A6); 0 if it is not there or makes no sense. */
function pushbackMs(metadata: Metadata | undefined): number {
  const askedMs = Number(metadata?.get('grpc-retry-pushback-ms')[0]);
  return askedMs > 0 ? askedMs : 0;
}
