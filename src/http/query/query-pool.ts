/** The pool for queries over many workers, and for compressing large bodies. */
import type { Announcement } from '../../reading/directory.ts';
import type { BatchLimits } from '../heartbeats/batch.ts';
import { MAX_QUERIES_UNDER_WAY, POOL_THREADS, QUERY_WITHIN_MS } from '../http-limits.ts';
import type { PageRequest } from './page.ts';
import { Pool, type PoolOptions } from './pool.ts';
import type { TargetsRequest } from './scrape-targets.ts';
import type { Answer, Answers, Task } from './tasks.ts';

export class QueryPool extends Pool<Task, Answer> {
  constructor(options: PoolOptions) {
    super(options, {
      script: 'http/query/thread',
      name: 'pulselane-query',
      title: 'a query thread',
      data: { board: options.directory.board.memory },
      question: 'query',
      reason: 'queries',
      maxThreads: POOL_THREADS,
      maxUnderWay: MAX_QUERIES_UNDER_WAY,
      withinMs: QUERY_WITHIN_MS,
      concerns: concernsQueries,
    });
  }

  /** @throws PulselaneError `resource_exhausted` or `unavailable` */
  page(request: PageRequest, gzip: boolean): Promise<Answers['page']> {
    return this.ask({ type: 'page', request, gzip });
  }

  /** @throws PulselaneError as `page` does */
  targets(request: TargetsRequest, gzip: boolean): Promise<Answers['targets']> {
    return this.ask({ type: 'targets', request, gzip });
  }

  /** @throws PulselaneError as `page` does */
  cluster(): Promise<Answers['cluster']> {
    return this.ask({ type: 'cluster' });
  }

  /** @throws PulselaneError as `page` does */
  gzip(bytes: Uint8Array): Promise<Answers['gzip']> {
    // Copied: transferring a view would send all the memory behind it.
    return this.ask({ type: 'gzip', bytes: new Uint8Array(bytes) });
  }

  /** Reads a body with heartbeats. @throws PulselaneError as `page` does */
  heartbeats(body: Uint8Array, limits: BatchLimits): Promise<Answers['heartbeats']> {
    return this.ask({ type: 'heartbeats', body: new Uint8Array(body), limits });
  }
}

/** Queries use neither events nor holds. */
export function concernsQueries({ type }: Announcement): boolean {
  return (
    type === 'slotAdded' ||
    type === 'slotGrown' ||
    type === 'slotGone' ||
    type === 'slotsLetGo' ||
    type === 'workerFacts' ||
    type === 'laneFault'
  );
}
