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
const MEASURED_DAYS = 10;
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
    const [workers, days] = size.fleet < 0.1 ? [2, 1] : [MEASURED_WORKERS, MEASURED_DAYS];
    const figures: Figure[] = [];
    for (const [kind, what] of KINDS) {
      progress(`history-sizes: ${workers} workers, ${days} days, ${what}`);
      const { raw, minutes, hours } = await withChildren((start) =>
        start<HistorySizesCalls>('history-sizes.ts').call('kept', workers, days, kind),
      );
      const parts = {
        'samples of 24 h': raw,
        'minutes of 30 days': minutes * MINUTE_DAYS,
        'hours of 2 years': hours * HOUR_DAYS,
      };
      const worker = raw + minutes * MINUTE_DAYS + hours * HOUR_DAYS;
      for (const [index, [part, bytes]] of Object.entries(parts).entries()) {
        const id = `history.sizes.${kind}.${['raw', 'minutes', 'hours'][index]}`;
        figures.push(figureOf({ id, question: `1 worker, ${part}, ${what}`, unit: 'MB' }, [bytes / MB]));
      }
      for (const fleet of FLEETS) {
        const question = `${fleet} workers × ${WALK_KEYS.length} metrics at 5 s, all that is kept, ${what}`;
        figures.push(figureOf({ id: `history.sizes.${kind}.${fleet}`, question, unit: 'MB' }, [(fleet * worker) / MB]));
      }
    }
    return figures;
  },
};
