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

/** The batch with gaps in place of its samples. */
export function onlyGaps(batch: Batch): Batch {
  const lost = batch.samples.map(({ workerId, at }): Gap => {
    const times = [...at];
    return { workerId, fromMs: Math.min(...times), toMs: Math.max(...times), reason: 'samples_lost', lost: at.length };
  });
  return { ...batch, samples: [], taskRuns: [], events: [], gaps: lost };
}

/** The batch without what is in the database already. @param next the number after the last sample of each worker there */
export function withoutKnown(batch: Batch, next: ReadonlyMap<string, number>, lastEventId: number): Batch {
  return {
    ...batch,
    samples: batch.samples.flatMap((run) => {
      const known = (next.get(run.workerId) ?? 0) - run.first;
      if (known <= 0) return [run];
      return known >= run.at.length ? [] : [sliceRun(run, known, run.at.length)];
    }),
    events: batch.events.filter(({ id }) => id > lastEventId),
  };
}
