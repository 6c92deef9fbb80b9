/** What is in a batch: pure functions. */
import type { Batch } from './backend.ts';
import { sliceRun } from './sample-runs.ts';
import type { Gap } from './samples.ts';

export function isEmpty({ samples, gaps, taskRuns, events }: Batch): boolean {
  return samples.length + gaps.length + taskRuns.length + events.length === 0;
}

export function samplesIn({ samples }: Batch): number {
  return samples.reduce((sum, { at }) => sum + at.length, 0);
}

/** What the database has of a worker. */
type KnownSamples = ReadonlyMap<string, { readonly next: number | undefined; readonly lastMs: number }>;

/** The batch without what is in the database already. @param known of this run of the master */
export function withoutKnown(batch: Batch, known: KnownSamples, lastEventId: number): Batch {
  return {
    ...batch,
    samples: batch.samples.flatMap((run) => {
      const there = (known.get(run.workerId)?.next ?? 0) - run.first;
      if (there <= 0) return [run];
      return there >= run.at.length ? [] : [sliceRun(run, there, run.at.length)];
    }),
    events: batch.events.filter(({ id }) => id > lastEventId),
  };
}

/** What is missing between what the database has and where a batch begins that was made without knowing that. */
export function gapsBefore({ begins, samples, atMs }: Batch, known: KnownSamples): Gap[] {
  return Array.from(begins ?? []).flatMap(([workerId, { first, numbersFrom }]) => {
    const { next = 0, lastMs } = known.get(workerId) ?? {};
    const lost = first - Math.max(next, numbersFrom);
    if (lost <= 0) return [];
    const toMs = samples.find((run) => run.workerId === workerId)?.at[0] ?? atMs;
    return [{ workerId, fromMs: Math.min(lastMs ?? toMs, toMs), toMs, reason: 'samples_lost', lost }];
  });
}
