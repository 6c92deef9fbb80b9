/** The tasks of pool threads: a plain class over a directory. */
import { gzipSync } from 'node:zlib';
import { type ClusterFigures, clusterFigures } from '../../reading/cluster-figures.ts';
import type { Directory } from '../../reading/directory.ts';
import { JsonText } from '../bodies/json-text.ts';
import { type BatchLimits, BatchReader, type OwnBatch, ownBatch } from '../heartbeats/batch.ts';
import { GZIP_LEVEL, MAX_PAGE_BYTES, MIN_GZIP_BYTES } from '../http-limits.ts';
import { type PageRequest, writePage } from './page.ts';
import { type TargetsRequest, writeTargets } from './scrape-targets.ts';

export type Task =
  | { readonly type: 'page'; readonly request: PageRequest; readonly gzip: boolean }
  | { readonly type: 'targets'; readonly request: TargetsRequest; readonly gzip: boolean }
  | { readonly type: 'cluster' }
  | { readonly type: 'gzip'; readonly bytes: Uint8Array }
  | { readonly type: 'heartbeats'; readonly body: Uint8Array; readonly limits: BatchLimits };

/** Ready to be sent. */
interface ReadyText {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly isGzip: boolean;
}

export interface PageAnswer extends ReadyText {
  readonly nextCursor: string | null;
}

export interface TargetsAnswer extends ReadyText {
  readonly withoutAddress: number;
}

/** By task type. */
export interface Answers {
  readonly page: PageAnswer;
  readonly targets: TargetsAnswer;
  readonly cluster: ClusterFigures;
  readonly gzip: Uint8Array<ArrayBuffer>;
  readonly heartbeats: OwnBatch;
}
export type Answer = Answers[Task['type']];

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
      case 'targets': {
        const withoutAddress = writeTargets(this.#text.clear(), this.#directory, task.request);
        return { ...this.#ready(task.gzip), withoutAddress };
      }
      case 'cluster':
        return clusterFigures(this.#directory);
      case 'gzip':
        return gzipped(task.bytes);
      case 'heartbeats':
        return ownBatch(new BatchReader().read(task.body, task.limits));
      default:
        return task satisfies never;
    }
  }

  #page(request: PageRequest, gzip: boolean): PageAnswer {
    const nextCursor = writePage(this.#text.clear(), this.#directory, request);
    return { ...this.#ready(gzip), nextCursor };
  }

  /** The present text. */
  #ready(gzip: boolean): ReadyText {
    const isGzip = gzip && this.#text.length >= MIN_GZIP_BYTES;
    // Copied: transferred memory is gone from this thread, but the text is reused.
    const bytes = isGzip ? gzipped(this.#text.bytes()) : new Uint8Array(this.#text.bytes());
    // Free the memory after a page of large records.
    if (this.#text.capacityBytes > MAX_PAGE_BYTES / 4) this.#text = new JsonText();
    return { bytes, isGzip };
  }
}

/** Copies bytes into memory of their own for the transfer: Node keeps small results in shared memory. */
export function gzipped(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(gzipSync(bytes, { level: GZIP_LEVEL }));
}
