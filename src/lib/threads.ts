/**
 * Where threads come from. The one place that knows the files behind them: sources run from `src/` (tests) and from
 * `dist/` (everybody else), but a thread always loads the built file, since stripping types costs each thread 40 ms.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type ResourceLimits, Worker } from 'node:worker_threads';
import { PulselaneError } from './errors.ts';

export type ThreadFile = 'lane/thread' | 'http/thread' | 'agent/thread';

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

export function startThread(file: ThreadFile, { name, data, limits }: ThreadOptions): Worker {
  const url = threadUrl(file);
  if (RUNS_FROM_SOURCE && !existsSync(fileURLToPath(url))) {
    throw new PulselaneError('environment', `dist/${file}.js is not built: run "npm run build"`);
  }
  return new Worker(url, {
    name,
    workerData: data,
    // Not inherited: a flag meant for the embedding program (--inspect, --import) must not reach every lane.
    execArgv: [],
    // A thread is given what it needs; the environment may hold secrets.
    env: {},
    ...(limits === undefined ? {} : { resourceLimits: limits }),
  });
}
