/**
 * How unlike its group each worker is: the alerts thread's own score, one row per row of the board, written by that thread alone.
 *
 *     64 bytes:  generation · copy A: occupant, score, cause, usual, value, at · copy B
 *
 * A row is a seqlock with two copies (double-buffer.ts), so it is read whole or not at all. It belongs to the worker whose occupant
 * number it has: a row that was given to another worker shows nothing until that one is scored. Memory that was never written is
 * never resident.
 */
import type { AnomalyReason } from '../model/anomaly/reason.ts';
import { beginRead, beginWrite, currentCopy, endWrite, isWhole, MAX_READ_TRIES, mendWrite } from './double-buffer.ts';
import { WORD_BYTES } from './layout.ts';
import { type NamedCause, namedCause, packedCause, USAGE_KEYS } from './score-cause.ts';
import type { SlotScore } from './slot-reader.ts';

/** The memory, as passed between threads. */
export type PeerScoresMemory = SharedArrayBuffer;

const ROW_WORDS = 16;
const COPIES = [2, 9] as const;
const Word = { occupant: 0, hundredths: 1, cause: 2, usual: 3, value: 4, atS: 5 } as const;

export function allocatePeerScores(rows: number): PeerScoresMemory {
  return new SharedArrayBuffer(rows * ROW_WORDS * WORD_BYTES);
}

/** A usage of a worker that is unlike those of its group. */
export interface PeerCause extends AnomalyReason {
  readonly metric: (typeof USAGE_KEYS)[number];
}

class PeerScoresViews {
  protected readonly words: Int32Array;
  protected readonly floats: Float32Array;

  constructor(memory: PeerScoresMemory) {
    this.words = new Int32Array(memory);
    this.floats = new Float32Array(memory);
  }
}

export class PeerScoresReader extends PeerScoresViews {
  /** Undefined: the worker was not scored, or its last score was 0. */
  of(row: number, occupant: number): SlotScore | undefined {
    const { words, floats } = this;
    const word = row * ROW_WORDS;
    for (let tries = 0; tries < MAX_READ_TRIES; tries++) {
      const generation = beginRead(words, word);
      if (generation === 0) return undefined;
      const at = word + COPIES[currentCopy(generation)];
      const isItsOwn = words[at + Word.occupant] === occupant;
      const score = (words[at + Word.hundredths] as number) / 100;
      const cause = words[at + Word.cause] as number;
      const usual = floats[at + Word.usual] as number;
      const value = floats[at + Word.value] as number;
      const receivedUnixMs = ((words[at + Word.atS] as number) >>> 0) * 1000;
      if (!isWhole(words, word, generation)) continue;
      if (!isItsOwn || !(score > 0 && score <= 1)) return undefined;
      const known: NamedCause | undefined = namedCause(cause, []);
      return { score, receivedUnixMs, cause: known && { ...known, usual, value } };
    }
    return undefined;
  }
}

export class PeerScoresWriter extends PeerScoresViews {
  /** Undoes what a killed predecessor had begun, and forgets all its scores: the next evaluation gives new ones. */
  reset(): void {
    const { words } = this;
    for (let word = 0; word < words.length; word += ROW_WORDS) {
      if (Atomics.load(words, word) === 0) continue;
      mendWrite(words, word);
      this.#write(word, 0, 0, undefined, 0);
    }
  }

  /** @param cause of a score of at least 0.5 @returns whether readers see a change worth telling */
  set(row: number, occupant: number, score: number, cause: PeerCause | undefined, atUnixMs: number): boolean {
    const { words } = this;
    const word = row * ROW_WORDS;
    const generation = Atomics.load(words, word);
    const at = word + COPIES[currentCopy(generation)];
    const before =
      generation !== 0 && words[at + Word.occupant] === occupant ? (words[at + Word.hundredths] as number) : 0;
    const hundredths = Math.round(Math.min(1, Math.max(0, score)) * 100);
    if (before === 0 && hundredths === 0) return false;
    this.#write(word, occupant, hundredths, cause, atUnixMs);
    return before !== hundredths;
  }

  #write(word: number, occupant: number, hundredths: number, cause: PeerCause | undefined, atUnixMs: number): void {
    const { words, floats } = this;
    const at = word + COPIES[beginWrite(words, word)];
    words[at + Word.occupant] = occupant;
    words[at + Word.hundredths] = hundredths;
    words[at + Word.cause] = cause === undefined ? 0 : packedCause(USAGE_KEYS.indexOf(cause.metric), cause);
    floats[at + Word.usual] = cause?.usual ?? Number.NaN;
    floats[at + Word.value] = cause?.value ?? Number.NaN;
    words[at + Word.atS] = Math.floor(atUnixMs / 1000);
    endWrite(words, word);
  }
}
