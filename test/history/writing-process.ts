/**
 * A process that writes history until it is killed: `node writing-process.ts KIND PLACE BOOT START`. It prints `ready`, begins once
 * it gets a line, and prints the number of each batch that was reported durable.
 */
import { once } from 'node:events';
import type { Backend, DatabasePlace } from '../../src/history/database.ts';
import { batchOf, HOUR, KEEP_ALL, MINUTE, sampleRun } from './history-data.ts';

/** Samples of each worker in each batch. */
export const PER_BATCH = 20;
/** Time that passes from batch to batch, so that hours are sealed and days merged while it writes. */
export const BATCH_MS = 20 * MINUTE;
export const WRITERS_WORKERS = ['worker-1', 'worker-2', 'worker-3'];

async function backendOf(kind: string): Promise<Backend> {
  const module = await import(`../../src/history/${kind}/open.ts`);
  return module[kind] as Backend;
}

async function write(kind: string, place: DatabasePlace, bootId: string, startedMs: number): Promise<void> {
  const backend = await backendOf(kind);
  process.stdout.write('ready\n');
  await once(process.stdin, 'data');
  const writer = await backend.openWriter(place, (loss) => process.stdout.write(`loss ${loss}\n`));
  await writer.begin({ bootId, startedMs });
  for (let number = 1; ; number++) {
    const fromMs = startedMs + (number - 1) * BATCH_MS;
    const samples = WRITERS_WORKERS.map((workerId) =>
      sampleRun({
        workerId,
        first: 1 + (number - 1) * PER_BATCH,
        count: PER_BATCH,
        fromMs,
        stepMs: BATCH_MS / PER_BATCH,
      }),
    );
    await writer.write(batchOf(bootId, number, { atMs: fromMs, samples }));
    process.stdout.write(`${number}\n`);
    for (let step = 0; step < 3; step++) await writer.maintain(fromMs + HOUR, KEEP_ALL);
  }
}

if (process.argv[1] === import.meta.filename) {
  const [, , kind, place, bootId, startedMs] = process.argv as [string, string, string, string, string, string];
  await write(kind, JSON.parse(place), bootId, Number(startedMs));
}
