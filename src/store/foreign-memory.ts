/**
 * Counts the shared memory that foreign code allocates in this thread: V8 counts SharedArrayBuffer and
 * WebAssembly.Memory neither in the heap nor outside it.
 *
 * Allocations are reported by wrapped constructors in the realm of foreign code (lane/foreign-constructors.ts); the
 * counts are kept in the lane's realm. Memory is counted for the worker whose code allocated it, until it is
 * garbage-collected. A memory created inside a WebAssembly module is seen if the instance exports it; growth by an
 * instruction is seen at the next look.
 */

/** The part used here; Node's types do not include WebAssembly's memory. */
interface Memory {
  readonly buffer: { readonly byteLength: number };
}

type Getter = (this: object) => unknown;
/** Getters of this realm: they work on objects of any realm, and ignore what foreign code has replaced in its own. */
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

/** Memory that can grow, so its size is read each time. */
interface Tracked<O> {
  readonly memory: WeakRef<Growing>;
  readonly taken: Taken<O>;
}

type Growing = SharedArrayBuffer | Memory;

export class ForeignMemory<O extends object> {
  readonly #ownerNow: () => O | undefined;
  readonly #onGrowth: () => void;
  readonly #byOwner = new Map<O | undefined, number>();
  /** Few, since each reserves the address space that it may grow into. */
  readonly #growing = new Set<Tracked<O>>();
  readonly #seen = new WeakSet<object>();
  readonly #collected = new FinalizationRegistry<Taken<O> | Tracked<O>>((held) => {
    const taken = 'taken' in held ? held.taken : held;
    if ('taken' in held) this.#growing.delete(held);
    this.#resize(taken, 0);
  });
  #bytes = 0;

  /** @param onGrowth called during each allocation */
  constructor(ownerNow: () => O | undefined, onGrowth: () => void) {
    this.#ownerNow = ownerNow;
    this.#onGrowth = onGrowth;
  }

  /** Total size. */
  get bytes(): number {
    for (const { memory, taken } of this.#growing) this.#resize(taken, sizeOf(memory.deref()));
    return this.#bytes;
  }

  /** The owner of the most memory; undefined if unknown. */
  get heaviest(): O | undefined {
    let heaviest: O | undefined;
    let most = 0;
    for (const [owner, bytes] of this.#byOwner) if (bytes > most) [heaviest, most] = [owner, bytes];
    return heaviest;
  }

  /** Foreign code has allocated it or grown it. */
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
