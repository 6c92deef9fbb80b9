/** The state of history as main announces it. */
import type { HistoryStatus } from '../../src/model/history-status.ts';
import { NOW_S } from './support.ts';

const NOW = NOW_S * 1000;
const DAY = 86_400_000;

export function historyStatus({ rawMs = DAY, minuteMs = 30 * DAY, hourMs = 730 * DAY } = {}): HistoryStatus {
  const figures = { bytes: 1, oldestUnixMs: {}, deletedEarly: 0, damaged: 0 };
  return {
    state: 'ok',
    backend: 'sqlite',
    place: '/data/history.db',
    problem: null,
    atUnixMs: NOW,
    openSinceUnixMs: NOW,
    durableUntilUnixMs: NOW,
    samples: 1,
    batches: 1,
    waitingSamples: 0,
    samplesPerS: 0,
    commitMs: 1,
    lost: { overwritten: 0, spool_full: 0, spool_damaged: 0, refused: 0 },
    lostEvents: 0,
    lostTaskChanges: 0,
    closedTooLate: 0,
    spool: { bytes: 0, maxBytes: 1, batches: 0, damaged: 0 },
    figures,
    retention: { rawMs, minuteMs, hourMs, maxBytes: null },
  };
}
