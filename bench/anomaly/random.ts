/** Numbers that look random and are the same for the same seed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
    for (let round = 0; round < 4; round++) this.unit();
  }

  /** From 0 to 1, without 1: mulberry32, by Tommy Ettinger, in the public domain. */
  unit(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  between(least: number, most: number): number {
    return least + (most - least) * this.unit();
  }

  whole(least: number, most: number): number {
    return Math.floor(this.between(least, most + 1));
  }

  isTrue(probability: number): boolean {
    return this.unit() < probability;
  }

  sign(): number {
    return this.unit() < 0.5 ? -1 : 1;
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.unit() * from.length)] as T;
  }

  /** Of a normal distribution with mean 0 and deviation 1: Box and Muller, 1958. */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.unit())) * Math.cos(2 * Math.PI * this.unit());
  }

  /** With this mean. */
  exponential(mean: number): number {
    return -mean * Math.log(1 - this.unit());
  }

  poisson(mean: number): number {
    if (mean > 30) return Math.max(0, Math.round(mean + Math.sqrt(mean) * this.normal()));
    const limit = Math.exp(-mean);
    let count = 0;
    for (let product = this.unit(); product > limit; product *= this.unit()) count++;
    return count;
  }
}

/** Noise with deviation 1 and a memory: white (0), red (near 1), or pink, a sum of red ones with memories of several lengths. */
export class Noise {
  readonly #random: Random;
  readonly #memories: readonly number[];
  readonly #values: number[];

  /** @param memories share of the last value that is kept, one for each part */
  constructor(random: Random, memories: readonly number[]) {
    this.#random = random;
    this.#memories = memories;
    this.#values = memories.map(() => random.normal());
  }

  static pink(random: Random): Noise {
    return new Noise(random, [0, 0.8, 0.97, 0.995]);
  }

  next(): number {
    let sum = 0;
    for (let part = 0; part < this.#memories.length; part++) {
      const memory = this.#memories[part] as number;
      const value = memory * (this.#values[part] as number) + Math.sqrt(1 - memory * memory) * this.#random.normal();
      this.#values[part] = value;
      sum += value;
    }
    return sum / Math.sqrt(this.#memories.length);
  }
}
