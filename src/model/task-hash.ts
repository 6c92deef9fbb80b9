/** A 53-bit hash, combined from two, so that collisions within a worker practically do not occur. */
export class TaskHash {
  #low = 0x811c9dc5;
  #high = 0x1b873593;

  get value(): number {
    return (this.#high >>> 11) * 2 ** 32 + (this.#low >>> 0);
  }

  text(text: string): void {
    let low = this.#low;
    let high = this.#high;
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at);
      low = Math.imul(low ^ unit, 0x01000193);
      high = Math.imul(high ^ unit ^ (low >>> 16), 0x85ebca6b);
    }
    this.#low = low;
    this.#high = high;
    // So that `ab`, `c` differs from `a`, `bc`.
    this.#word(text.length);
  }

  number(number: number): void {
    NUMBER[0] = number;
    this.#word(WORDS[0] as number);
    this.#word(WORDS[1] as number);
  }

  #word(word: number): void {
    this.#low = Math.imul(this.#low ^ word, 0x01000193);
    this.#high = Math.imul(this.#high ^ word ^ (this.#low >>> 16), 0x85ebca6b);
  }
}

const NUMBER = new Float64Array(1);
const WORDS = new Int32Array(NUMBER.buffer);

/** Of a task's id. */
export function taskHashOf(taskId: string): number {
  const hash = new TaskHash();
  hash.text(taskId);
  return hash.value;
}
