/** What the pool's threads are asked to do, and how: a plain class over a directory of their own. */
import { gzipSync } from 'node:zlib';
import { collectGarbage } from '../../lib/collect-garbage.ts';
import { type ClusterFigures, clusterFigures } from '../../reading/cluster-figures.ts';
import { type Announcement, Directory } from '../../reading/directory.ts';
import { BoardReader } from '../../store/board.ts';
import { JsonText } from '../bodies/json-text.ts';
import { GZIP_LEVEL, MAX_PAGE_BYTES, MIN_GZIP_BYTES } from '../http-limits.ts';
import { type PageRequest, writePage } from './page.ts';
import type { FromFeed } from './roster-feed.ts';

/** Handed to each thread when it is made. */
export interface QueryThreadData {
  readonly board: BoardReader['memory'];
  /** Name of the common channel, see roster-feed.ts. */
  readonly channel: string;
}

/** `count`: as many announcements the thread must know before it looks. */
export type Task =
  | { readonly type: 'page'; readonly count: number; readonly request: PageRequest; readonly gzip: boolean }
  | { readonly type: 'cluster'; readonly count: number }
  | { readonly type: 'gzip'; readonly bytes: Uint8Array };

export interface PageAnswer {
  /** Ready to be sent. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly isGzip: boolean;
  readonly nextCursor: string | null;
}

export interface Answers {
  readonly page: PageAnswer;
  readonly cluster: ClusterFigures;
  readonly gzip: Uint8Array<ArrayBuffer>;
}

export class TaskRunner {
  readonly #directory: Directory;
  #text = new JsonText();
  #isComplete = false;
  #count = 0;
  #waiting: { readonly count: number; readonly go: () => void }[] = [];

  constructor(board: BoardReader['memory']) {
    this.#directory = new Directory(new BoardReader(board));
  }

  /** Takes in what the http thread tells. */
  received(message: FromFeed): void {
    if (message.type === 'complete') this.#isComplete = true;
    else this.#apply(message.items);
    this.#count = message.count;
    const isDue = ({ count }: { readonly count: number }) => this.#knows(count);
    const due = this.#waiting.filter(isDue);
    this.#waiting = this.#waiting.filter((waiting) => !isDue(waiting));
    for (const { go } of due) go();
  }

  #apply(items: readonly Announcement[]): void {
    for (const item of items) this.#directory.apply(item);
    if (items.some(({ type }) => type === 'slotsLetGo')) collectGarbage();
  }

  async run(task: Task): Promise<Answers[Task['type']]> {
    switch (task.type) {
      case 'page':
        await this.#upTo(task.count);
        return this.#page(task.request, task.gzip);
      case 'cluster':
        await this.#upTo(task.count);
        return clusterFigures(this.#directory);
      case 'gzip':
        return gzipped(task.bytes);
      default:
        return task satisfies never;
    }
  }

  #page(request: PageRequest, gzip: boolean): PageAnswer {
    const nextCursor = writePage(this.#text.clear(), this.#directory, request);
    const isGzip = gzip && this.#text.length >= MIN_GZIP_BYTES;
    // A copy: what is sent away is gone from this thread, and the text is used again.
    const bytes = isGzip ? gzipped(this.#text.bytes()) : new Uint8Array(this.#text.bytes());
    // The memory of a page of large records is not kept.
    if (this.#text.capacityBytes > MAX_PAGE_BYTES / 4) this.#text = new JsonText();
    return { bytes, isGzip, nextCursor };
  }

  #upTo(count: number): Promise<void> | undefined {
    if (this.#knows(count)) return undefined;
    return new Promise((go) => this.#waiting.push({ count, go }));
  }

  #knows(count: number): boolean {
    return this.#isComplete && this.#count >= count;
  }
}

/** In memory of its own, so that it can be transferred: small results lie in memory that Node shares among many. */
function gzipped(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(gzipSync(bytes, { level: GZIP_LEVEL }));
}
