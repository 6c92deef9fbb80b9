import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** Works for so long, and answers with so many bytes, which are handed over and not copied. */
const SCRIPT = `
const { parentPort } = require('node:worker_threads');
parentPort.on('message', ({ workMs, bytes }) => {
  const endMs = performance.now() + workMs;
  while (performance.now() < endMs);
  const body = new Uint8Array(bytes);
  parentPort.postMessage(body, [body.buffer]);
});
`;

export interface Work {
  readonly workMs: number;
  readonly bytes: number;
}

/** A thread that answers as soon and with as much as one that works for it: what others' work does to this thread's loop. */
export class BareAnswers {
  readonly #thread = new Worker(SCRIPT, { eval: true });

  async ask(work: Work): Promise<void> {
    this.#thread.postMessage(work);
    await once(this.#thread, 'message');
  }

  async end(): Promise<void> {
    await this.#thread.terminate();
  }
}
