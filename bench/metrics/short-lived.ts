/** Whether a master's memory grows with workers that come and go while it is scraped. */
import { type Bench, type BenchContext, repeated, type Size, scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { figuresOf } from '../lib/rows.ts';
import { laneMixes, startMaster } from '../lib/servers.ts';
import type { ReaderCalls } from '../processes/reader.ts';

const WORKERS = 100_000;
/** Before: memory grows to a working size, as slots of removed workers are used again only after seconds, and garbage later. */
const FIRST_WORKERS = 80_000;
const SCRAPE_EVERY_MS = 1000;

interface Run {
  readonly firstMb: number;
  readonly allMb: number;
  readonly bodyBytes: number;
}

export const metricsShortLived: Bench = {
  name: 'metrics-short-lived',
  question: 'Does a scraped master grow with workers that come and go?',
  async run(context: BenchContext) {
    const runs = await repeated(this, context, measure);
    const workers = scaled(WORKERS, context.size.fleet);
    const who = `${workers} workers come and go, scraped every second`;
    return figuresOf<Run>(runs, [
      {
        id: 'metrics.short-lived.rss.first',
        question: `${who}: RSS of the master before, after ${scaled(FIRST_WORKERS, context.size.fleet)} others`,
        unit: 'MB',
        of: ({ firstMb }) => firstMb,
      },
      { id: 'metrics.short-lived.rss.all', question: `${who}: after all`, unit: 'MB', of: ({ allMb }) => allMb },
      {
        id: 'metrics.short-lived.rss.ratio',
        question: `${who}: the second compared with the first`,
        unit: '×',
        goal: 1.1,
        of: ({ firstMb, allMb }) => allMb / firstMb,
      },
      {
        id: 'metrics.short-lived.answer',
        question: `${who}: the answer after all`,
        unit: 'KB',
        of: ({ bodyBytes }) => bodyBytes / 1000,
      },
    ]);
  },
};

async function measure(size: Size): Promise<Run> {
  return await withChildren(async (start) => {
    const { server, httpPort } = await startMaster(start, { ...laneMixes(size).shared, HISTORY: 'off' }, 0);
    const reader = start<ReaderCalls>('reader.ts');
    const workers = scaled(WORKERS, size.fleet);
    const everyMs = SCRAPE_EVERY_MS * Math.min(1, 2.5 * size.time);
    const first = scaled(FIRST_WORKERS, size.fleet);
    const comeAndGo = async (from: number, count: number) => {
      let isOver = false;
      const scraping = (async () => {
        while (!isOver) {
          await reader.call('read', { httpPort, paths: ['/metrics'], forMs: 0, everyMs, least: 1 });
        }
      })();
      await server.call('comeAndGo', from, count);
      isOver = true;
      await scraping;
      return (await server.call('rssBytes')) / 1e6;
    };
    const firstMb = await comeAndGo(0, first);
    const allMb = await comeAndGo(first, workers);
    const { bodyBytes } = await reader.call('read', { httpPort, paths: ['/metrics'], forMs: 0, least: 1 });
    return { firstMb, allMb, bodyBytes };
  });
}
