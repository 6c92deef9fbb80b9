/** The history thread's end of its port: what the host announces goes to the recorder, and its reports back. */
import { statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';
import type { HistoryRetentionStatus } from '../model/history-status.ts';
import type { ReadingParts, ReadingUser } from '../reading/reader-thread.ts';
import { SampleDrain } from '../reading/sample-drain.ts';
import type { Retention } from './backend.ts';
import { BatchBuilder } from './batch-builder.ts';
import { AUTO_MAX_BYTES, AUTO_SHARE_OF_DISK } from './history-limits.ts';
import type { FromHistory, HistorySettings, HistoryThreadData, ToHistory } from './messages.ts';
import { openDatabase } from './open-database.ts';
import { Recorder } from './recorder.ts';
import { Spool } from './spool.ts';

/** In the data directory. */
const SPOOL_FOLDER = 'history-spool';

export function recordHistory(
  { directory, post }: ReadingParts<FromHistory>,
  { settings, startedUnixMs }: HistoryThreadData,
  clock: Clock,
): ReadingUser<ToHistory> {
  const { board, events } = directory;
  const { bootId } = board;
  const drain = new SampleDrain(board);
  const builder = new BatchBuilder({
    bootId,
    source: drain,
    events,
    isKnown: (workerId) => directory.get(workerId) !== undefined,
  });
  const onLoss = (message: string) => post({ type: 'loss', message });
  let recorder: Recorder | undefined;
  const begin = async (lastBatch: number) => {
    builder.skip({ lastBatch });
    const retention = retentionOf(settings);
    const spool = await openSpool(settings, onLoss);
    recorder = new Recorder({
      run: { bootId, startedMs: startedUnixMs },
      builder,
      source: drain,
      open: () => openDatabase(settings.place, onLoss),
      spool,
      spoolMaxBytes: settings.spoolMaxBytes,
      retention,
      shown: { backend: settings.place.kind, place: settings.shownPlace, retention: shownRetention(retention) },
      clock,
      onStatus: (status) =>
        post({ type: 'status', status, lastBatch: builder.lastBatch, settled: drain.takeSettled() }),
      onLoss,
      onLastEventId: (id) => post({ type: 'lastEventId', id }),
    });
    recorder.start();
  };
  let begun: Promise<void> | undefined;
  return {
    announced(items) {
      for (const item of items) drain.apply(item);
    },
    received(message) {
      begun = begin(message.lastBatch);
    },
    async stop() {
      await begun;
      await recorder?.stop();
    },
  };
}

/** Undefined: it cannot be used, which is told. */
async function openSpool(
  { dataDir, spoolMaxBytes }: HistorySettings,
  onLoss: (message: string) => void,
): Promise<Spool | undefined> {
  const folder = join(dataDir, SPOOL_FOLDER);
  try {
    return await Spool.open(folder, spoolMaxBytes);
  } catch (error) {
    onLoss(`the spool of history cannot be used: ${folder}: ${messageOf(error)}`);
    return undefined;
  }
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
