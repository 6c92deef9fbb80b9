/**
 * Counts the shared memory that foreign code takes in this thread: V8 counts neither SharedArrayBuffer nor
 * WebAssembly.Memory, neither in the heap nor outside of it.
 *
 * The constructors, and what makes memory grow, are put in front of the originals, whose prototypes stay: `instanceof` and
 * `constructor` are as before. Memory is counted for whom the code ran that took it, until the collector has it. A memory of
 * a WebAssembly module's own is seen if the instance exports it; what grows by an instruction is seen at the next look.
 */

/** WebAssembly as far as it is needed here: the types of Node know nothing of its memory. */
interface Memory {
  readonly buffer: { readonly byteLength: number };
}
interface Instance {
  readonly exports: object;
}
interface WebAssemblyObject {
  Memory: new (...args: never[]) => Memory;
  Instance: new (...args: never[]) => Instance;
}
const wasm = (globalThis as unknown as { readonly WebAssembly: WebAssemblyObject }).WebAssembly;

interface Taken<O> {
  readonly owner: O | undefined;
  bytes: number;
}

/** What can grow: its size is looked up. */
interface Tracked<O> {
  readonly memory: WeakRef<Growing>;
  readonly taken: Taken<O>;
}

type Growing = SharedArrayBuffer | Memory;

export class ForeignMemory<O extends object> {
  readonly #ownerNow: () => O | undefined;
  readonly #onGrowth: () => void;
  readonly #byOwner = new Map<O | undefined, number>();
  /** Few: each reserves the addresses that it may grow into. */
  readonly #growing = new Set<Tracked<O>>();
  readonly #seen = new WeakSet<object>();
  readonly #collected = new FinalizationRegistry<Taken<O> | Tracked<O>>((held) => {
    const taken = 'taken' in held ? held.taken : held;
    if ('taken' in held) this.#growing.delete(held);
    this.#resize(taken, 0);
  });
  #bytes = 0;

  /** @param onGrowth called after each allocation, from within it */
  constructor(ownerNow: () => O | undefined, onGrowth: () => void) {
    this.#ownerNow = ownerNow;
    this.#onGrowth = onGrowth;
  }

  /** Of all that is taken. */
  get bytes(): number {
    for (const { memory, taken } of this.#growing) this.#resize(taken, sizeOf(memory.deref()));
    return this.#bytes;
  }

  /** Who has taken the most; undefined if it is nobody who is known. */
  get heaviest(): O | undefined {
    let heaviest: O | undefined;
    let most = 0;
    for (const [owner, bytes] of this.#byOwner) if (bytes > most) [heaviest, most] = [owner, bytes];
    return heaviest;
  }

  /** From now on, whatever code of this realm takes is counted. */
  install(): void {
    const note = (made: object) => this.#note(made as Growing);
    const noteExports = (made: object) => this.#noteExports(made as Instance);
    globalThis.SharedArrayBuffer = noting(SharedArrayBuffer, note);
    notingGrowth(SharedArrayBuffer.prototype, note);
    wasm.Memory = noting(wasm.Memory, note);
    notingGrowth(wasm.Memory.prototype, note);
    wasm.Instance = noting(wasm.Instance, noteExports);
    for (const name of ['instantiate', 'instantiateStreaming']) {
      const original = Reflect.get(wasm, name) as (...args: unknown[]) => Promise<object>;
      const value = async (...args: unknown[]) => {
        const made = await original(...args);
        noteExports('instance' in made ? (made.instance as object) : made);
        return made;
      };
      Object.defineProperty(wasm, name, { value, writable: true, configurable: true, enumerable: true });
    }
  }

  #note(memory: Growing): void {
    if (!this.#seen.has(memory)) {
      this.#seen.add(memory);
      const taken = { owner: this.#ownerNow(), bytes: 0 };
      if ('growable' in memory && !memory.growable) {
        this.#collected.register(memory, taken);
        this.#resize(taken, memory.byteLength);
      } else {
        const tracked = { memory: new WeakRef(memory), taken };
        this.#growing.add(tracked);
        this.#collected.register(memory, tracked);
      }
    }
    this.#onGrowth();
  }

  #noteExports({ exports }: Instance): void {
    for (const value of Object.values(exports)) if (value instanceof wasm.Memory) this.#note(value);
  }

  #resize(taken: Taken<O>, bytes: number): void {
    const more = bytes - taken.bytes;
    if (more === 0) return;
    taken.bytes = bytes;
    this.#bytes += more;
    const owned = (this.#byOwner.get(taken.owner) ?? 0) + more;
    if (owned > 0) this.#byOwner.set(taken.owner, owned);
    else this.#byOwner.delete(taken.owner);
  }
}

function sizeOf(memory: Growing | undefined): number {
  if (memory === undefined) return 0;
  return 'buffer' in memory ? memory.buffer.byteLength : memory.byteLength;
}

/** The constructor, which also tells of what it made. */
function noting<C extends abstract new (...args: never[]) => object>(original: C, note: (made: object) => void): C {
  const noted: C = new Proxy(original, {
    construct(target, args, newTarget): object {
      const made = Reflect.construct(target, args, newTarget === noted ? target : newTarget) as object;
      note(made);
      return made;
    },
  });
  // What is made by way of `constructor`, as `slice` does, counts too.
  Object.defineProperty(original.prototype, 'constructor', { value: noted, writable: true, configurable: true });
  return noted;
}

function notingGrowth(prototype: object, note: (made: object) => void): void {
  const original = Reflect.get(prototype, 'grow') as ((by: number) => unknown) | undefined;
  if (original === undefined) return;
  const grow = function (this: object, by: number): unknown {
    const answer = original.call(this, by);
    note(this);
    return answer;
  };
  Object.defineProperty(prototype, 'grow', { value: grow, writable: true, configurable: true });
}
