import { Worker } from 'node:worker_threads';

/** Reports that it runs, and waits for messages. */
const SCRIPT = `
const { parentPort } = require('node:worker_threads');
parentPort.on('message', () => {});
parentPort.postMessage('up');
`;

/** A thread that does nothing: the floor of a lane's cost. Resolves when it runs. */
export function startBareThread(): Promise<Worker> {
  const thread = new Worker(SCRIPT, { eval: true });
  thread.unref();
  return new Promise((resolve, reject) => {
    thread.once('message', () => resolve(thread));
    thread.once('error', reject);
  });
}
