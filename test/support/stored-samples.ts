/** What the history of a data directory holds, read as its users read it. */
import { join } from 'node:path';
import type { SampleRun } from '../../src/history/samples.ts';
import { sqlite } from '../../src/history/sqlite/open.ts';

export interface StoredRun {
  readonly run: number;
  /** Of the worker's metric, in order of receipt. */
  readonly values: number[];
  readonly numbers: number[];
  readonly at: number[];
}

/** By worker, oldest run first. */
export async function storedSamples(
  dataDir: string,
  workerIds: readonly string[],
  key: string,
): Promise<ReadonlyMap<string, readonly StoredRun[]>> {
  const stored = new Map<string, StoredRun[]>(workerIds.map((workerId) => [workerId, []]));
  const reader = await sqlite.openReader({ kind: 'sqlite', path: join(dataDir, 'history.db') }, (message) => {
    throw new Error(message);
  });
  const part = ({ workerId, run, first, at, columns }: SampleRun) => {
    const runs = stored.get(workerId) as StoredRun[];
    if (runs.at(-1)?.run !== run) runs.push({ run, values: [], numbers: [], at: [] });
    const last = runs.at(-1) as StoredRun;
    for (const [n, atMs] of at.entries()) {
      last.values.push(columns.get(key)?.[n] ?? Number.NaN);
      last.numbers.push(first + n);
      last.at.push(atMs);
    }
  };
  try {
    const request = { workerIds, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, keys: [key] };
    await reader.samples(request, { part, gap: () => {} }, () => false);
  } finally {
    await reader.close();
  }
  return stored;
}
