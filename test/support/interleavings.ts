/**
 * Runs the code of two threads, one that rings and one that sleeps, through all interleavings of their steps. The code is the
 * real one: `Atomics` is replaced while it runs. To come to a thread's next step its code is run from the start again with
 * the results of its earlier steps, and is left at the first step that has none yet. Equal states are looked at once.
 */

/** A word of one of the memories. */
type Place = string;

type Step =
  | { readonly kind: 'load' | 'notify'; readonly at: Place }
  | { readonly kind: 'add' | 'store'; readonly at: Place; readonly value: number }
  /** Registers the thread to be woken, if the word is as expected. */
  | { readonly kind: 'register'; readonly at: Place; readonly expected: number }
  /** Cannot be taken before the thread is woken. */
  | { readonly kind: 'wake up' }
  | { readonly kind: 'post'; readonly message: unknown }
  | { readonly kind: 'receive' }
  | { readonly kind: 'got'; readonly message: unknown };

type Take = (step: Step) => unknown;

/** What code may do beside `Atomics`. */
export interface Moves {
  /** By a port. */
  post(message: unknown): void;
  /** From that port. */
  receive(): { readonly message: unknown } | undefined;
  /** The sleeper has got this, by whatever way. */
  got(message: unknown): void;
  /** Blocks until somebody notifies, and then calls whoever waits by `Atomics.waitAsync`. */
  wakeUp(): void;
}

export interface Threads {
  /** Posts and rings, and ends. */
  readonly ringer: (moves: Moves) => void;
  /** Never ends. */
  readonly sleeper: (moves: Moves) => void;
}

export interface Explored {
  /** Different states that were met. */
  readonly states: number;
  /** Different orders of steps from the start to an end, where nothing more can happen. */
  readonly interleavings: bigint;
  /** What the sleeper has got at the ends, as JSON: each once. */
  readonly got: ReadonlySet<string>;
}

interface State {
  /** Those that are not 0. */
  readonly words: Record<Place, number>;
  /** Posted and not received. */
  readonly queue: unknown[];
  readonly got: unknown[];
  readonly ringerResults: unknown[];
  readonly sleeperResults: unknown[];
  /** The sleeper waits to be woken, or is about to. */
  isRegistered: boolean;
}

/** @param memories that both share; what is written otherwise than by `Atomics` must be the same in all interleavings */
export function allInterleavings({ ringer, sleeper }: Threads, memories: readonly SharedArrayBuffer[]): Explored {
  const orders = new Map<string, bigint>();
  const got = new Set<string>();

  function ordersFrom(state: State): bigint {
    const key = JSON.stringify(state);
    const known = orders.get(key);
    if (known !== undefined) return known;
    const ringerStep = nextStep(ringer, state.ringerResults, memories);
    const sleeperStep = nextStep(sleeper, state.sleeperResults, memories);
    const isAsleep = sleeperStep?.kind === 'wake up' && state.isRegistered;
    let count = 0n;
    if (ringerStep !== undefined) count += ordersFrom(after(state, ringerStep, 'ringerResults'));
    if (sleeperStep !== undefined && !isAsleep) count += ordersFrom(after(state, sleeperStep, 'sleeperResults'));
    if (count === 0n) {
      got.add(JSON.stringify(state.got));
      count = 1n;
    }
    orders.set(key, count);
    return count;
  }

  const interleavings = ordersFrom({
    words: {},
    queue: [],
    got: [],
    ringerResults: [],
    sleeperResults: [],
    isRegistered: false,
  });
  return { states: orders.size, interleavings, got };
}

/** Thrown to leave code at a step that has no result yet. */
class Left {
  readonly step: Step;

  constructor(step: Step) {
    this.step = step;
  }
}

/** @returns undefined if the code has ended */
function nextStep(
  code: (moves: Moves) => void,
  results: readonly unknown[],
  memories: readonly SharedArrayBuffer[],
): Step | undefined {
  let taken = 0;
  const take: Take = (step) => {
    if (taken === results.length) throw new Left(step);
    return results[taken++];
  };
  let goOn = () => {};
  const real = globalThis.Atomics;
  globalThis.Atomics = steppedAtomics(memories, take, (then) => {
    goOn = then;
  });
  try {
    code({
      post: (message) => take({ kind: 'post', message }),
      receive: () => take({ kind: 'receive' }) as { readonly message: unknown } | undefined,
      got: (message) => take({ kind: 'got', message }),
      wakeUp() {
        take({ kind: 'wake up' });
        goOn();
      },
    });
  } catch (thrown) {
    if (thrown instanceof Left) return thrown.step;
    throw thrown;
  } finally {
    globalThis.Atomics = real;
  }
  return undefined;
}

/**
 * What of Atomics the code uses; anything else is missing, and fails.
 * @param whenWoken is told what is to be called then
 */
function steppedAtomics(
  memories: readonly SharedArrayBuffer[],
  take: Take,
  whenWoken: (goOn: () => void) => void,
): Atomics {
  const placeOf = (words: Int32Array, at: number): Place => {
    const memory = memories.indexOf(words.buffer as SharedArrayBuffer);
    if (memory === -1) throw new Error('a memory that is not shared');
    return `${memory}:${at}`;
  };
  const register = (words: Int32Array, at: number, expected: number) =>
    take({ kind: 'register', at: placeOf(words, at), expected });
  const stepped = {
    load: (words: Int32Array, at: number) => take({ kind: 'load', at: placeOf(words, at) }),
    store: (words: Int32Array, at: number, value: number) => take({ kind: 'store', at: placeOf(words, at), value }),
    add: (words: Int32Array, at: number, value: number) => take({ kind: 'add', at: placeOf(words, at), value }),
    notify: (words: Int32Array, at: number) => take({ kind: 'notify', at: placeOf(words, at) }),
    wait(words: Int32Array, at: number, expected: number) {
      if (register(words, at, expected) === 'not-equal') return 'not-equal';
      take({ kind: 'wake up' });
      return 'ok';
    },
    waitAsync(words: Int32Array, at: number, expected: number) {
      if (register(words, at, expected) === 'not-equal') return { async: false, value: 'not-equal' };
      // biome-ignore lint/suspicious/noThenProperty: a promise would go on in a later turn
      return { async: true, value: { then: whenWoken } };
    },
  };
  return stepped as unknown as Atomics;
}

function after(before: State, step: Step, whose: 'ringerResults' | 'sleeperResults'): State {
  const state = structuredClone(before);
  state[whose].push(perform(state, step));
  return state;
}

function perform(state: State, step: Step): unknown {
  const { words, queue, got } = state;
  switch (step.kind) {
    case 'load':
      return words[step.at] ?? 0;
    case 'store':
      words[step.at] = step.value;
      return step.value;
    case 'add': {
      const old = words[step.at] ?? 0;
      words[step.at] = old + step.value;
      return old;
    }
    case 'notify': {
      const woken = state.isRegistered ? 1 : 0;
      state.isRegistered = false;
      return woken;
    }
    case 'register':
      if ((words[step.at] ?? 0) !== step.expected) return 'not-equal';
      state.isRegistered = true;
      return 'registered';
    case 'wake up':
      return 'ok';
    case 'post':
      queue.push(step.message);
      return undefined;
    case 'receive': {
      const message = queue.shift();
      return message === undefined ? undefined : { message };
    }
    case 'got':
      got.push(step.message);
      return undefined;
    default:
      return step satisfies never;
  }
}
