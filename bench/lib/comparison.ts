/** What two checkouts gave, measured in turn: before, after, before, after. */
import { table } from '../../src/cli/text/table.ts';
import { isDisturbed } from './others.ts';
import { medianOf, type Row } from './rows.ts';
import { percent, short, withUnit } from './table.ts';

/** The rows of one bench in one turn; a side that failed, or that does not know a row, has none. */
export interface Pair {
  readonly before: readonly ComparedRow[];
  readonly after: readonly ComparedRow[];
}

/** What older checkouts tell, too. */
export type ComparedRow = Pick<Row, 'id' | 'question' | 'unit' | 'median'> & Partial<Pick<Row, 'disturbed'>>;

/** As `--json` writes it. */
export interface Comparison {
  readonly id: string;
  readonly question: string;
  readonly unit: string;
  /** Medians over all turns; null on the side that has no such row. */
  readonly before: number | null;
  readonly after: number | null;
  /** The median of each turn's after / before, and the least and most of these; null where nothing compares. */
  readonly ratio: number | null;
  readonly min: number | null;
  readonly max: number | null;
  /** The most that others took of the machine, from 0 to 1; null where that is not known. */
  readonly disturbed: number | null;
}

/** In the order of the newer checkout's rows; then those that only the older one has. */
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

/** Nothing is so many times as much as nothing. */
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
