/**
 * The thread that makes the answers of `GET /metrics`: one, since scrapes share what it keeps, started with the first scrape. The HTTP
 * thread passes the finished bytes on.
 */
import type { Clock } from '../../lib/clock.ts';
import { PulselaneError } from '../../lib/errors.ts';
import { concernsMaster, masterAnnouncements } from '../../metrics/master/families.ts';
import type { ScrapeAnswer, ScrapeFigures, ScrapeRequest } from '../../metrics/scrape/scraper.ts';
import type { MetricsSettings } from '../../metrics/settings.ts';
import type { Announcement } from '../../reading/directory.ts';
import type { ReaderData } from '../../reading/reader-messages.ts';
import { MAX_SCRAPES, SCRAPE_THREADS, SCRAPE_WITHIN_MS } from '../http-limits.ts';
import { Pool, type PoolOptions } from '../query/pool.ts';
import { concernsQueries } from '../query/query-pool.ts';

export type MetricsThreadData = ReaderData & MetricsSettings;

/** Answers scrapes; tests do so without a thread. */
export interface Scrapes {
  readonly maxSeries: number;
  /** Of the last answer with all workers. */
  readonly last: ScrapeFigures | undefined;
  /** @throws PulselaneError `resource_exhausted` or `unavailable` */
  scrape(request: ScrapeRequest, waiting?: Waiting): Promise<ScrapeAnswer>;
}

/** How long somebody waits for the answer. */
export interface Waiting {
  readonly timeoutMs?: number | undefined;
  /** Aborted when the client goes. */
  readonly signal?: AbortSignal;
}

export class MetricsPool extends Pool<ScrapeRequest, ScrapeAnswer> implements Scrapes {
  readonly maxSeries: number;
  readonly #clock: Clock;
  #last: ScrapeFigures | undefined;

  constructor(options: PoolOptions, settings: MetricsSettings) {
    const { directory, clock } = options;
    const data: MetricsThreadData = { board: directory.board.memory, ...settings };
    super(options, {
      script: 'http/metrics/thread',
      name: 'pulselane-metric',
      title: 'the thread for metrics',
      data,
      roster: () => masterAnnouncements(directory),
      question: 'scrape',
      reason: 'scrapes',
      maxThreads: SCRAPE_THREADS,
      maxUnderWay: MAX_SCRAPES,
      withinMs: SCRAPE_WITHIN_MS,
      concerns: (announcement: Announcement) => concernsQueries(announcement) || concernsMaster(announcement),
    });
    this.#clock = clock;
    this.maxSeries = settings.maxSeries;
  }

  get last(): ScrapeFigures | undefined {
    return this.#last;
  }

  async scrape(request: ScrapeRequest, { timeoutMs, signal }: Waiting = {}): Promise<ScrapeAnswer> {
    const unwanted = new AbortController();
    const { promise: isOver, reject } = Promise.withResolvers<never>();
    const end = (reason: string) => {
      // A running scrape cannot be cancelled, so its answer is not waited for.
      reject(new PulselaneError('unavailable', reason));
      unwanted.abort();
    };
    const late = () => end(`no answer within the scraper's timeout of ${timeoutMs} ms`);
    const gone = () => end('the client went away');
    const timer = timeoutMs === undefined ? undefined : this.#clock.after(timeoutMs, late);
    signal?.addEventListener('abort', gone, { once: true });
    try {
      const answer = await Promise.race([isOver, this.ask(request, { signal: unwanted.signal })]);
      if (request.workers === undefined && request.groups === undefined) this.#last = answer.figures;
      return answer;
    } finally {
      timer?.cancel();
      signal?.removeEventListener('abort', gone);
    }
  }
}
