/** Kills processes that write history, and compares what they were told is durable with what is there. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished } from 'vitest';
import type { Backend, DatabasePlace } from '../../src/history/database.ts';
import { KEEP_ALL, START_MS } from './history-data.ts';
import { readBuckets, readSamples } from './history-model.ts';
import { BATCH_MS, PER_BATCH, WRITERS_WORKERS } from './writing-process.ts';

const PROGRAM = fileURLToPath(new URL('writing-process.ts', import.meta.url));

interface WritingProcess {
  readonly child: ChildProcess;
  /** Lines after `ready`. */
  readonly lines: AsyncIterator<string>;
}

export async function startWriter(place: DatabasePlace, bootId: string, startedMs: number): Promise<WritingProcess> {
  const child = spawn(process.execPath, [PROGRAM, place.kind, JSON.stringify(place), bootId, String(startedMs)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  expect((await lines.next()).value).toBe('ready');
  return { child, lines };
}

/** Lets it write this many batches, then kills it. @returns the last batch that it was told is durable */
export async function writeAndKill({ child, lines }: WritingProcess, batches: number): Promise<number> {
  child.stdin?.write('\n');
  let durable = 0;
  for (let line = await lines.next(); !line.done; line = await lines.next()) {
    expect(line.value).toMatch(/^\d+$/);
    durable = Number(line.value);
    // Somewhere in what follows.
    if (durable === batches) child.kill('SIGKILL');
  }
  return durable;
}

/** Kills `times` writers one after the other, each after a few batches. */
export async function killedWriters<Place extends DatabasePlace>(
  backend: Backend<Place>,
  place: Place,
  times: number,
): Promise<void> {
  const durable: number[] = [];
  let startedMs = START_MS;
  for (let time = 0; time < times; time++) {
    durable.push(await writeAndKill(await startWriter(place, `b${time}`, startedMs), 1 + ((time * 7) % 23)));
    startedMs += (durable.at(-1) as number) * BATCH_MS;
  }
  const writer = await backend.openWriter(place, (loss) => expect.unreachable(loss));
  const reader = await backend.openReader(place, (loss) => expect.unreachable(loss));
  try {
    for (let done = false; !done; ) {
      await expectDurable(reader, durable);
      done = !(await writer.maintain(startedMs + 1000 * BATCH_MS, KEEP_ALL));
    }
    await expectDurable(reader, durable);
  } finally {
    await reader.close();
    await writer.close();
  }
}

async function expectDurable(
  reader: Awaited<ReturnType<Backend['openReader']>>,
  durable: readonly number[],
): Promise<void> {
  const request = { workerIds: WRITERS_WORKERS, fromMs: 0, toMs: 1e15, keys: undefined };
  const samples = await readSamples(reader, request);
  const buckets = await readBuckets(reader, { ...request, tier: '1m' });
  expect(samples.gaps).toEqual([]);
  const countsOf = (workerId: string) => {
    const ofWorker = samples.items.get(workerId) ?? [];
    return durable.map((_, index) => ofWorker.filter(({ run }) => run === index + 1).map(({ number }) => number));
  };
  const first = countsOf(WRITERS_WORKERS[0] as string);
  for (const [index, numbers] of first.entries()) {
    // All that was durable, at most one more batch whose answer was not read, each whole and once.
    expect(numbers).toEqual(numbers.map((_, position) => position + 1));
    expect(numbers.length % PER_BATCH).toBe(0);
    expect(numbers.length / PER_BATCH - (durable[index] as number)).toBeOneOf([0, 1]);
  }
  for (const workerId of WRITERS_WORKERS) {
    expect(countsOf(workerId)).toEqual(first);
    const counted = (buckets.items.get(workerId) ?? []).reduce(
      (sum, { values }) => sum + (values.cpu_usage?.count ?? 0),
      0,
    );
    expect(counted).toBe(first.flat().length);
  }
}
