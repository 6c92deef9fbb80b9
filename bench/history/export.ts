/** How fast a range of history is exported, in how much memory, and whether heartbeats notice. */
import { type Bench, type BenchContext, repeated, type Size, scaled } from '../lib/bench.ts';
import { type Child, withChildren } from '../lib/child.ts';
import { figuresOf, p50p99 } from '../lib/rows.ts';
import { accountedFor } from '../lib/server.ts';
import { caughtUp, laneMixes, startMaster } from '../lib/servers.ts';
import { eventually, sleepMs } from '../lib/time.ts';
import type { HistorySizesCalls } from '../processes/history-sizes.ts';
import type { MasterCalls } from '../processes/master.ts';
import { DAY_MS, SAMPLES_PER_HOUR } from './fill.ts';
import { hoursOf } from './sizes.ts';
import { withFolder } from './temporary.ts';
import { WALK_KEYS, WALK_START_MS } from './walks.ts';

/** 72 workers × 24 h × 720 × 8 metrics: 10 million rows. */
const WORKERS = 72;
/** They send meanwhile. */
const SENDERS = 1000;
const STREAMS = 50;
const PER_SECOND = 1000;
const PROBES_PER_SECOND = 300;
const WARM_MS = 2000;
const ALONE_MS = 5000;
const LOOK_EVERY_MS = 50;
const MB = 1e6;

/** Values of January are to be found today. */
const KEEPS = { HISTORY_RAW: '10y', HISTORY_1M: '10y', HISTORY_1H: '10y', HISTORY_MAX_SIZE: '100GiB' };

interface Exported {
  readonly bytes: number;
  readonly seconds: number;
  readonly peakRssBytes: number;
}

interface Run {
  readonly rssBytes: number;
  /** The first quarter of the range. */
  readonly quarter: Exported;
  readonly csv: Exported;
  readonly jsonl: Exported;
  readonly parquet: Exported;
  readonly ackAloneMs: number;
  readonly ackMeanwhileMs: number;
}

export const historyExport: Bench = {
  name: 'history-export',
  question: 'How fast are 10 million values exported, in how much memory, and do heartbeats notice?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, ({ fleet }) => measure(context.size, scaled(WORKERS, fleet)));
    const rows =
      (scaled(WORKERS, context.size.fleet) * hoursOf(context.size) * SAMPLES_PER_HOUR * WALK_KEYS.length) / 1e6;
    const of = `${rows.toPrecision(2)} million values`;
    const ack = `ack of a heartbeat from when it was due, ${SENDERS} workers send`;
    return figuresOf<Run>(runs, [
      ...(['csv', 'jsonl', 'parquet'] as const).map((format) => ({
        id: `history.export.${format}.rate`,
        question: `export of ${of} as ${format}`,
        unit: 'MB/s',
        of: (run: Run) => run[format].bytes / MB / run[format].seconds,
      })),
      ...(['csv', 'jsonl', 'parquet'] as const).map((format) => ({
        id: `history.export.${format}.values`,
        question: `export of ${of} as ${format}, values`,
        unit: '/s',
        of: (run: Run) => (rows * 1e6) / run[format].seconds,
      })),
      {
        id: 'history.export.rss.before',
        question: 'memory of the master before',
        unit: 'MB',
        of: (run) => run.rssBytes / MB,
      },
      {
        id: 'history.export.rss.quarter',
        question: `memory at most while a quarter of ${of} is exported (CSV)`,
        unit: 'MB',
        of: ({ quarter }) => quarter.peakRssBytes / MB,
      },
      {
        id: 'history.export.rss.all',
        question: `memory at most while ${of} are exported (CSV)`,
        unit: 'MB',
        of: ({ csv }) => csv.peakRssBytes / MB,
      },
      {
        id: 'history.export.rss.ratio',
        question: 'memory at most: all compared with a quarter',
        unit: '×',
        goal: 1.1,
        of: ({ csv, quarter }) => csv.peakRssBytes / quarter.peakRssBytes,
      },
      { id: 'history.export.ack.alone.p99', question: `${ack}, p99`, unit: 'ms', of: (run) => run.ackAloneMs },
      {
        id: 'history.export.ack.meanwhile.p99',
        question: `${ack}, while exports run, p99`,
        unit: 'ms',
        of: (run) => run.ackMeanwhileMs,
      },
      {
        id: 'history.export.ack.ratio',
        question: `${ack}: while exports run, compared, p99`,
        unit: '×',
        goal: 1.25,
        of: (run) => run.ackMeanwhileMs / run.ackAloneMs,
      },
    ]);
  },
};

function measure(size: Size, workers: number): Promise<Run> {
  return withFolder((folder) =>
    withChildren(async (start) => {
      const filler = start<HistorySizesCalls>('history-sizes.ts');
      await filler.call('write', folder, { workers, hours: hoursOf(size), kind: 'walks' });
      const senders = scaled(SENDERS, size.fleet);
      const settings = { ...laneMixes(size).shared, ...KEEPS, DATA_DIR: folder };
      const started = await startMaster(start, settings, senders);
      const { server, load, grpcPort, httpPort } = started;
      const streams = Math.min(STREAMS, senders);
      const rates = { perSecond: PER_SECOND, probesPerSecond: PROBES_PER_SECOND };
      await load.call('start', { type: 'steady-streams', grpcPort, workers: senders, streams, ...rates });
      await sleepMs(WARM_MS * size.warm);
      await caughtUp(started);
      const exported = (format: string, hours: number) => timedExport(server, httpPort, format, hours);
      const acks = async () => {
        const latenciesMs: number[] = [];
        await eventually('a heartbeat is acked', async () => {
          latenciesMs.push(...(await load.call('stats')).latenciesMs);
          return latenciesMs.length > 0;
        });
        return p50p99(latenciesMs).p99;
      };
      await load.call('stats');
      await sleepMs(ALONE_MS * size.time);
      const ackAloneMs = await acks();
      const rssBytes = await server.call('rssBytes');
      const hours = hoursOf(size);
      const quarter = await exported('csv', hours / 4);
      const csv = await exported('csv', hours);
      const jsonl = await exported('jsonl', hours);
      const parquet = await exported('parquet', hours);
      const ackMeanwhileMs = await acks();
      await accountedFor(server, await load.call('stop'));
      return { rssBytes, quarter, csv, jsonl, parquet, ackAloneMs, ackMeanwhileMs };
    }),
  );
}

async function timedExport(
  server: Child<MasterCalls>,
  httpPort: number,
  format: string,
  hours: number,
): Promise<Exported> {
  let peakRssBytes = 0;
  let isLooking = true;
  const looks = (async () => {
    while (isLooking) {
      peakRssBytes = Math.max(peakRssBytes, await server.call('rssBytes'));
      await sleepMs(LOOK_EVERY_MS);
    }
  })();
  const startMs = performance.now();
  const to = new Date(WALK_START_MS + (hours / 24) * DAY_MS).toISOString();
  const range = new URLSearchParams({ from: new Date(WALK_START_MS).toISOString(), to, format, tier: 'raw' });
  const response = await fetch(`http://127.0.0.1:${httpPort}/api/v1/history/export?${range}`);
  if (!response.ok || response.body === null) throw new Error(`export: ${response.status} ${await response.text()}`);
  let bytes = 0;
  for await (const chunk of response.body) bytes += chunk.length;
  const seconds = (performance.now() - startMs) / 1000;
  isLooking = false;
  await looks;
  return { bytes, seconds, peakRssBytes };
}
