import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** Works for the given time, and answers with the given number of bytes, transferred without a copy. */
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

/** A thread that works and answers like a pool thread: shows what work in another thread does to this thread's loop. */
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
