/**
 * Wraps the constructors that allocate shared memory in this realm, SharedArrayBuffer and those of WebAssembly, to
 * report each allocation. The prototypes stay, so `instanceof` and `constructor` work as before. Runs in the
 * processor's realm.
 */
type Constructor = abstract new (...args: never[]) => object;

/** Callbacks for allocations. */
export interface Listeners {
  /** Called with shared memory that was created or grown. */
  readonly note: (made: object) => void;
  /** Called with the exports of each WebAssembly instance. */
  readonly noteExports: (exports: object) => void;
}

// Captured before foreign code is loaded.
const { construct, apply, get } = Reflect;
const { defineProperty } = Object;

/** The part of WebAssembly used here. */
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

/** Wraps a constructor to report each object that it creates. */
function noting<C extends Constructor>(original: C, note: (made: object) => void): C {
  const noted: C = new Proxy(original, {
    construct(target, args, newTarget): object {
      const made = construct(target, args, newTarget === noted ? target : newTarget) as object;
      note(made);
      return made;
    },
  });
  // Objects created through `constructor`, as by `slice`, are reported too.
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
