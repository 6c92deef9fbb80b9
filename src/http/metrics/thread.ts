/** The entry of the metrics thread: a reading thread of the HTTP thread, with one scrape at a time. */
import { systemClock, type Timer } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import { globMatcher } from '../../lib/globs.ts';
import { portOf } from '../../lib/ports.ts';
import { takeThreadStart } from '../../lib/thread-start.ts';
import { ProcessMetrics } from '../../metrics/master/process-metrics.ts';
import { Refresher } from '../../metrics/scrape/refresher.ts';
import { KEPT_WITHOUT_SCRAPES_MS } from '../../metrics/scrape/scrape-limits.ts';
import { type ScrapeAnswer, type ScrapeRequest, Scraper } from '../../metrics/scrape/scraper.ts';
import { readFor } from '../../reading/reader-thread.ts';
import { MIN_GZIP_BYTES } from '../http-limits.ts';
import type { Said, ToPoolThread } from '../query/pool-messages.ts';
import type { MetricsThreadData } from './pool.ts';

const { port, data } = takeThreadStart<MetricsThreadData>();
readFor<ToPoolThread<ScrapeRequest>, Said<ScrapeAnswer>>(portOf(port), data, ({ directory, post }) => {
  const process = new ProcessMetrics();
  const scraper = new Scraper({
    directory,
    clock: systemClock,
    process,
    isAllowed: globMatcher(data.labels),
    maxSeries: data.maxSeries,
    minGzipBytes: MIN_GZIP_BYTES,
  });
  const refresher = new Refresher({ scraper, clock: systemClock, workers: () => directory.size });
  let forgetting: Timer | undefined;
  return {
    async received(message) {
      // A scrape takes one turn: there is nothing to cancel.
      if (message.type !== 'task') return;
      forgetting?.cancel();
      const askedMs = systemClock.monotonicMs();
      // If the thread dies, this tells whether the task can be the cause.
      post('begun');
      try {
        if (message.task.collections.includes('master')) await process.read();
        const answer = scraper.scrape(message.task);
        // Transferred, not copied.
        post({ ok: true, answer }, [answer.bytes.buffer]);
        refresher.scraped(message.task, askedMs);
      } catch (error) {
        post({ ok: false, message: messageOf(error) });
      }
      forgetting = systemClock.after(KEPT_WITHOUT_SCRAPES_MS, () => {
        scraper.forget();
        refresher.forget();
      });
    },
    async stop() {
      forgetting?.cancel();
      refresher.forget();
    },
  };
});
