/** A bench: a question answered in figures, at a small size (in the tests) or at full size. */
import { isDisturbed } from './others.ts';
import { calmer, type Figure, type Measured } from './rows.ts';
import { RunWatch } from './run-watch.ts';

/** Ids and goals name the full size; a smaller size is named in the rows' questions. */
export interface Size {
  /** The number of runs; figures are medians over them. */
  readonly runs: number;
  /** The fraction of the full measuring time per run. */
  readonly time: number;
  /** The fraction of the full warm-up time, and of its windows: see warm-up.ts. */
  readonly warm: number;
  /** The most warm-up windows; two of them must have agreed by then. */
  readonly warmWindows: number;
  /** Whether a disturbed run is repeated once. */
  readonly isRepeatedWhenDisturbed: boolean;
  /** The fraction of the full fleet size. */
  readonly fleet: number;
  /** The fraction of the threads started only to measure their cost. */
  readonly threads: number;
  /** The fraction of a fleet of which days are written first, which takes most of the time. */
  readonly fill: number;
  /** Fleet sizes of the promised latencies. */
  readonly promises: readonly number[];
}

export interface BenchContext {
  readonly size: Size;
  /** Shows what is being done. */
  progress(line: string): void;
  /** Adds a note for readers of the figures. */
  note(line: string): void;
}

export interface Bench {
  readonly name: string;
  readonly question: string;
  /** Ids of rows that need programs which may not be installed. */
  readonly optional?: readonly string[];
  /** Another one that asks the same of another fleet, and what its rows are called here: the tests run only that one. */
  readonly sameAs?: { readonly bench: string; readonly idOf: (id: string) => string };
  run(context: BenchContext): Promise<Figure[]>;
}

export const FULL: Size = {
  runs: 3,
  time: 0.4,
  warm: 0.4,
  warmWindows: 10,
  isRepeatedWhenDisturbed: true,
  fleet: 1,
  threads: 1,
  fill: 1,
  promises: [100, 1000],
};
/** `--quick`: the same questions, rough figures. */
export const QUICK: Size = { ...FULL, runs: 1, time: 0.5, warm: 1, threads: 0.2, fill: 0.05, promises: [100] };
/** In `npm test`: only checks that everything still runs. */
export const SMALL: Size = {
  runs: 1,
  time: 0.05,
  warm: 0.05,
  warmWindows: 2,
  isRepeatedWhenDisturbed: false,
  fleet: 0.02,
  threads: 0.03,
  fill: 0.003,
  promises: [100],
};

/** At least 2, so that nothing is divided by zero. */
export function scaled(full: number, factor: number): number {
  return Math.max(2, Math.round(full * factor));
}

/** What takes no less than its time in a measurement, and a part of it where only is checked that it still runs. */
export function shortenedInTests(fullMs: number, { time }: Size): number {
  return fullMs * Math.min(1, 2.5 * time);
}

/**
 * Measures as often as the size says, and repeats a disturbed run once; the quieter of the two counts. A run measures what it
 * compares back to back. Only what runs in `watch.during` is measured; without it, the whole run.
 */
export async function repeated<Run>(
  { name }: Pick<Bench, 'name'>,
  context: BenchContext,
  measure: (size: Size, watch: RunWatch) => Promise<Run>,
  newWatch = () => new RunWatch(),
): Promise<Measured<Run>[]> {
  const { size, progress, note } = context;
  const measureOnce = async (): Promise<Measured<Run> & { unsteady: readonly string[] }> => {
    const watch = newWatch();
    const whole = newWatch();
    const run = await whole.during(() => measure(size, watch));
    return { run, othersShare: watch.othersShare ?? whole.othersShare, unsteady: watch.unsteady };
  };
  const runs: Measured<Run>[] = [];
  for (let number = 1; number <= size.runs; number++) {
    progress(`${name}: run ${number} of ${size.runs}`);
    let kept = await measureOnce();
    if (size.isRepeatedWhenDisturbed && isDisturbed(kept.othersShare)) {
      progress(`${name}: run ${number} of ${size.runs} once more, since others disturbed it`);
      kept = calmer(kept, await measureOnce());
    }
    for (const what of kept.unsteady) note(`${name}: ${what} never became steady in run ${number}`);
    runs.push(kept);
  }
  return runs;
}
