/** The result of a bench: rows of one figure each, for programs (`--json`) and for people (the table). */

/** As `--json` writes it. */
export interface Row {
  /** Stable: listed in bench/README.md. */
  readonly id: string;
  readonly question: string;
  readonly unit: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  /** The most (with {@link Figure.goalIs} `at least`: the least) that is good enough; null where only reported. */
  readonly goal: number | null;
  /** Whether the median meets the goal; null without one. */
  readonly ok: boolean | null;
  /** The most that other processes took of the machine, from 0 to 1, in what was measured; null where that is not known. */
  readonly disturbed: number | null;
}

/** What a run measured, and how much of the machine others took meanwhile: undefined where that is not known. */
export interface Measured<Run> {
  readonly run: Run;
  readonly othersShare: number | undefined;
}

/** That of two runs which others disturbed less; the first, where that is not known. */
export function calmer<M extends Measured<unknown>>(first: M, second: M): M {
  return (second.othersShare ?? 1) < (first.othersShare ?? 1) ? second : first;
}

/** A row, and which way its goal points. */
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

/** A question, and where its answer is in what a run measured. */
export interface QuestionOf<Run> extends Question {
  readonly of: (run: Run) => number;
  /** A goal that holds as it stands unless the machine alone takes longer: see {@link goalAbove}. */
  readonly floorOf?: (run: Run) => number;
}

/** Where the floor alone takes a third of what is promised, or more, the machine is held to blame for the rest. */
const TIMES_THE_FLOOR = 3;

/** A promise in absolute figures, on a machine that has such a floor in the same run. */
export function goalAbove(promised: number, floor: number): number {
  return Math.max(promised, TIMES_THE_FLOOR * floor);
}

/** One figure of the values that several runs gave for one question. */
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

/** The figures of several questions that the same runs answer. */
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

/** The row alone: its format is a promise. */
export function rowOf({ id, question, unit, median, min, max, goal, ok, disturbed }: Figure): Row {
  return { id, question, unit, median, min, max, goal, ok, disturbed };
}

export function medianOf(values: readonly number[]): number {
  return percentile(
    values.toSorted((a, b) => a - b),
    50,
  );
}

/** The value below which `percent` of the ascending values lie: the nearest rank. */
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

/** Both ends of a spread as questions, with goals for neither, one or both. */
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

/** Each run's spread, beside what is the floor of each of its ends in the same run. */
export function ratioOf({ p50, p99 }: Spread, floor: Spread): Spread {
  return { p50: p50 / floor.p50, p99: p99 / floor.p99 };
}
