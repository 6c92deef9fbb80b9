/**
 * How unlike its group each worker is: the alerts thread's own score, one row per row of the board, written by that thread alone, and
 * by main while that thread is dead.
 *
 *     64 bytes:  generation · copy A: occupant, score, usual, value, samples, time · copy B
 *
 * A row is a seqlock with two copies (double-buffer.ts), so it is read whole or not at all. It belongs to the worker whose occupant
 * number it has: a row that was given to another worker shows nothing until that one is scored. Memory that was never written is
 * never resident.
 */
import type { AnomalyReason } from '../model/anomaly/reason.ts';
import { beginRead, beginWrite, currentCopy, endWrite, isWhole, MAX_READ_TRIES, mendWrite } from './double-buffer.ts';
import { WORD_BYTES } from './layout.ts';
import { namedCauseIn, scoreIn, scoreWord, USAGE_KEYS } from './score-word.ts';
import type { SlotScore } from './slot-reader.ts';

/** The memory, as passed between threads. */
export type PeerScoresMemory = SharedArrayBuffer;

const ROW_WORDS = 16;
const COPIES = [2, 9] as const;
/** `score`: see score-word.ts. `timeS`: Unix seconds. */
const Word = { occupant: 0, score: 1, usual: 2, value: 3, samples: 4, timeS: 5 } as const;

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
    const first = row * ROW_WORDS;
    for (let tries = 0; tries < MAX_READ_TRIES; tries++) {
      const generation = beginRead(words, first);
      if (generation === 0) return undefined;
      const at = first + COPIES[currentCopy(generation)];
      const isItsOwn = words[at + Word.occupant] === occupant;
      const score = words[at + Word.score] as number;
      const usual = floats[at + Word.usual] as number;
      const value = floats[at + Word.value] as number;
      const samples = words[at + Word.samples] as number;
      const receivedUnixMs = ((words[at + Word.timeS] as number) >>> 0) * 1000;
      if (!isWhole(words, first, generation)) continue;
      if (!isItsOwn || !(scoreIn(score) > 0)) return undefined;
      const cause = namedCauseIn(score, []);
      return { score: scoreIn(score), receivedUnixMs, cause: cause && { ...cause, usual, value, samples } };
    }
    return undefined;
  }
}

export class PeerScoresWriter extends PeerScoresViews {
  /**
   * Undoes what a killed predecessor had begun, and forgets all its scores: the next evaluation gives new ones. Also by main, while there
   * is no such thread.
   */
  reset(): void {
    const { words } = this;
    for (let first = 0; first < words.length; first += ROW_WORDS) {
      if (Atomics.load(words, first) === 0) continue;
      mendWrite(words, first);
      this.#write(first, 0, 0, undefined, 0);
    }
  }

  /** @param cause of a score of at least 0.5 @returns whether the score has changed */
  set(row: number, occupant: number, score: number, cause: PeerCause | undefined, atUnixMs: number): boolean {
    const { words } = this;
    const first = row * ROW_WORDS;
    const generation = Atomics.load(words, first);
    const at = first + COPIES[currentCopy(generation)];
    const isItsOwn = generation !== 0 && words[at + Word.occupant] === occupant;
    const before = isItsOwn ? scoreIn(words[at + Word.score] as number) : 0;
    const word = scoreWord(score, cause && { ...cause, place: USAGE_KEYS.indexOf(cause.metric) });
    if (before === 0 && scoreIn(word) === 0) return false;
    this.#write(first, occupant, word, cause, atUnixMs);
    return before !== scoreIn(word);
  }

  #write(first: number, occupant: number, word: number, cause: PeerCause | undefined, atUnixMs: number): void {
    const { words, floats } = this;
    const at = first + COPIES[beginWrite(words, first)];
    words[at + Word.occupant] = occupant;
    words[at + Word.score] = word;
    floats[at + Word.usual] = cause?.usual ?? Number.NaN;
    floats[at + Word.value] = cause?.value ?? Number.NaN;
    words[at + Word.samples] = cause?.samples ?? 0;
    words[at + Word.timeS] = Math.floor(atUnixMs / 1000);
    endWrite(words, first);
  }
}
