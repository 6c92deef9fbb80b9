/** What a bench is: a question, answered in figures, at a small size (in the tests) or at full size. */
import type { Figure } from './rows.ts';

/** Ids and goals name the full size; what is smaller says so in its rows' questions. */
export interface Size {
  /** Figures are medians over this many runs. */
  readonly runs: number;
  /** Of the full time that each run measures. */
  readonly time: number;
  /** Of the full time before: until code is compiled and heaps have grown, figures are those of a start. */
  readonly warm: number;
  /** Of the full fleets. */
  readonly fleet: number;
  /** Of the threads that are started only to see what they cost. */
  readonly threads: number;
  /** Fleets of the seed's promises. */
  readonly promises: readonly number[];
}

export interface BenchContext {
  readonly size: Size;
  progress(line: string): void;
}

export interface Bench {
  readonly name: string;
  readonly question: string;
  run(context: BenchContext): Promise<Figure[]>;
}

export const FULL: Size = { runs: 3, time: 0.4, warm: 0.4, fleet: 1, threads: 1, promises: [100, 1000] };
/** `--quick`: the same questions, a rough answer. */
export const QUICK: Size = { runs: 1, time: 0.5, warm: 1, fleet: 1, threads: 0.2, promises: [100] };
/** In `npm test`: only that everything still runs. */
export const SMALL: Size = { runs: 1, time: 0.05, warm: 0.05, fleet: 0.02, threads: 0.03, promises: [100] };

/** At least two of whatever is scaled, so that nothing is divided by none. */
export function scaled(full: number, factor: number): number {
  return Math.max(2, Math.round(full * factor));
}

/** Measures as often as the size says. What a run compares, it measures back to back. */
export async function repeated<Run>(
  { name }: Pick<Bench, 'name'>,
  { size, progress }: BenchContext,
  measure: (size: Size) => Promise<Run>,
): Promise<Run[]> {
  const runs: Run[] = [];
  for (let run = 1; run <= size.runs; run++) {
    progress(`${name}: run ${run} of ${size.runs}`);
    runs.push(await measure(size));
  }
  return runs;
}
