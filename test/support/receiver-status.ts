/** The state of a receiver of metrics as main announces it. */
import { NOTHING_DROPPED, type ReceiverStatus } from '../../src/model/export-status.ts';

export function receiverStatus(changes: Partial<ReceiverStatus> = {}): ReceiverStatus {
  return {
    kind: 'remote_write',
    place: 'http://prometheus:9090/api/v1/write',
    protocol: '2.0',
    intervalMs: 15_000,
    state: 'ok',
    problem: null,
    atUnixMs: 1_795_456_495_000,
    lastSentUnixMs: 1_795_456_494_000,
    sentMessages: 3,
    sentSamples: 12,
    failedAttempts: 1,
    dropped: { ...NOTHING_DROPPED, full: 2 },
    queue: { messages: 1, samples: 4, bytes: 64, maxBytes: 1024, oldestUnixMs: 1_795_456_493_000 },
    series: 4,
    leftOutSeries: 0,
    collectMs: 1.5,
    skippedRounds: 0,
    lastFailure: { code: 'unreachable', detail: 'connect ECONNREFUSED', atUnixMs: 1_795_456_490_000 },
    ...changes,
  };
}
