/** What the pool's threads are asked to do, and how: a plain class over a directory. */
import { gzipSync } from 'node:zlib';
import { type ClusterFigures, clusterFigures } from '../../reading/cluster-figures.ts';
import type { Directory } from '../../reading/directory.ts';
import { JsonText } from '../bodies/json-text.ts';
import { GZIP_LEVEL, MAX_PAGE_BYTES, MIN_GZIP_BYTES } from '../http-limits.ts';
import { type PageRequest, writePage } from './page.ts';

export type Task =
  | { readonly type: 'page'; readonly request: PageRequest; readonly gzip: boolean }
  | { readonly type: 'cluster' }
  | { readonly type: 'gzip'; readonly bytes: Uint8Array };

export interface PageAnswer {
  /** Ready to be sent. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly isGzip: boolean;
  readonly nextCursor: string | null;
}

/** By the type of the task. */
export interface Answers {
  readonly page: PageAnswer;
  readonly cluster: ClusterFigures;
  readonly gzip: Uint8Array<ArrayBuffer>;
}
export type Answer = Answers[Task['type']];

/** What became of a task. `message` is for people. */
export type Outcome = { readonly ok: true; readonly answer: Answer } | { readonly ok: false; readonly message: string };

/** What a thread says of the task that it was given: that it begins, then what became of it. */
export type Said = 'begun' | Outcome;

export class TaskRunner {
  readonly #directory: Directory;
  #text = new JsonText();

  constructor(directory: Directory) {
    this.#directory = directory;
  }

  run(task: Task): Answer {
    switch (task.type) {
      case 'page':
        return this.#page(task.request, task.gzip);
      case 'cluster':
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
}

/** In memory of its own, so that it can be transferred: small results lie in memory that Node shares among many. */
function gzipped(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(gzipSync(bytes, { level: GZIP_LEVEL }));
}
