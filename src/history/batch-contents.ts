/** What is in a batch. */
import type { Batch } from './backend.ts';

export function isEmpty({ samples, gaps, taskRuns, events }: Batch): boolean {
  return samples.length + gaps.length + taskRuns.length + events.length === 0;
}

export function samplesIn({ samples }: Batch): number {
  return samples.reduce((sum, { at }) => sum + at.length, 0);
}
