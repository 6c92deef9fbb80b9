/** One worker's record at one time. Each part is read on first use, and once for all callers. */
import { hash, randomInt } from 'node:crypto';
import { gpuOfJson, gpusTextIn, metricsTextIn, type TelemetryJson } from '../model/record-json.ts';
import type { GpuUsage } from '../model/telemetry.ts';
import type { WorkerEntry } from './directory.ts';

type Numbers = ReturnType<WorkerEntry['slot']['numbers']>;

export class ParsedRecord {
  readonly entry: WorkerEntry;
  /** Values as JSON text, by field index; maintained by `item.ts`. */
  readonly texts: (string | undefined)[] = [];
  /** Their hashes, 32 bits in each, by field index. */
  readonly #hashes: Int32Array[] = [];
  /** Null: not read yet. */
  #numbers: Numbers | null = null;
  #metricsText: string | undefined | null = null;
  #metrics: Readonly<Record<string, number>> | undefined;
  /** Memory was read since the last check for changes. */
  #isUnchecked = true;
  #isSure = true;

  constructor(entry: WorkerEntry) {
    this.entry = entry;
  }

  /** From the last record; undefined before the first heartbeat. */
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
      this.#metricsText = metricsTextIn(this.entry.slot.jsonBehindTasks());
    }
    return this.#metricsText;
  }

  /** Its custom metrics; without a prototype, since any text may be a name. Undefined if it sends none. */
  get metrics(): Readonly<Record<string, number>> | undefined {
    const text = this.metricsText;
    if (text === undefined) return undefined;
    this.#metrics ??= Object.assign(Object.create(null), JSON.parse(text)) as Readonly<Record<string, number>>;
    return this.#metrics;
  }

  /** Its GPUs; empty if it lists none. Parsed at each call. */
  devices(): readonly GpuUsage[] {
    const { slot } = this.entry;
    this.touched();
    const text = slot.listsGpus ? gpusTextIn(slot.jsonBehindTasks()) : undefined;
    if (text === undefined) return [];
    return (JSON.parse(text) as NonNullable<TelemetryJson['gpus']>).map(gpuOfJson);
  }

  /** Records that something was read which is not cached here. */
  touched(): void {
    this.#isUnchecked = true;
  }

  /** Whether everything read so far is unchanged. @param isAsSeen checks the row; called after each reading of memory */
  isSure(isAsSeen: (row: number) => boolean): boolean {
    if (this.#isUnchecked) this.#isSure &&= isAsSeen(this.entry.row);
    this.#isUnchecked = false;
    return this.#isSure;
  }

  /** The approximate memory it holds, in bytes. */
  get bytes(): number {
    const texts = this.texts.reduce<number>((sum, text) => sum + (text?.length ?? 0), 0);
    return 1024 + 8 * (this.#metricsText?.length ?? 0) + texts;
  }

  /** 64 bits of the field's text; combined by XOR they hash several fields. */
  hashOf(field: number, text: string): Int32Array {
    this.#hashes[field] ??= text.length > MAX_FAST_UNITS ? slowHash(field, text) : fastHash(field, text);
    return this.#hashes[field];
  }
}

/** Most values are numbers and words: for these, our own hash takes 1/30 of the time. */
const MAX_FAST_UNITS = 32;
/** Random per process, so that nobody can choose values with equal hashes. */
const SEEDS = [randomInt(2 ** 32), randomInt(2 ** 32)] as const;

function slowHash(field: number, text: string): Int32Array {
  const digest = hash('sha256', `${field} ${text}`, 'buffer');
  return Int32Array.of(digest.readInt32LE(0), digest.readInt32LE(4));
}

/** Two multiplicative hashes side by side, mixed into each other at the end (cyrb53, public domain). */
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
