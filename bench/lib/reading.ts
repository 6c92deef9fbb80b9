/** Consecutive reads over a kept HTTP connection from another process, after warm-up. */
import type { ReaderCalls } from '../processes/reader.ts';
import type { Size } from './bench.ts';
import type { Child } from './child.ts';
import { p50p99, type Spread } from './rows.ts';
import type { RunWatch } from './run-watch.ts';
import { warmUp } from './warm-up.ts';

export interface ReadOptions {
  readonly httpPort: number;
  readonly paths: readonly string[];
  readonly forMs: number;
  /** Called after warm-up. */
  readonly onWarm?: () => Promise<unknown>;
}

export interface Reading extends Spread {
  readonly bodyBytes: number;
}

/** From the request to the last byte of the response, in ms. */
export async function readSteadily(
  reader: Child<ReaderCalls>,
  { httpPort, paths, forMs, onWarm }: ReadOptions,
  size: Size,
  watch: RunWatch,
): Promise<Reading> {
  const read = (ms: number) => reader.call('read', { httpPort, paths, forMs: ms });
  await warmUp(watch, size, `GET ${paths[0]}`, async (ms) => p50p99((await read(ms)).latenciesMs).p50);
  await onWarm?.();
  const { latenciesMs, bodyBytes } = await watch.during(() => read(forMs));
  return { ...p50p99(latenciesMs), bodyBytes };
}
