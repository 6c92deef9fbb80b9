/**
 * Threads for what would hold up the loop that live streams depend on. Made when they are first needed, so that small fleets
 * never pay for them; each reads the same shared memory, and is told by a feed which workers there are.
 */
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import type { Piscina } from 'piscina';
import type { Clock } from '../../lib/clock.ts';
import { messageOf, PulselaneError } from '../../lib/errors.ts';
import { NOTHING_INHERITED, threadPath } from '../../lib/threads.ts';
import type { Announcement, Directory } from '../../reading/directory.ts';
import { MAX_QUERIES_UNDER_WAY, POOL_HEAP_MIB, POOL_IDLE_MS, POOL_THREADS, QUERY_WITHIN_MS } from '../http-limits.ts';
import { LimitReached } from '../http-refusals.ts';
import type { HttpLog } from '../messages.ts';
import type { PageRequest } from './page.ts';
import { RosterFeed } from './roster-feed.ts';
import type { Answers, QueryThreadData, Task } from './tasks.ts';

export interface QueryPoolOptions {
  readonly directory: Directory;
  readonly clock: Clock;
  readonly log: HttpLog;
}

interface Started {
  readonly piscina: Piscina;
  readonly feed: RosterFeed;
}

export class QueryPool {
  readonly #options: QueryPoolOptions;
  #started: Promise<Started> | undefined;
  #feed: RosterFeed | undefined;
  #underWay = 0;
  #isStopped = false;

  constructor(options: QueryPoolOptions) {
    this.#options = options;
  }

  /** Tells what changed, after the directory has taken it in. */
  announced(announcements: readonly Announcement[]): void {
    this.#feed?.announce(announcements);
  }

  /** @throws PulselaneError `resource_exhausted` or `unavailable` */
  page(request: PageRequest, gzip: boolean): Promise<Answers['page']> {
    return this.#run((count) => ({ type: 'page', count, request, gzip }));
  }

  /** @throws PulselaneError as `page` does */
  cluster(): Promise<Answers['cluster']> {
    return this.#run((count) => ({ type: 'cluster', count }));
  }

  /** @throws PulselaneError as `page` does */
  gzip(bytes: Uint8Array): Promise<Answers['gzip']> {
    // A view would be sent with all the memory behind it.
    const copy = new Uint8Array(bytes);
    return this.#run(() => ({ type: 'gzip', bytes: copy }), [copy.buffer]);
  }

  /** For tests that hurt them; none before the first query. */
  async threads() {
    return (await this.#started)?.piscina.threads ?? [];
  }

  /** Ends all threads; what is under way fails. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const started = await this.#started?.catch(() => undefined);
    this.#feed?.stop();
    await started?.piscina.destroy();
  }

  async #run<Answer extends Answers[Task['type']]>(
    taskAt: (count: number) => Task,
    transferList: readonly ArrayBuffer[] = [],
  ): Promise<Answer> {
    if (this.#underWay >= MAX_QUERIES_UNDER_WAY) {
      throw new LimitReached('resource_exhausted', 'queries', `${MAX_QUERIES_UNDER_WAY} queries are under way already`);
    }
    this.#underWay++;
    const { clock, log } = this.#options;
    // Also a thread's death may leave a task behind that nobody would ever take up.
    const late = new AbortController();
    const timer = clock.after(QUERY_WITHIN_MS, () => late.abort());
    try {
      const { piscina, feed } = await this.#start();
      // A pool that was ended would start threads again.
      if (this.#isStopped) throw stopped();
      // Its type names what is no list of transfers any more.
      const options = { signal: late.signal, transferList: transferList as never };
      return (await piscina.run(taskAt(feed.count), options)) as Answer;
    } catch (error) {
      if (!this.#isStopped) log('warn', `a query failed: ${messageOf(error)}`);
      throw this.#isStopped
        ? stopped()
        : new PulselaneError('unavailable', 'the query was not answered; it may succeed when asked again');
    } finally {
      timer.cancel();
      this.#underWay--;
    }
  }

  #start(): Promise<Started> {
    this.#started ??= this.#make().catch((error: unknown) => {
      // Next time it is tried again.
      this.#started = undefined;
      throw error;
    });
    return this.#started;
  }

  async #make(): Promise<Started> {
    const { directory, log } = this.#options;
    const filename = threadPath('http/query/thread');
    // Loaded when it is needed: it is a third of what the http thread would load. From its folder, where its threads are.
    const { Piscina } = createRequire(import.meta.url)('piscina') as typeof import('piscina');
    if (this.#isStopped) throw stopped();
    const channel = `pulselane-query-${randomUUID()}`;
    const feed = new RosterFeed(directory, channel);
    this.#feed = feed;
    const data: QueryThreadData = { board: directory.board.memory, channel };
    const piscina = new Piscina({
      filename,
      ...NOTHING_INHERITED,
      argv: [],
      workerData: data,
      resourceLimits: { maxOldGenerationSizeMb: POOL_HEAP_MIB },
      minThreads: 1,
      maxThreads: POOL_THREADS,
      idleTimeout: POOL_IDLE_MS,
      maxQueue: MAX_QUERIES_UNDER_WAY,
      // A thread that sleeps in Atomics.wait would hear no announcements.
      atomics: 'disabled',
    });
    // A thread died between two tasks: the next one gets another.
    piscina.on('error', (error: unknown) => log('warn', `a query thread ended: ${messageOf(error)}`));
    piscina.on('workerDestroy', () => {
      queueMicrotask(() => feed.keepOnly(piscina.threads.map(({ threadId }) => threadId)));
    });
    return { piscina, feed };
  }
}

function stopped(): PulselaneError {
  return new PulselaneError('unavailable', 'the HTTP server stops');
}
