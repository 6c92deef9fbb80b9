/** The notifications that were given up last. The oldest go when there are too many. */
import type { DeadLetter } from '../../model/dead-letter.ts';
import { MAX_DEAD_LETTERS } from './delivery-limits.ts';

export class DeadLetters {
  /** Oldest first. */
  #letters: DeadLetter[] = [];
  #unsaved: DeadLetter[] = [];

  get all(): readonly DeadLetter[] {
    return this.#letters;
  }

  get unsaved(): readonly DeadLetter[] {
    return this.#unsaved;
  }

  /** How many there are of one target. */
  count(receiver: string, targetKey: string): number {
    return this.#letters.filter((letter) => letter.receiver === receiver && letter.targetKey === targetKey).length;
  }

  /** What was stored before. */
  restore(letters: readonly DeadLetter[]): void {
    this.#letters = [...letters, ...this.#letters].slice(-MAX_DEAD_LETTERS);
  }

  add(letter: DeadLetter): void {
    this.#letters = [...this.#letters, letter].slice(-MAX_DEAD_LETTERS);
    this.#unsaved = [...this.#unsaved, letter].slice(-MAX_DEAD_LETTERS);
  }

  saved(): void {
    this.#unsaved = [];
  }
}
