/** A bench: a question answered in figures, at a small size (in the tests) or at full size. */
import { isDisturbed } from './others.ts';
import { calmer, type Figure, type Measured } from './rows.ts';
import { RunWatch } from './run-watch.ts';

/** Ids and goals name the full size; a smaller size is named in the rows' questions. */
export interface Size {
  /** Figures are medians over this many runs. */
  readonly runs: number;
  /** Of the full time that each run measures. */
  readonly time: number;
  /** Of the full time before, and of a window that shall agree with the next: see warm-up.ts. */
  readonly warm: number;
  /** At most so many windows until two must have agreed. */
  readonly warmWindows: number;
  /** Whether a run that others disturbed is measured once more. */
  readonly isRepeatedWhenDisturbed: boolean;
  /** Of the full fleets. */
  readonly fleet: number;
  /** Of the threads that are started only to see what they cost. */
  readonly threads: number;
  /** Fleet sizes of the promised latencies. */
  readonly promises: readonly number[];
}

export interface BenchContext {
  readonly size: Size;
  /** What is being done. */
  progress(line: string): void;
  /** What whoever reads the figures must know. */
  note(line: string): void;
}

export interface Bench {
  readonly name: string;
  readonly question: string;
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
  promises: [100, 1000],
};
/** `--quick`: the same questions, a rough answer. */
export const QUICK: Size = { ...FULL, runs: 1, time: 0.5, warm: 1, threads: 0.2, promises: [100] };
/** In `npm test`: only that everything still runs. */
export const SMALL: Size = {
  runs: 1,
  time: 0.05,
  warm: 0.05,
  warmWindows: 2,
  isRepeatedWhenDisturbed: false,
  fleet: 0.02,
  threads: 0.03,
  promises: [100],
};

/** At least two of whatever is scaled, so that nothing is divided by none. */
export function scaled(full: number, factor: number): number {
  return Math.max(2, Math.round(full * factor));
}

/**
 * Measures as often as the size says; a run that others disturbed once more, of which the calmer one counts. What a run
 * compares, it measures back to back; what it measures is what it does in `watch.during`, or all of it.
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
