/** Counts of a receiver are of the whole run of the master, in which several export threads may follow one another: pure functions. */
import { EXPORT_DROP_REASONS, type ExportDropReason, type ReceiverStatus } from '../../model/export-status.ts';

/** What a thread reports, on top of what those before it have done. */
export function carried(before: ReceiverStatus, reported: ReceiverStatus): ReceiverStatus {
  const dropped = Object.fromEntries(
    EXPORT_DROP_REASONS.map((reason) => [reason, before.dropped[reason] + reported.dropped[reason]]),
  ) as Record<ExportDropReason, number>;
  const lastSentUnixMs = reported.lastSentUnixMs ?? before.lastSentUnixMs;
  return {
    ...reported,
    state: reported.state === 'starting' && lastSentUnixMs !== null ? 'ok' : reported.state,
    lastSentUnixMs,
    sentMessages: before.sentMessages + reported.sentMessages,
    sentSamples: before.sentSamples + reported.sentSamples,
    failedAttempts: before.failedAttempts + reported.failedAttempts,
    dropped,
    skippedRounds: before.skippedRounds + reported.skippedRounds,
    lastFailure: reported.lastFailure ?? before.lastFailure,
  };
}

/** The thread has ended, and what waited in it is lost. */
export function endedWithThread(status: ReceiverStatus): ReceiverStatus {
  const { queue, dropped } = status;
  return {
    ...status,
    dropped: { ...dropped, thread: dropped.thread + queue.samples },
    queue: { ...queue, messages: 0, samples: 0, bytes: 0, oldestUnixMs: null },
  };
}
