/** What follows from the way in which a master was lost. */
import { type Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { type Refusal, RefusalCode } from '../../gen/pulselane/v1/telemetry_pb.ts';
import { LONGEST_WAIT_MS } from './acceptance.ts';
import { reasonOf } from './channel.ts';

/**
 * How long this instance keeps away from a master that takes a later one of the same worker. Both are at work then, and
 * only people can tell which one should be; asking more often would fill two logs and change nothing.
 */
export const CONFLICT_WAIT_MS = 60_000;
/**
 * How long it keeps away from a master that does not believe who it is: only people can change that, by another token or
 * certificate, and each try is counted there.
 */
const DENIED_WAIT_MS = 60_000;

export interface DisconnectReason {
  /** For people. */
  readonly reason: string;
  /** A later instance of this worker reports to that master. */
  readonly isConflict: boolean;
  /** That master does not know this agent, or not as this worker. */
  readonly isDenied: boolean;
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
export function disconnectReasonOf(cause: unknown): DisconnectReason {
  if (cause instanceof RefusedInBand) {
    const { code, reason, retryAfterMs } = cause.refusal;
    return disconnectReasonFor(
      {
        isConflict: code === RefusalCode.FAILED_PRECONDITION,
        isDenied: code === RefusalCode.PERMISSION_DENIED,
      },
      reason,
      retryAfterMs,
    );
  }
  const { code, metadata } = cause as Partial<ServiceError>;
  const isConflict = code === status.FAILED_PRECONDITION;
  // Other failures have the back-off, as they have without this word of the master's.
  const isDenied = code === status.UNAUTHENTICATED || (code === status.PERMISSION_DENIED && isAboutIdentity(metadata));
  return disconnectReasonFor({ isConflict, isDenied }, reasonOf(cause), isConflict ? pushbackMs(metadata) : 0);
}

type Kind = Pick<DisconnectReason, 'isConflict' | 'isDenied'>;

function disconnectReasonFor({ isConflict, isDenied }: Kind, reason: string, askedMs: number): DisconnectReason {
  const leastMs = isConflict ? CONFLICT_WAIT_MS : isDenied ? DENIED_WAIT_MS : 0;
  return { reason, isConflict, isDenied, quietMs: Math.min(LONGEST_WAIT_MS, Math.max(askedMs, leastMs)) };
}

/** A worker that waits for its approval has the same status, and may be let in at any moment. */
function isAboutIdentity(metadata: Metadata | undefined): boolean {
  return metadata?.get('pulselane-error-code')[0] === 'permission_denied';
}

/** gRPC's own word for "retry after" (grpc/proposal A6); 0 if it is not there or makes no sense. */
function pushbackMs(metadata: Metadata | undefined): number {
  const askedMs = Number(metadata?.get('grpc-retry-pushback-ms')[0]);
  return askedMs > 0 ? askedMs : 0;
}
