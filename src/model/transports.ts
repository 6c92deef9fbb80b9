/** How heartbeats come in, and why they are refused. */
import { type ErrorCode, PulselaneError } from '../lib/errors.ts';

/**
 * | transport   | heartbeats                                              |
 * |-------------|---------------------------------------------------------|
 * | grpc_stream | of `pulselane.v1.TelemetryService/StreamHeartbeats`     |
 * | grpc_unary  | of `cluster.MasterWorker/SendHeartbeat`                 |
 * | http        | of `POST /api/v1/heartbeats`                            |
 * | library     | of an embedding program                                 |
 */
export const TRANSPORTS = ['grpc_stream', 'grpc_unary', 'http', 'library'] as const;
export type Transport = (typeof TRANSPORTS)[number];

/** Codes of the errors with which heartbeats are refused; `internal` stands for all others. */
export const HEARTBEAT_REFUSALS = [
  'invalid_argument',
  'unauthenticated',
  'permission_denied',
  'not_admitted',
  'failed_precondition',
  'too_large',
  'rate_limited',
  'resource_exhausted',
  'unavailable',
  'internal',
] as const satisfies readonly ErrorCode[];
export type HeartbeatRefusal = (typeof HEARTBEAT_REFUSALS)[number];

export function heartbeatRefusalOf(error: unknown): HeartbeatRefusal {
  const code = error instanceof PulselaneError ? error.code : 'internal';
  return HEARTBEAT_REFUSALS.find((refusal) => refusal === code) ?? 'internal';
}
