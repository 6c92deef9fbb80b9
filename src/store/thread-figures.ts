/**
 * Figures of reading threads: how promptly they work, how often they were started, and what the HTTP thread counts.
 *
 *     area of http 0                                                    http 1 …      query 0 …
 *     ┌────────┬────────────┬────────┬──────┬──────┬──────────────────┐ ┌────┐ ┌────┐ ┌────┐
 *     │ starts │ is running │ looked │ mean │ max  │ counts and gauges │ │    │ │    │ │    │
 *     └────────┴────────────┴────────┴──────┴──────┴──────────────────┘ └────┘ └────┘ └────┘
 *
 * Each thread writes its own area; its successor goes on with the counts, so they do not fall when a thread is started
 * anew. Whoever started the thread marks the area when the thread has ended: there is no other writer then. Counts wrap at
 * 2^32. Up to a quarter of a second of counts is lost with a thread.
 */

import { LOOK_AT_LOOP_EVERY_MS } from '../lib/loop-delay.ts';
import {
  DROP_REASONS,
  type DropReason,
  HTTP_REFUSAL_REASONS,
  type HttpRefusalReason,
  LIVE_CLIENT_KINDS,
  type LiveClientKind,
} from '../model/http-figures.ts';
import { HTTP_POOL_THREADS, READING_THREADS, type ReadingThreadName } from '../model/reading-threads.ts';

/** The memory, as passed between threads. */
export type ThreadFiguresMemory = SharedArrayBuffer;

/** Threads of a name at the same time. More share the last area, whose figures are then those of any of them. */
const MOST_PER_NAME = 4;
const Word = {
  starts: 0,
  isRunning: 1,
  /** Time of the last look, in whole ms modulo 2^32. */
  lookedMs: 2,
  lagMeanMicros: 3,
  lagMaxMicros: 4,
  /** One word per HTTP_REFUSAL_REASONS, of the HTTP thread. */
  refused: 8,
  /** … per DROP_REASONS. */
  dropped: 40,
  /** … per LIVE_CLIENT_KINDS. */
  clients: 48,
} as const;
const AREA_WORDS = 64;
if (Word.refused + HTTP_REFUSAL_REASONS.length > Word.dropped)
  throw new Error('shared memory layout: refusals do not fit');
if (Word.dropped + DROP_REASONS.length > Word.clients) throw new Error('shared memory layout: drops do not fit');
if (Word.clients + LIVE_CLIENT_KINDS.length > AREA_WORDS) throw new Error('shared memory layout: clients do not fit');

/** Which thread, of those of its name. */
export interface ThreadPlace {
  readonly name: ReadingThreadName;
  /** From 0. */
  readonly index: number;
}

/** Counts since the start of their thread, and how many clients there are. */
export interface HttpThreadFigures {
  readonly refused: Readonly<Record<HttpRefusalReason, number>>;
  readonly dropped: Readonly<Record<DropReason, number>>;
  readonly clients: Readonly<Record<LiveClientKind, number>>;
}

/** Of all threads of a name. */
export interface ThreadFigures {
  /** How often one was started since the master's start. */
  readonly starts: number;
  readonly running: number;
  /** Delay of their event loops in the last 10 s, of the slowest one that runs; undefined: none does. */
  readonly lagMs: { readonly mean: number; readonly max: number } | undefined;
}

export function allocateThreadFigures(): ThreadFiguresMemory {
  return new SharedArrayBuffer(READING_THREADS.length * MOST_PER_NAME * AREA_WORDS * Int32Array.BYTES_PER_ELEMENT);
}

function areaOf({ name, index }: ThreadPlace): number {
  return (READING_THREADS.indexOf(name) * MOST_PER_NAME + Math.min(index, MOST_PER_NAME - 1)) * AREA_WORDS;
}

/** The thread's side. */
export class ThreadFiguresWriter {
  readonly #words: Int32Array;
  readonly #area: number;
  /** What earlier threads had counted. */
  readonly #before: Int32Array;

