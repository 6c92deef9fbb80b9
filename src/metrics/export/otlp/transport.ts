/** How requests reach a receiver: by HTTP or by gRPC. */

import type { OtlpSignal } from '../../../config/otlp-kinds.ts';
import type { Outcome } from '../exporter.ts';

/** One request, which may wait for long. */
export interface OtlpRequest {
  readonly signal: OtlpSignal;
  /** Encoded; compressed with gzip if `isCompressed`. */
  readonly body: Buffer;
  readonly isCompressed: boolean;
  /** Data points or log records. */
  readonly samples: number;
}

export interface Transport {
  /** One attempt; never rejects. */
  send(request: OtlpRequest, signal: AbortSignal): Promise<Outcome>;
  close(): void;
}
