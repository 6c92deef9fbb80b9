/**
 * Prepared bodies, by the stack that Pulselane uses: Hono on node:http in a thread of its own, besides whatever else the
 * process does. The floor of every answer of that size.
 */
import { Worker } from 'node:worker_threads';

/** Serves `/constant/N`: N bytes. @returns the port. */
export function serveConstants(): Promise<number> {
  const thread = new Worker(new URL('./constant-server.thread.ts', import.meta.url));
  thread.unref();
  return new Promise((resolve, reject) => {
    thread.once('message', resolve);
    thread.once('error', reject);
  });
}

/** The path of a body of the given size. */
export function constantPath(bytes: number): string {
  return `/constant/${bytes}`;
}
