/** Queries over many workers: answered in this thread while there are few, otherwise by the pool. */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { type ClusterFigures, clusterFigures } from '../../reading/cluster-figures.ts';
import type { Announcement } from '../../reading/directory.ts';
import type { Body } from '../bodies/body.ts';
import { BytesInFlight } from '../bodies/bytes-in-flight.ts';
import type { JsonText, JsonTextPool } from '../bodies/json-text.ts';
import { type Batch, type BatchLimits, BatchReader } from '../heartbeats/batch.ts';
import {
  GZIP_LEVEL,
  MAX_BODY_BYTES_INLINE,
  MAX_WORKERS_INLINE,
  MIN_GZIP_BYTES,
  MIN_GZIP_BYTES_IN_POOL,
} from '../http-limits.ts';
import { LimitReached } from '../http-refusals.ts';
import { type PageRequest, writePage } from './page.ts';
import type { PoolOptions } from './pool.ts';
import { QueryPool } from './query-pool.ts';
import { type TargetsRequest, writeTargets } from './scrape-targets.ts';

const gzipAside = promisify(gzip);

export interface Page extends Body {
  readonly nextCursor: string | null;
}

export interface TargetList extends Body {
  /** See {@link writeTargets}. */
  readonly withoutAddress: number;
}

export interface QueriesOptions extends PoolOptions {
  readonly texts: JsonTextPool;
  /** The most workers processed in this thread. Default: MAX_WORKERS_INLINE. */
  readonly maxWorkersInline?: number;
}

export class Queries {
  readonly pool: QueryPool;
  readonly #options: QueriesOptions;
  readonly #inFlight = new BytesInFlight();
  readonly #batches = new BatchReader();

  constructor(options: QueriesOptions) {
    this.#options = options;
    this.pool = new QueryPool(options);
  }

  /** Publishes changes, after the directory has applied them. */
  announced(announcements: readonly Announcement[]): void {
    this.pool.announced(announcements);
  }

  /** @throws PulselaneError `resource_exhausted` or `unavailable` */
  async page(request: PageRequest, wantsGzip: boolean): Promise<Page> {
    const { directory } = this.#options;
    if (this.#areMany) {
      const { bytes, isGzip, nextCursor } = await this.pool.page(request, wantsGzip);
      return { ...this.#held(bytes, isGzip), nextCursor };
    }
    let nextCursor: string | null = null;
    const body = await this.text((text) => {
      nextCursor = writePage(text, directory, request);
    }, wantsGzip);
    return { ...body, nextCursor };
  }

  /** @throws PulselaneError as `page` does */
  async targets(request: TargetsRequest, wantsGzip: boolean): Promise<TargetList> {
    if (this.#areMany) {
      const { bytes, isGzip, withoutAddress } = await this.pool.targets(request, wantsGzip);
      return { ...this.#held(bytes, isGzip), withoutAddress };
    }
    let withoutAddress = 0;
    const body = await this.text((text) => {
      withoutAddress = writeTargets(text, this.#options.directory, request);
    }, wantsGzip);
    return { ...body, withoutAddress };
  }

  /**
   * A body with the text that `write` appends; compressed in another thread if requested and useful.
   * @throws PulselaneError as `page` does, and whatever `write` throws
   */
  async text(write: (text: JsonText) => void, wantsGzip: boolean): Promise<Body> {
    const { texts } = this.#options;
    const text = texts.take();
    if (text === undefined) throw tooMuch();
    try {
      write(text);
      const zipped = wantsGzip ? await this.#zipped(text.bytes()) : undefined;
      if (zipped === undefined) return { bytes: text.bytes(), isGzip: false, giveBack: () => texts.give(text) };
      texts.give(text);
      return this.#held(zipped, true);
    } catch (error) {
      texts.give(text);
      throw error;
    }
  }

  /** @throws PulselaneError as `page` does */
  async cluster(): Promise<ClusterFigures> {
    return this.#areMany ? this.pool.cluster() : clusterFigures(this.#options.directory);
  }

  /**
   * A body with these bytes; compressed in another thread if requested and useful.
   * @throws PulselaneError as `page` does
   */
  async body(plain: Uint8Array, wantsGzip: boolean): Promise<Body> {
    const zipped = wantsGzip ? await this.#zipped(plain) : undefined;
    return this.#held(zipped ?? plain, zipped !== undefined);
  }

  /**
   * The same for bytes that another thread has made, and compressed.
   * @throws PulselaneError `resource_exhausted`
   */
  held({ bytes, isGzip }: { readonly bytes: Uint8Array; readonly isGzip: boolean }): Body {
    return this.#held(bytes, isGzip);
  }

  /** Reads the body of a request with heartbeats. @throws PulselaneError as `page` does */
  heartbeats(body: Uint8Array, limits: BatchLimits): Batch | Promise<Batch> {
    if (body.length > MAX_BODY_BYTES_INLINE) return this.pool.heartbeats(body, limits);
    return this.#batches.read(body, limits);
  }

  /** Large bodies that clients have not read completely. */
  get bodiesInFlight(): number {
    return this.#inFlight.bodies;
  }

  #held(bytes: Uint8Array, isGzip: boolean): Body {
    const giveBack = this.#inFlight.take(bytes.length);
    if (giveBack === undefined) throw tooMuch();
    return { bytes, isGzip, giveBack };
  }

  async #zipped(bytes: Uint8Array): Promise<Uint8Array | undefined> {
    if (bytes.length < MIN_GZIP_BYTES) return undefined;
    if (bytes.length >= MIN_GZIP_BYTES_IN_POOL) return this.pool.gzip(bytes);
    return gzipAside(bytes, { level: GZIP_LEVEL });
  }

  stop(): Promise<void> {
    return this.pool.stop();
  }

  get #areMany(): boolean {
    const { directory, maxWorkersInline = MAX_WORKERS_INLINE } = this.#options;
    return directory.size > maxWorkersInline;
  }
}

function tooMuch(): LimitReached {
  return new LimitReached('resource_exhausted', 'answers', 'too many large answers are being sent');
}
