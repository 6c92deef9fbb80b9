/**
 * How long heartbeats take from their receipt to their publication in the worker's slot: a histogram, recorded by lanes
 * and summed up by main.
 *
 *     cell 0                                                                  cell 1 …
 *     ┌───────────┬──────────────┬──────────────────────────────────────────┬──┐
 *     │ seconds   │ 10 µs        │ one count per bucket                     │  │
 *     └───────────┴──────────────┴──────────────────────────────────────────┴──┘
 *
 * Lanes share cells, by their number: so a cell outlives every lane, and no count is lost when one ends. All writers use
 * atomic adds, also a thread that was abandoned and still runs. Words wrap at 2^32: main adds the differences to totals of
 * its own once a second, in which time no word can wrap. A lane that is killed after a publication may not have counted
 * it.
 *
 * The buckets are those of a native histogram of Prometheus with schema 3, eight for each power of two, so that bounds
 * which are powers of two are exact in the classic histogram, too.
 * See https://prometheus.io/docs/specs/native_histograms/
 */

/** The memory, as passed between threads. */
export type ApplyTimesMemory = SharedArrayBuffer;

export const APPLY_SCHEMA = 3;
const PER_OCTAVE = 2 ** APPLY_SCHEMA;
/** Bucket 0 has all up to 2^−17 s (7.6 µs), less than a heartbeat takes at best. */
export const APPLY_LOWEST_EXPONENT = -17;
/** The last bucket has all above, too: heartbeats that waited for 18 hours for a lane in quarantine. */
const HIGHEST_EXPONENT = 16;
export const APPLY_BUCKETS = (HIGHEST_EXPONENT - APPLY_LOWEST_EXPONENT) * PER_OCTAVE + 1;

/** Upper bound of each bucket, in seconds. */
const BOUNDS = Float64Array.from(
  { length: APPLY_BUCKETS },
  (_, bucket) => 2 ** (APPLY_LOWEST_EXPONENT + bucket / PER_OCTAVE),
);

/** Lanes that run at the same time rarely share one of these; all of them take 68 KiB. */
const CELLS = 64;
const CellWord = { seconds: 0, fraction: 1, firstBucket: 2 } as const;
/** Whole cache lines. */
const CELL_WORDS = Math.ceil((CellWord.firstBucket + APPLY_BUCKETS) / 16) * 16;
/** The fraction of a second is summed in these: a second's heartbeats of a lane do not fill a word. */
const FRACTIONS_PER_S = 100_000;

/** Since the start. */
export interface ApplyTimes {
  /** One count per bucket, see {@link applyBucketOf}. */
  readonly counts: Readonly<Float64Array>;
  readonly sumSeconds: number;
}

export function allocateApplyTimes(): ApplyTimesMemory {
  return new SharedArrayBuffer(CELLS * CELL_WORDS * Int32Array.BYTES_PER_ELEMENT);
}

/** Reads the bits of a number. */
const scratch = new Float64Array(1);
const scratchWords = new Uint32Array(scratch.buffer);
/** Index of the word with sign, exponent and the upper bits of the fraction. */
const HIGH = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 1 : 0;
/** Exponent and the first bits of the fraction, which divide an octave into as many parts of equal length. */
const PART_SHIFT = 20 - APPLY_SCHEMA;
const PART_OF_LOWEST = (1023 + APPLY_LOWEST_EXPONENT) * PER_OCTAVE;

/**
 * The first bucket whose upper bound is not below the value, or the last one. Within an octave, the n-th part has one bound at
 * most, that of the n-th bucket. A logarithm would take three times as long.
 */
export function applyBucketOf(seconds: number): number {
  if (seconds <= (BOUNDS[0] as number)) return 0;
  if (seconds > (BOUNDS[APPLY_BUCKETS - 1] as number)) return APPLY_BUCKETS - 1;
  scratch[0] = seconds;
  const bucket = ((scratchWords[HIGH] as number) >>> PART_SHIFT) - PART_OF_LOWEST + 1;
  if (seconds > (BOUNDS[bucket] as number)) return bucket + 1;
  return seconds <= (BOUNDS[bucket - 1] as number) ? bucket - 1 : bucket;
}

/** The lane's side. */
export class ApplyTimesWriter {
  readonly #words: Int32Array;
  readonly #at: number;

  constructor(memory: ApplyTimesMemory, lane: number) {
    this.#words = new Int32Array(memory);
    this.#at = (lane % CELLS) * CELL_WORDS;
  }

  record(ms: number): void {
    const words = this.#words;
    const at = this.#at;
    const seconds = ms > 0 ? ms / 1000 : 0;
    let fraction = seconds;
    if (seconds >= 1) {
      const whole = Math.floor(seconds);
      Atomics.add(words, at + CellWord.seconds, whole);
      fraction -= whole;
    }
    // Rounded.
    Atomics.add(words, at + CellWord.fraction, (fraction * FRACTIONS_PER_S + 0.5) | 0);
    Atomics.add(words, at + CellWord.firstBucket + applyBucketOf(seconds), 1);
  }
}

/** Main's side: the totals of all lanes that there ever were. */
export class ApplyTimesTotal implements ApplyTimes {
  readonly counts = new Float64Array(APPLY_BUCKETS);
  sumSeconds = 0;
  readonly #words: Int32Array;
  readonly #seen: Int32Array;

  constructor(memory: ApplyTimesMemory) {
    this.#words = new Int32Array(memory);
    this.#seen = new Int32Array(this.#words.length);
  }

  /** Adds what was recorded since the last call. Reads plainly: what is not seen yet is added by the next call. */
  collect(): void {
    const [words, seen] = [this.#words, this.#seen];
    for (let cell = 0; cell < words.length; cell += CELL_WORDS) {
      for (let word = 0; word < CellWord.firstBucket + APPLY_BUCKETS; word++) {
        const now = words[cell + word] as number;
        if (now === seen[cell + word]) continue;
        this.#add(word, (now - (seen[cell + word] as number)) >>> 0);
        seen[cell + word] = now;
      }
    }
  }

  #add(word: number, more: number): void {
    if (word === CellWord.seconds) this.sumSeconds += more;
    else if (word === CellWord.fraction) this.sumSeconds += more / FRACTIONS_PER_S;
    else this.counts[word - CellWord.firstBucket] = (this.counts[word - CellWord.firstBucket] as number) + more;
  }
}
