/** The history thread's end of its port: what the host announces goes to the recorder, and its reports back. */
import { statfsSync, statSync } from 'node:fs';
import type { Clock } from '../lib/clock.ts';
import type { HistoryRetentionStatus } from '../model/history-status.ts';
import type { ReadingParts, ReadingUser } from '../reading/reader-thread.ts';
import { SampleDrain } from '../reading/sample-drain.ts';
import type { Retention } from './backend.ts';
import { BatchBuilder } from './batch-builder.ts';
import { AUTO_MAX_BYTES, AUTO_SHARE_OF_DISK } from './history-limits.ts';
import type { FromHistory, HistorySettings, HistoryThreadData, ToHistory } from './messages.ts';
import { openDatabase } from './open-database.ts';
import { Recorder } from './recorder.ts';

export function recordHistory(
  { directory, post }: ReadingParts<FromHistory>,
  { settings, startedUnixMs }: HistoryThreadData,
  clock: Clock,
): ReadingUser<ToHistory> {
  const { board, events } = directory;
  const { bootId } = board;
  const drain = new SampleDrain(board);
  const builder = new BatchBuilder({ bootId, source: drain, events });
  const onLoss = (message: string) => post({ type: 'loss', message });
  const retention = retentionOf(settings);
  const recorder = new Recorder({
    run: { bootId, startedMs: startedUnixMs },
    builder,
    open: () => openDatabase(settings.place, onLoss),
    retention,
    shown: {
      backend: settings.place.kind,
      place: settings.shownPlace,
      spool: { bytes: 0, maxBytes: settings.spoolMaxBytes, batches: 0, damaged: 0 },
      retention: shownRetention(retention),
    },
    clock,
    onStatus: (status) => post({ type: 'status', status, lastBatch: builder.lastBatch }),
    onLastEventId: (id) => post({ type: 'lastEventId', id }),
  });
  return {
    announced(items) {
      for (const item of items) drain.apply(item);
    },
    received(message) {
      switch (message.type) {
        case 'begin':
          builder.resume(message.lastBatch, 0, new Map());
          return recorder.start();
        case 'gap':
          return builder.addGap(message.gap);
        default:
          return message satisfies never;
      }
    },
    stop: () => recorder.stop(),
  };
}

function retentionOf({ place, dataDir, rawMs, minuteMs, hourMs, maxBytes }: HistorySettings): Retention {
  const auto = place.kind === 'sqlite' ? autoMaxBytes(place.path, dataDir) : undefined;
  return { rawMs, minuteMs, hourMs, maxBytes: maxBytes ?? auto };
}

/** What the database itself takes counts as free, or it would have to become smaller with each start. */
function autoMaxBytes(path: string, dataDir: string): number {
  const { bavail, bsize } = statfsSync(dataDir);
  const ownBytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  return Math.floor(Math.min(AUTO_MAX_BYTES, AUTO_SHARE_OF_DISK * (bavail * bsize + ownBytes)));
}

function shownRetention({ maxBytes, ...times }: Retention): HistoryRetentionStatus {
  return { ...times, maxBytes: maxBytes ?? null };
}
