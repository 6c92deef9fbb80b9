/** Compares two checkouts, measured alternately: before, after, before, after. */
import { table } from '../../src/cli/text/table.ts';
import { isDisturbed } from './others.ts';
import { medianOf, type Row } from './rows.ts';
import { percent, short, withUnit } from './table.ts';

/** The rows of one bench in one turn; a side has none if it failed or lacks the row. */
export interface Pair {
  readonly before: readonly ComparedRow[];
  readonly after: readonly ComparedRow[];
}

/** What older checkouts also report. */
export type ComparedRow = Pick<Row, 'id' | 'question' | 'unit' | 'median'> & Partial<Pick<Row, 'disturbed'>>;

/** As written by `--json`. */
export interface Comparison {
  readonly id: string;
  readonly question: string;
  readonly unit: string;
  /** Medians over all turns; null on the side that has no such row. */
  readonly before: number | null;
  readonly after: number | null;
  /** The median, minimum and maximum of each turn's after / before; null if they cannot be compared. */
  readonly ratio: number | null;
  readonly min: number | null;
  readonly max: number | null;
  /** The largest share of the machine used by others, from 0 to 1; null if unknown. */
  readonly disturbed: number | null;
}

/** In the order of the newer checkout's rows, followed by those that only the older one has. */
export function compare(turns: readonly Pair[]): Comparison[] {
  const known = new Map<string, ComparedRow>();
  for (const row of turns.flatMap(({ after }) => after)) known.set(row.id, row);
  for (const row of turns.flatMap(({ before }) => before)) if (!known.has(row.id)) known.set(row.id, row);
  return Array.from(known.values(), ({ id, question, unit }) => {
    const found = turns.map((turn) => ({
      before: turn.before.find((row) => row.id === id),
      after: turn.after.find((row) => row.id === id),
    }));
    const before = found.flatMap((pair) => pair.before?.median ?? []);
    const after = found.flatMap((pair) => pair.after?.median ?? []);
    const ratios = found.flatMap((pair) => ratioOfPair(pair.before?.median, pair.after?.median) ?? []);
    const shares = found.flatMap((pair) => [pair.before?.disturbed ?? [], pair.after?.disturbed ?? []].flat());
    return {
      id,
      question,
      unit,
      before: before.length === 0 ? null : medianOf(before),
      after: after.length === 0 ? null : medianOf(after),
      ratio: ratios.length === 0 ? null : medianOf(ratios),
      min: ratios.length === 0 ? null : Math.min(...ratios),
      max: ratios.length === 0 ? null : Math.max(...ratios),
      disturbed: shares.length === 0 ? null : Math.max(...shares),
    };
  });
}

/** 0 / 0 has no ratio. */
function ratioOfPair(before: number | undefined, after: number | undefined): number | undefined {
  return before === undefined || after === undefined || before === 0 ? undefined : after / before;
}

export function comparisonTable(rows: readonly Comparison[]): string {
  return table(
    [
      { title: 'ID' },
      { title: 'QUESTION' },
      { title: 'BEFORE', align: 'right' },
      { title: 'AFTER', align: 'right' },
      { title: 'AFTER / BEFORE', align: 'right' },
      { title: 'MIN – MAX', align: 'right' },
      { title: 'OTHERS', align: 'right' },
    ],
    rows.map(({ id, question, unit, before, after, ratio, min, max, disturbed }) => [
      id,
      question,
      before === null ? '–' : withUnit(short(before), unit),
      after === null ? '–' : withUnit(short(after), unit),
      ratio === null ? '–' : withUnit(short(ratio), '×'),
      min === null || max === null ? '–' : `${short(min)} – ${short(max)}`,
      disturbed === null ? '–' : `${percent(disturbed)}${isDisturbed(disturbed) ? ' !' : ''}`,
    ]),
  );
}
