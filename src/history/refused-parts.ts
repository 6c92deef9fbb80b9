/**
 * A batch that the database refuses: which parts of it are the reason. A part is what one row can spoil: the samples of one worker,
 * one run of a task, one event, one gap. All others are written as if the refused ones had never been there.
 */
import type { Batch } from './backend.ts';
import type { Gap } from './samples.ts';

export type BatchPart = Pick<Batch, 'samples' | 'gaps' | 'taskRuns' | 'events'>;

const NOTHING: BatchPart = { samples: [], gaps: [], taskRuns: [], events: [] };

export function partsOf({ samples, gaps, taskRuns, events }: BatchPart): BatchPart[] {
  return [
    ...[...Map.groupBy(samples, ({ workerId }) => workerId).values()].map((own) => ({ ...NOTHING, samples: own })),
    ...gaps.map((gap) => ({ ...NOTHING, gaps: [gap] })),
    ...taskRuns.map((run) => ({ ...NOTHING, taskRuns: [run] })),
    ...events.map((event) => ({ ...NOTHING, events: [event] })),
  ];
}

/** The same batch with these parts only. */
export function batchOf(batch: Batch, parts: readonly BatchPart[]): Batch {
  return {
    ...batch,
    samples: parts.flatMap(({ samples }) => samples),
    gaps: parts.flatMap(({ gaps }) => gaps),
    taskRuns: parts.flatMap(({ taskRuns }) => taskRuns),
    events: parts.flatMap(({ events }) => events),
  };
}

/** A gap in place of each worker's samples. */
export function gapsFor({ samples }: Pick<BatchPart, 'samples'>): Gap[] {
  return samples.map(({ workerId, at }): Gap => {
    let fromMs = Number.POSITIVE_INFINITY;
    let toMs = Number.NEGATIVE_INFINITY;
    for (const atMs of at) {
      fromMs = Math.min(fromMs, atMs);
      toMs = Math.max(toMs, atMs);
    }
    return { workerId, fromMs, toMs, reason: 'samples_lost', lost: at.length };
  });
}

/**
 * Halves what is refused until each refused part is found.
 * @param isTaken whether the database would take these
 * @param maxChecks calls of it; parts that are in doubt after so many count as refused
 */
export async function refusedParts(
  parts: readonly BatchPart[],
  isTaken: (parts: readonly BatchPart[]) => Promise<boolean>,
  maxChecks: number,
): Promise<readonly BatchPart[]> {
  const refused: BatchPart[] = [];
  const doubtful = [parts];
  let checks = 0;
  for (let some = doubtful.pop(); some !== undefined; some = doubtful.pop()) {
    if (some.length === 0 || (checks < maxChecks && (await isTaken(some)))) continue;
    if (++checks >= maxChecks || some.length === 1) {
      refused.push(...some);
      continue;
    }
    const middle = Math.ceil(some.length / 2);
    doubtful.push(some.slice(middle), some.slice(0, middle));
  }
  return refused;
}
