/**
 * Counts the shared memory that foreign code takes in this thread: V8 counts neither SharedArrayBuffer nor
 * WebAssembly.Memory, neither in the heap nor outside of it.
 *
 * What tells of it is in front of the constructors of the realm that foreign code runs in (lane/foreign-constructors.ts); the
 * count is kept in the lane's own. Memory is counted for whom the code ran that took it, until the collector has it. A memory of
 * a WebAssembly module's own is seen if the instance exports it; what grows by an instruction is seen at the next look.
 */

/** As far as it is needed here: the types of Node know nothing of WebAssembly's memory. */
interface Memory {
  readonly buffer: { readonly byteLength: number };
}

type Getter = (this: object) => unknown;
/** Of the realm in which this runs: they take what any realm has made, and what that realm has put there is not asked. */
const getterOf = (prototype: object, name: string) => Object.getOwnPropertyDescriptor(prototype, name)?.get as Getter;
const { prototype: wasmMemory } = (
  globalThis as unknown as { readonly WebAssembly: { readonly Memory: { readonly prototype: object } } }
).WebAssembly.Memory;
const bufferOf = getterOf(wasmMemory, 'buffer');
const isGrowable = getterOf(SharedArrayBuffer.prototype, 'growable');
const sharedBytes = getterOf(SharedArrayBuffer.prototype, 'byteLength');
const plainBytes = getterOf(ArrayBuffer.prototype, 'byteLength');

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

  /** Foreign code has taken it, or had it grow. */
  note(made: object): void {
    const memory = made as Growing;
    if (!this.#seen.has(memory)) {
      this.#seen.add(memory);
      const taken = { owner: this.#ownerNow(), bytes: 0 };
      if (!isMemory(memory) && isGrowable.call(memory) === false) {
        this.#collected.register(memory, taken);
        this.#resize(taken, sizeOf(memory));
      } else {
        const tracked = { memory: new WeakRef(memory), taken };
        this.#growing.add(tracked);
        this.#collected.register(memory, tracked);
      }
    }
    this.#onGrowth();
  }

  noteExports(exports: object): void {
    for (const value of Object.values(exports)) if (isMemory(value)) this.note(value);
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

function isMemory(value: unknown): value is Memory {
  try {
    bufferOf.call(value as object);
    return true;
  } catch {
    return false;
  }
}

function sizeOf(memory: Growing | undefined): number {
  if (memory === undefined) return 0;
  if (!isMemory(memory)) return sharedBytes.call(memory) as number;
  const buffer = bufferOf.call(memory) as object;
  return (isPlain(buffer) ? plainBytes : sharedBytes).call(buffer) as number;
}

function isPlain(buffer: object): boolean {
  try {
    plainBytes.call(buffer);
    return true;
  } catch {
    return false;
  }
}
