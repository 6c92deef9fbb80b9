/**
 * What history takes on disk for fleets of several sizes, with the default retention, once it has run for two years. A few workers
 * are measured over some weeks; each worker takes the same, so that a fleet takes so many times that.
 */
import type { Bench, BenchContext } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { type Figure, figureOf } from '../lib/rows.ts';
import type { HistorySizesCalls } from '../processes/history-sizes.ts';
import { WALK_KEYS } from './walks.ts';

const FLEETS = [10, 100, 1000, 10_000];
const MEASURED_WORKERS = 8;
const MEASURED_HOURS = 10 * 24;
const MINUTE_DAYS = 30;
const HOUR_DAYS = 730;
const MB = 1e6;

const KINDS = [
  ['walks', 'usages with 1 or 2 decimals'],
  ['unrounded', 'usages as computed, 6 or 7 digits'],
] as const;

export const historySizes: Bench = {
  name: 'history-sizes',
  question: 'What does history take on disk for fleets of 10 to 10,000 workers?',
  async run({ size, progress }: BenchContext): Promise<Figure[]> {
    const [workers, hours] = size.fleet < 0.1 ? [2, 2] : [MEASURED_WORKERS, MEASURED_HOURS];
    const figures: Figure[] = [];
    for (const [kind, what] of KINDS) {
      progress(`history-sizes: ${workers} workers, ${hours} h, ${what}`);
      const bytes = await withChildren((start) =>
        start<HistorySizesCalls>('history-sizes.ts').call('kept', workers, hours, kind),
      );
      const parts = {
        raw: ['samples of 24 h', bytes.raw],
        minutes: ['minutes of 30 days', bytes.minutes * MINUTE_DAYS],
        hours: ['hours of 2 years', bytes.hours * HOUR_DAYS],
      } as const;
      let worker = 0;
      for (const [name, [part, partBytes]] of Object.entries(parts)) {
        worker += partBytes;
        const question = `1 worker, ${part}, ${what}`;
        figures.push(figureOf({ id: `history.sizes.${kind}.${name}`, question, unit: 'MB' }, [partBytes / MB]));
      }
      for (const fleet of FLEETS) {
        const question = `${fleet} workers × ${WALK_KEYS.length} metrics at 5 s, all that is kept, ${what}`;
        figures.push(figureOf({ id: `history.sizes.${kind}.${fleet}`, question, unit: 'MB' }, [(fleet * worker) / MB]));
      }
    }
    return figures;
  },
};
