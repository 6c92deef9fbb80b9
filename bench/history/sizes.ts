/** How many bytes a number takes on disk, in history and elsewhere; what a fleet takes. */
import type { Bench, BenchContext, Size } from '../lib/bench.ts';
import { scaled } from '../lib/bench.ts';
import { withChildren } from '../lib/child.ts';
import { type Figure, figureOf } from '../lib/rows.ts';
import type { HistorySize, HistorySizesCalls } from '../processes/history-sizes.ts';
import type { FillSpec } from './fill.ts';
import { WALK_KEYS } from './walks.ts';

const WORKERS = 200;
const FEW_WORKERS = 20;
/** Enough that what these systems keep for each series does not matter. */
const ELSEWHERE_WORKERS = 20;

/** A day; two hours where only is checked that it still runs. */
export function hoursOf({ fleet }: Size): number {
  return fleet < 0.1 ? 2 : 24;
}

function specOf(size: Size, workers: number, kind: FillSpec['kind']): FillSpec {
  return { workers: scaled(workers, size.fleet), hours: hoursOf(size), kind };
}

function named({ workers, hours }: FillSpec): string {
  return `${workers} workers × ${WALK_KEYS.length} metrics × ${hours} h at 5 s`;
}

/** The same samples in every run: measured once. */
export const historySize: Bench = {
  name: 'history-size',
  question: 'How many bytes does a number take on disk?',
  async run({ size, progress }: BenchContext): Promise<Figure[]> {
    return await withChildren(async (start) => {
      const process = start<HistorySizesCalls>('history-sizes.ts');
      const walks = specOf(size, WORKERS, 'walks');
      progress(`history-size: ${named(walks)}`);
      const ours = await process.call('history', walks);
      progress('history-size: plain rows');
      const plain = await process.call('plain', specOf(size, FEW_WORKERS, 'walks'));
      const figures = [
        perNumber('history.size.walks', `bytes per number, whole file without rollups: ${named(walks)}`, ours, 0.75),
        rollups('history.size.walks.rollups', 'rollups of the same day, compared with its samples', ours, 40),
        figureOf(
          { id: 'history.size.walks.plain', question: 'bytes per number: SQLite, a row for each heartbeat', unit: 'B' },
          [plain],
        ),
      ];
      for (const [kind, what] of [
        ['unrounded', 'usages and latency are not rounded'],
        ['noise', 'every number is noise of 15 digits'],
      ] as const) {
        const spec = specOf(size, FEW_WORKERS, kind);
        progress(`history-size: ${what}`);
        const bytes = await process.call('history', spec);
        const rows = await process.call('plain', spec);
        figures.push(
          perNumber(`history.size.${kind}`, `the same if ${what}`, bytes),
          rollups(`history.size.${kind}.rollups`, `rollups if ${what}`, bytes),
          figureOf({ id: `history.size.${kind}.plain`, question: `SQLite rows if ${what}`, unit: 'B' }, [rows]),
        );
      }
      return figures;
    });
  },
};

/** Others, where they are installed. */
export const historySizeElsewhere: Bench = {
  name: 'history-size-elsewhere',
  question: 'How many bytes does the same number take in systems made for time series?',
  optional: ['victoria-metrics', 'prometheus', 'postgres', 'postgres.rollups'].map((id) => `history.size.walks.${id}`),
  async run({ size, progress, note }: BenchContext): Promise<Figure[]> {
    return await withChildren(async (start) => {
      const process = start<HistorySizesCalls>('history-sizes.ts');
      const spec = specOf(size, ELSEWHERE_WORKERS, 'walks');
      progress(`history-size-elsewhere: history, ${named(spec)}`);
      const figures = [
        perNumber('history.size.walks.few', `bytes per number, ${named(spec)}`, await process.call('history', spec)),
      ];
      progress('history-size-elsewhere: PostgreSQL');
      const postgres = await process.call('inPostgres', spec);
      if (postgres === undefined) note('history-size-elsewhere leaves out PostgreSQL: its server cannot run here');
      else {
        figures.push(
          perNumber('history.size.walks.postgres', 'the same history in PostgreSQL 18', postgres),
          rollups('history.size.walks.postgres.rollups', 'rollups of the same day in PostgreSQL 18', postgres),
        );
      }
      const elsewhere = [
        ['victoria-metrics', 'VictoriaMetrics', 'victoriaMetrics'],
        ['prometheus', 'Prometheus', 'prometheus'],
      ] as const;
      for (const [id, name, call] of elsewhere) {
        progress(`history-size-elsewhere: ${name}`);
        const bytes = await process.call(call, spec);
        if (bytes === undefined)
          note(`history-size-elsewhere leaves out ${name}: it is not in PATH (Debian: apt install ${id})`);
        else
          figures.push(
            figureOf({ id: `history.size.walks.${id}`, question: `the same in ${name}`, unit: 'B' }, [bytes]),
          );
      }
      return figures;
    });
  },
};

function perNumber(id: string, question: string, { rawBytes, numbers }: HistorySize, goal?: number): Figure {
  return figureOf({ id, question, unit: 'B', ...(goal === undefined ? {} : { goal }) }, [rawBytes / numbers]);
}

function rollups(
  id: string,
  question: string,
  { rawBytes, minuteBytes, hourBytes }: HistorySize,
  goal?: number,
): Figure {
  const percent = (100 * (minuteBytes + hourBytes)) / rawBytes;
  return figureOf({ id, question, unit: '%', ...(goal === undefined ? {} : { goal }) }, [percent]);
}
