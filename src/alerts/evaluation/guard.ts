/**
 * Ends synchronous work that takes too long, wherever it is: within a regular expression or a loop of the library. V8 stops a script that
 * runs beyond its time; the script here only calls the function, and no text of a rule becomes code. A call takes some 50 µs more.
 */
import { createContext, Script } from 'node:vm';

export class TookTooLong extends Error {
  constructor() {
    super('took too long');
  }
}

const slot = createContext({}) as { run: (() => void) | undefined };
const script = new Script('run()');

/** @throws TookTooLong after `timeoutMs`, or what `work` throws */
export function runWithin(timeoutMs: number, work: () => void): void {
  slot.run = work;
  try {
    script.runInContext(slot, { timeout: Math.max(1, Math.ceil(timeoutMs)) });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw new TookTooLong();
    throw error;
  } finally {
    slot.run = undefined;
  }
}
