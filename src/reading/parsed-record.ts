/** One worker's record as it was at one time, each part read when it is first asked for, and once for all who ask. */
import { hash, randomInt } from 'node:crypto';
import { metricsTextIn } from '../model/record-json.ts';
import type { WorkerEntry } from './directory.ts';

type Numbers = ReturnType<WorkerEntry['slot']['numbers']>;

export class ParsedRecord {
  readonly entry: WorkerEntry;
  /** Values as JSON text, by the number of their field; kept by `item.ts`. */
  readonly texts: (string | undefined)[] = [];
  /** Their hashes, 32 bits in each, by the number of the field. */
  readonly #hashes: Int32Array[] = [];
  /** Null: not read yet. */
  #numbers: Numbers | null = null;
  #metricsText: string | undefined | null = null;
  #metrics: Readonly<Record<string, number>> | undefined;
  /** Memory was read since it was last asked whether it changed. */
  #isUnchecked = true;
  #isSure = true;

  constructor(entry: WorkerEntry) {
    this.entry = entry;
  }

  /** Of the last record; undefined before the first heartbeat. */
  get numbers(): Numbers {
    if (this.#numbers === null) {
      this.touched();
      this.#numbers = this.entry.slot.numbers();
    }
    return this.#numbers;
  }

  /** Its custom metrics as JSON text; undefined if it sends none. */
  get metricsText(): string | undefined {
    if (this.#metricsText === null) {
      this.touched();
      this.#metricsText = metricsTextIn(this.entry.slot.json(''));
    }
    return this.#metricsText;
  }

  /** Its custom metrics; an object without a prototype, since any text may be a name. Undefined if it sends none. */
  get metrics(): Readonly<Record<string, number>> | undefined {
    const text = this.metricsText;
    if (text === undefined) return undefined;
    this.#metrics ??= Object.assign(Object.create(null), JSON.parse(text)) as Readonly<Record<string, number>>;
    return this.#metrics;
  }

  /** Something is read that is not kept here. */
  touched(): void {
    this.#isUnchecked = true;
  }

  /** Whether all that was read so far is as `isAsSeen`, which is asked behind each reading of memory, says it is. */
  isSure(isAsSeen: (row: number) => boolean): boolean {
    if (this.#isUnchecked) this.#isSure &&= isAsSeen(this.entry.row);
    this.#isUnchecked = false;
    return this.#isSure;
  }

  /** About the memory that it holds on to. */
  get bytes(): number {
    const texts = this.texts.reduce<number>((sum, text) => sum + (text?.length ?? 0), 0);
    return 1024 + 8 * (this.#metricsText?.length ?? 0) + texts;
  }

  /** 64 bits of that field's text; whoever combines them by XOR has a hash of several fields. */
  hashOf(field: number, text: string): Int32Array {
    this.#hashes[field] ??= text.length > MAX_FAST_UNITS ? slowHash(field, text) : fastHash(field, text);
    return this.#hashes[field];
  }
}

/** Most values are numbers and words: for these a hash of our own takes a thirtieth of the time. */
const MAX_FAST_UNITS = 32;
/** Unlike in any other process, so that nobody can choose values which share a hash. */
const SEEDS = [randomInt(2 ** 32), randomInt(2 ** 32)] as const;

function slowHash(field: number, text: string): Int32Array {
  const digest = hash('sha256', `${field} ${text}`, 'buffer');
  return Int32Array.of(digest.readInt32LE(0), digest.readInt32LE(4));
}

/** Two multiplicative hashes side by side, each mixed into the other in the end (cyrb53, public domain). */
function fastHash(field: number, text: string): Int32Array {
  let low = SEEDS[0] ^ field;
  let high = SEEDS[1] ^ text.length;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    low = Math.imul(low ^ unit, 2_654_435_761);
    high = Math.imul(high ^ unit, 1_597_334_677);
  }
  const mixedLow = mixed(low) ^ mixedAgain(high);
  return Int32Array.of(mixedLow, mixed(high) ^ mixedAgain(mixedLow));
}

const mixed = (word: number) => Math.imul(word ^ (word >>> 16), 2_246_822_507);
const mixedAgain = (word: number) => Math.imul(word ^ (word >>> 13), 3_266_489_909);