  /** Counts a start. @param nowMs by the monotonic clock */
  constructor(memory: ThreadFiguresMemory, place: ThreadPlace, nowMs: number) {
    this.#words = new Int32Array(memory);
    this.#area = areaOf(place);
    this.#before = this.#words.slice(this.#area, this.#area + AREA_WORDS);
    for (const kind of LIVE_CLIENT_KINDS.keys()) this.#set(Word.clients + kind, 0);
    this.looked(nowMs, { mean: 0, max: 0 });
    Atomics.add(this.#words, this.#area + Word.starts, 1);
    this.#set(Word.isRunning, 1);
  }

  /** @param nowMs by the monotonic clock */
  looked(nowMs: number, lagMs: { readonly mean: number; readonly max: number }): void {
    this.#set(Word.lagMeanMicros, lagMs.mean * 1000);
    this.#set(Word.lagMaxMicros, lagMs.max * 1000);
    this.#set(Word.lookedMs, nowMs);
  }

  setHttp({ refused, dropped, clients }: HttpThreadFigures): void {
    for (const [at, reason] of HTTP_REFUSAL_REASONS.entries()) this.#count(Word.refused + at, refused[reason]);
    for (const [at, reason] of DROP_REASONS.entries()) this.#count(Word.dropped + at, dropped[reason]);
    for (const [at, kind] of LIVE_CLIENT_KINDS.entries()) this.#set(Word.clients + at, clients[kind]);
  }

  #count(word: number, sinceStart: number): void {
    this.#set(word, (this.#before[word] as number) + sinceStart);
  }

  #set(word: number, value: number): void {
    Atomics.store(this.#words, this.#area + word, Math.round(value) | 0);
  }
}

/** The thread has ended, and with it those that it had started. */
export function markThreadEnded(memory: ThreadFiguresMemory, place: ThreadPlace): void {
  const words = new Int32Array(memory);
  Atomics.store(words, areaOf(place) + Word.isRunning, 0);
  if (place.name !== 'http') return;
  for (const name of HTTP_POOL_THREADS) {
    for (let index = 0; index < MOST_PER_NAME; index++)
      Atomics.store(words, areaOf({ name, index }) + Word.isRunning, 0);
  }
}

export class ThreadFiguresReader {
  readonly #words: Int32Array;

  constructor(memory: ThreadFiguresMemory) {
    this.#words = new Int32Array(memory);
  }

  /** @param nowMs by the monotonic clock */
  of(name: ReadingThreadName, nowMs: number): ThreadFigures {
    let starts = 0;
    let running = 0;
    const [means, maxima]: [number[], number[]] = [[], []];
    for (let index = 0; index < MOST_PER_NAME; index++) {
      const at = areaOf({ name, index });
      starts += this.#word(at + Word.starts) >>> 0;
      if (this.#word(at + Word.isRunning) === 0) continue;
      running++;
      // A thread that is stuck cannot say so.
      const silentMs = (Math.round(nowMs) - this.#word(at + Word.lookedMs)) | 0;
      means.push((this.#word(at + Word.lagMeanMicros) >>> 0) / 1000);
      maxima.push(Math.max(overdueMs(silentMs), (this.#word(at + Word.lagMaxMicros) >>> 0) / 1000));
    }
    const lagMs = running === 0 ? undefined : { mean: Math.max(...means), max: Math.max(...maxima) };
    return { starts, running, lagMs };
  }

  /** Of the HTTP thread; counts since the master's start. */
  get http(): HttpThreadFigures {
    const at = areaOf({ name: 'http', index: 0 });
    return {
      refused: this.#counts(at + Word.refused, HTTP_REFUSAL_REASONS),
      dropped: this.#counts(at + Word.dropped, DROP_REASONS),
      clients: this.#counts(at + Word.clients, LIVE_CLIENT_KINDS),
    };
  }

  #counts<K extends string>(from: number, names: readonly K[]): Record<K, number> {
    return Object.fromEntries(names.map((name, at) => [name, this.#word(from + at) >>> 0])) as Record<K, number>;
  }

  #word(at: number): number {
    return Atomics.load(this.#words, at);
  }
}

/** How late the next look of a thread is that looked this long ago. */
export function overdueMs(silentMs: number): number {
  return Math.max(0, silentMs - LOOK_AT_LOOP_EVERY_MS);
}
