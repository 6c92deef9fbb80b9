/** The export thread's end of its port: a pipeline for each receiver, and its reports. */
import type { Clock, Timer } from '../../lib/clock.ts';
import { globMatcher } from '../../lib/globs.ts';
import type { WorkerEvent } from '../../model/events.ts';
import type { ReadingParts, ReadingUser } from '../../reading/reader-thread.ts';
import { ProcessMetrics } from '../master/process-metrics.ts';
import { infoLabels } from '../workers/info-labels.ts';
import { Collector } from './collector.ts';
import { FORGET_FACTS_EVERY_MS, REPORT_EVERY_MS } from './export-limits.ts';
import { familyFilter } from './family-filter.ts';
import { KnownFacts } from './known-facts.ts';
import type { ExportSettings, FromExport, ReceiverSettings, ToExport } from './messages.ts';
import { Pipeline } from './pipeline.ts';
import { customNamingOf, exporterOf } from './receivers.ts';
import { directorySource, type SourceOptions } from './series-source.ts';

export function exportMetrics({ directory, post }: ReadingParts<FromExport>, clock: Clock): ReadingUser<ToExport> {
  let pipelines: readonly Pipeline[] = [];
  const process = new ProcessMetrics();
  const facts = new KnownFacts();
  let lastEventId = 0;
  /** Undefined: not told to begin. */
  let reports: Timer | undefined;
  let forgetting: Timer | undefined;

  const report = () => post({ type: 'status', receivers: pipelines.map(({ status }) => status), lastEventId });
  const tell = (events: readonly WorkerEvent[]) => {
    const fresh = events.filter(({ id }) => id > lastEventId);
    if (fresh.length === 0) return;
    lastEventId = (fresh.at(-1) as WorkerEvent).id;
    for (const pipeline of pipelines) pipeline.events(fresh);
  };
  const begin = (settings: ExportSettings) => {
    const { receivers, maxQueueBytes, maxSeries } = settings;
    const isAllowed = globMatcher(settings.infoLabels);
    const infoOf = (workerId: string) => infoLabels(workerId, facts.of(workerId), isAllowed);
    pipelines = receivers.map(
      (receiver) =>
        new Pipeline({
          exporter: exporterOf(receiver, clock, infoOf),
          collector: new Collector(directory, sourceFor(receiver, { directory, clock, process, isAllowed }), maxSeries),
          intervalMs: receiver.intervalMs,
          maxQueueBytes,
          clock,
          onChange: report,
        }),
    );
    tell(directory.events.all());
    reports = clock.every(REPORT_EVERY_MS, report);
    forgetting = clock.every(FORGET_FACTS_EVERY_MS, () => facts.forget());
    for (const pipeline of pipelines) pipeline.start();
    report();
  };
  return {
    announced(items) {
      for (const item of items) facts.apply(item);
      // Before that it is the roster, whose events may be old.
      if (reports === undefined) return;
      for (const item of items) if (item.type === 'events') tell(item.events);
    },
    received(message) {
      switch (message.type) {
        case 'begin':
          lastEventId = message.lastEventId;
          begin(message.settings);
          return;
        case 'renew':
          for (const [n, pipeline] of pipelines.entries()) pipeline.renew(message.receivers[n] as ReceiverSettings);
          return;
        default:
          message satisfies never;
      }
    },
    async stop() {
      reports?.cancel();
      forgetting?.cancel();
      await Promise.all(pipelines.map((pipeline) => pipeline.stop()));
      report();
    },
  };
}

function sourceFor(
  receiver: ReceiverSettings,
  parts: Pick<SourceOptions, 'directory' | 'clock' | 'process' | 'isAllowed'>,
) {
  const isChosen = familyFilter(receiver.families);
  return directorySource({
    ...parts,
    // OTLP makes resources of info families, and sends no metrics of them.
    isWanted: (family) => (receiver.kind === 'otlp' && family.type === 'info') || isChosen(family),
    customNaming: customNamingOf(receiver),
  });
}
