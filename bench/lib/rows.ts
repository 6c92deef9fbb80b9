/** The result of a bench: rows of one figure each, for programs (`--json`) and for people (the table). */

/** As written by `--json`. */
export interface Row {
  /** Stable: listed in bench/README.md. */
  readonly id: string;
  readonly question: string;
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** The largest acceptable value (with {@link Figure.goalIs} `at least`: the smallest); null if only reported. */
  readonly goal: number | null;
  /** Whether the median meets the goal; null without a goal. */
  readonly ok: boolean | null;
  /** The largest share of the machine used by other processes while measuring, from 0 to 1; null if unknown. */
  readonly disturbed: number | null;
}

/** The result of a run, and the share of the machine used by others meanwhile; undefined if unknown. */
export interface Measured<Run> {
  readonly run: Run;
  readonly othersShare: number | undefined;
}

/** The less disturbed of two runs; the first if unknown. */
export function calmer<M extends Measured<unknown>>(first: M, second: M): M {
  return (second.othersShare ?? 1) < (first.othersShare ?? 1) ? second : first;
}

/** A row, and whether its goal is a maximum or a minimum. */
export interface Figure extends Row {
  readonly goalIs: GoalIs;
}

export type GoalIs = 'at most' | 'at least';

export interface Question {
  readonly id: string;
  readonly question: string;
  readonly unit: string;
  readonly goal?: number;
  /** Default: at most. */
  readonly goalIs?: GoalIs;
}

/** A question, and how to find its answer in a run's result. */
export interface QuestionOf<Run> extends Question {
  readonly of: (run: Run) => number;
  /** An absolute goal, unless the machine alone takes too long: see {@link goalAbove}. */
  readonly floorOf?: (run: Run) => number;
}

/** If the floor alone takes a third of the promised time or more, the goal becomes this multiple of the floor. */
const TIMES_THE_FLOOR = 3;

/** The goal for a promised time, given the machine's floor in the same run. */
export function goalAbove(promised: number, floor: number): number {
  return Math.max(promised, TIMES_THE_FLOOR * floor);
}

/** The figure for one question from the values of several runs. */
export function figureOf(question: Question, runs: readonly number[], disturbed: number | null = null): Figure {
  const { goal, goalIs = 'at most' } = question;
  const sorted = runs.toSorted((a, b) => a - b);
  const median = percentile(sorted, 50);
  return {
    id: question.id,
    question: question.question,
    unit: question.unit,
    median,
    min: sorted[0] as number,
    max: sorted.at(-1) as number,
    goal: goal ?? null,
    ok: goal === undefined ? null : goalIs === 'at most' ? median <= goal : median >= goal,
    disturbed,
    goalIs,
  };
}

/** The figures for several questions from the same runs. */
export function figuresOf<Run>(runs: readonly Measured<Run>[], questions: readonly QuestionOf<Run>[]): Figure[] {
  const shares = runs.flatMap(({ othersShare }) => othersShare ?? []);
  const disturbed = shares.length === 0 ? null : Math.max(...shares);
  return questions.map((question) => {
    const { of, floorOf, goal } = question;
    const values = runs.map(({ run }) => of(run));
    if (goal === undefined || floorOf === undefined) return figureOf(question, values, disturbed);
    const goals = runs.map(({ run }) => goalAbove(goal, floorOf(run)));
    return figureOf({ ...question, goal: medianOf(goals) }, values, disturbed);
  });
}

/** Only the row: its format is stable. */
export function rowOf({ id, question, unit, median, min, max, goal, ok, disturbed }: Figure): Row {
  return { id, question, unit, median, min, max, goal, ok, disturbed };
}

export function medianOf(values: readonly number[]): number {
  return percentile(
    values.toSorted((a, b) => a - b),
    50,
  );
}

/** A percentile of ascending values, by nearest rank. */
export function percentile(ascending: ArrayLike<number>, percent: number): number {
  if (ascending.length === 0) throw new Error('a percentile of nothing');
  const rank = Math.max(1, Math.ceil((percent / 100) * ascending.length));
  return ascending[rank - 1] as number;
}

export interface Spread {
  readonly p50: number;
  readonly p99: number;
}

/** p50 and p99 of one run's values. */
export function p50p99(values: Iterable<number>): Spread {
  const sorted = Float64Array.from(values).sort();
  return { p50: percentile(sorted, 50), p99: percentile(sorted, 99) };
}

/** The p50 and p99 of a spread as questions, with goals for neither, one or both. */
export function spreadQuestions<Run>(
  { id, question, unit }: Pick<Question, 'id' | 'question' | 'unit'>,
  of: (run: Run) => Spread,
  goals: Partial<Spread> = {},
  floorOf?: (run: Run) => Spread,
): QuestionOf<Run>[] {
  return (['p50', 'p99'] as const).map((which) => ({
    id: `${id}.${which}`,
    question: `${question}, ${which}`,
    unit,
    ...(goals[which] === undefined ? {} : { goal: goals[which] }),
    ...(floorOf === undefined ? {} : { floorOf: (run: Run) => floorOf(run)[which] }),
    of: (run) => of(run)[which],
  }));
}

/** The ratios of each run's spread to its floors in the same run. */
export function ratioOf({ p50, p99 }: Spread, floor: Spread): Spread {
  return { p50: p50 / floor.p50, p99: p99 / floor.p99 };
}
