/**
 * Where threads come from. The one place that knows the files behind them: sources run from `src/` (tests) and from
 * `dist/` (everybody else), but a thread always loads the built file, since stripping types costs each thread 40 ms.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type ResourceLimits, Worker } from 'node:worker_threads';
import { PulselaneError } from './errors.ts';

export type ThreadFile = 'lane/thread' | 'http/thread' | 'http/query/thread' | 'agent/thread';

export interface ThreadOptions {
  /** Shown by `top -H` and in stack dumps; the kernel cuts it after 15 bytes. */
  readonly name: string;
  /** Handed to the thread as its `workerData`. */
  readonly data: unknown;
  readonly limits?: ResourceLimits;
}

const RUNS_FROM_SOURCE = import.meta.url.endsWith('.ts');

function threadUrl(file: ThreadFile): URL {
  return new URL(RUNS_FROM_SOURCE ? `../../dist/${file}.js` : `../${file}.js`, import.meta.url);
}

/**
 * The path of a thread's file, for a pool that starts the threads itself.
 * @throws PulselaneError `environment` if it is not built
 */
export function threadPath(file: ThreadFile): string {
  const path = fileURLToPath(threadUrl(file));
  if (RUNS_FROM_SOURCE && !existsSync(path)) {
    throw new PulselaneError('environment', `dist/${file}.js is not built: run "npm run build"`);
  }
  return path;
}

/** What no thread inherits. */
export const NOTHING_INHERITED = {
  // A flag meant for the embedding program (--inspect, --import) must not reach every thread.
  execArgv: [] as string[],
  // A thread is given what it needs; the environment may hold secrets.
  env: {},
};

export function startThread(file: ThreadFile, { name, data, limits }: ThreadOptions): Worker {
  return new Worker(threadPath(file), {
    name,
    workerData: data,
    ...NOTHING_INHERITED,
    ...(limits === undefined ? {} : { resourceLimits: limits }),
  });
}
