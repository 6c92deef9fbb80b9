/** The export thread's end of its port: a pipeline for each receiver, and its reports. */
import type { Clock, Timer } from '../../lib/clock.ts';
import type { WorkerEvent } from '../../model/events.ts';
import type { ReadingParts, ReadingUser } from '../../reading/reader-thread.ts';
import { Collector } from './collector.ts';
import { REPORT_EVERY_MS } from './export-limits.ts';
import { globMatcher } from './globs.ts';
import type { ExportThreadData, FromExport, ReceiverSettings, ToExport } from './messages.ts';
import { Pipeline } from './pipeline.ts';
import { escapingOf, exporterOf } from './receivers.ts';
import { directorySource } from './series-source.ts';

export function exportMetrics(
  { directory, post }: ReadingParts<FromExport>,
  { settings }: ExportThreadData,
  clock: Clock,
): ReadingUser<ToExport> {
  const { receivers, maxQueueBytes, infoLabels } = settings;
  let lastEventId = 0;
  let reports: Timer | undefined;
  const sourceFor = (receiver: ReceiverSettings) =>
    directorySource({
      directory,
      clock,
      isAllowed: globMatcher(infoLabels),
      isWanted: receiver.families === undefined ? () => true : globMatcher(receiver.families),
      escaped: escapingOf(receiver),
    });
  const report = () => post({ type: 'status', receivers: pipelines.map(({ status }) => status), lastEventId });
  const pipelines = receivers.map(
    (receiver) =>
      new Pipeline({
        exporter: exporterOf(receiver, clock),
        collector: new Collector(directory, sourceFor(receiver)),
        intervalMs: receiver.intervalMs,
        maxQueueBytes,
        clock,
        onChange: report,
      }),
  );
  const tell = (events: readonly WorkerEvent[]) => {
    const fresh = events.filter(({ id }) => id > lastEventId);
    if (fresh.length === 0) return;
    lastEventId = (fresh.at(-1) as WorkerEvent).id;
    for (const pipeline of pipelines) pipeline.events(fresh);
  };
  return {
    announced(items) {
      // Before that it is the roster, whose events may be old.
      if (reports === undefined) return;
      for (const item of items) if (item.type === 'events') tell(item.events);
    },
    received(message) {
      lastEventId = message.lastEventId;
      tell(directory.events.all());
      reports = clock.every(REPORT_EVERY_MS, report);
      for (const pipeline of pipelines) pipeline.start();
      report();
    },
    async stop() {
      reports?.cancel();
      await Promise.all(pipelines.map((pipeline) => pipeline.stop()));
      report();
    },
  };
}
