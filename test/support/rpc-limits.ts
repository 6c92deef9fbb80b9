/** Limits that no test reaches by accident. */
import type { RpcLimits } from '../../src/rpc/server.ts';

export const NO_LIMITS: RpcLimits = {
  maxMessageBytes: 4 * 1024 ** 2,
  maxRecordBytes: 8 * 1024 ** 2,
  maxMetadataBytes: 64 * 1024,
  maxStreamsPerConnection: 1000,
  maxPeerHeartbeatsPerS: 0,
  maxPeerCallsPerS: 0,
  maxGrpcConnections: 10_000,
  maxPeerGrpcConnections: 10_000,
  grpcHandshakeMs: 60_000,
};
