/**
 * Puts what tells of it in front of all that takes shared memory in this realm: SharedArrayBuffer and WebAssembly. The
 * prototypes stay: `instanceof` and `constructor` are as before. Runs where foreign code runs, as a part of it.
 */
type Constructor = abstract new (...args: never[]) => object;

/** What it tells, of what was made. */
export interface Listeners {
  /** Of shared memory, made or grown. */
  readonly note: (made: object) => void;
  /** Of what an instance of a module exports. */
  readonly noteExports: (exports: object) => void;
}

// Taken before foreign code is loaded.
const { construct, apply, get } = Reflect;
const { defineProperty } = Object;

/** WebAssembly as far as it is needed here. */
interface WebAssemblyObject {
  Memory: Constructor;
  Instance: Constructor;
}
interface Instance {
  readonly exports: object;
}

export function watchAllocations({ note, noteExports }: Listeners): void {
  const wasm = (globalThis as unknown as { readonly WebAssembly: WebAssemblyObject }).WebAssembly;
  const noteInstance = (made: object) => noteExports((made as Instance).exports);
  const shared = globalThis as unknown as { SharedArrayBuffer: Constructor };
  notingGrowth(shared.SharedArrayBuffer.prototype, note);
  shared.SharedArrayBuffer = noting(shared.SharedArrayBuffer, note);
  notingGrowth(wasm.Memory.prototype, note);
  wasm.Memory = noting(wasm.Memory, note);
  wasm.Instance = noting(wasm.Instance, noteInstance);
  for (const name of ['instantiate', 'instantiateStreaming']) {
    const original = get(wasm, name) as (...args: unknown[]) => Promise<object>;
    const value = async (...args: unknown[]) => {
      const made = await apply(original, wasm, args);
      noteInstance('instance' in made ? (made.instance as object) : made);
      return made;
    };
    defineProperty(wasm, name, { value, writable: true, configurable: true, enumerable: true });
  }
}

/** The constructor, which also tells of what it made. */
function noting<C extends Constructor>(original: C, note: (made: object) => void): C {
  const noted: C = new Proxy(original, {
    construct(target, args, newTarget): object {
      const made = construct(target, args, newTarget === noted ? target : newTarget) as object;
      note(made);
      return made;
    },
  });
  // What is made by way of `constructor`, as `slice` does, counts too.
  defineProperty(original.prototype, 'constructor', { value: noted, writable: true, configurable: true });
  return noted;
}

function notingGrowth(prototype: object, note: (made: object) => void): void {
  const original = get(prototype, 'grow') as ((by: number) => unknown) | undefined;
  if (original === undefined) return;
  const grow = function (this: object, by: number): unknown {
    const answer = apply(original, this, [by]);
    note(this);
    return answer;
  };
  defineProperty(prototype, 'grow', { value: grow, writable: true, configurable: true });
}
