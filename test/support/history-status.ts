import type { HistoryStatus } from '../../src/model/history-status.ts';

/** Of a history that works, except for what is given. */
export function historyStatus(but: Partial<HistoryStatus> = {}): HistoryStatus {
  return {
    state: 'ok',
    backend: 'sqlite',
    place: '/var/lib/pulselane/history.db',
    problem: null,
    atUnixMs: 1795456495001,
    openSinceUnixMs: 1795456490000,
    durableUntilUnixMs: 1795456494900,
    samples: 1000,
    batches: 10,
    waitingSamples: 3,
    samplesPerS: 200,
    commitMs: 4,
    lost: { overwritten: 0, spool_full: 0, spool_damaged: 0, refused: 0 },
    lostEvents: 0,
    lostTaskChanges: 0,
    closedTooLate: 0,
    spool: { bytes: 0, maxBytes: 1024 ** 3, batches: 0, damaged: 0 },
    figures: { bytes: 409_600, oldestUnixMs: { raw: 1795370095000 }, deletedEarly: 0, damaged: 0 },
    retention: { rawMs: 86_400_000, minuteMs: 2_592_000_000, hourMs: 63_072_000_000, maxBytes: 10 * 1024 ** 3 },
    ...but,
  };
}
