/**
 * Which columns of a table are shown in a window, and how wide each is: decided before anything is written. In this order,
 * as far as it is needed:
 *
 * 1. Columns that wrap become narrower, then those that are shortened.
 * 2. Columns are left out, those with the lowest `rank` first.
 * 3. Nothing is beside anything: the table is stacked.
 *
 * Where there is room left, columns that are `extra` are added, in the order in which they are declared.
 */
import { widthOf } from './width.ts';

export interface Column {
  readonly title: string;
  /** Numbers are easier to compare when they end at the same column. */
  readonly align?: 'left' | 'right';
  /** Cells are no wider, unless everything is to be shown. */
  readonly maxWidth?: number;
  /** Where room is short, cells are shortened in the middle, down to this width. */
  readonly shortensTo?: number;
  /** Where room is short, cells go on in the next line, down to this width. The last column alone may have it. */
  readonly wrapsTo?: number;
  /** The lowest is left out first; without it a column is always there. */
  readonly rank?: number;
  /** Shown where all the others leave room for it. */
  readonly isExtra?: boolean;
}

export const GAP = '  ';

export interface ShownColumn {
  /** In the table. */
  readonly index: number;
  readonly width: number;
}

export interface TableLayout {
  /** Undefined: stacked. */
  readonly shown: readonly ShownColumn[] | undefined;
  /** Indices of those that there is no room for. */
  readonly leftOut: readonly number[];
}

/** A column as it is measured. */
interface Measured {
  readonly index: number;
  readonly column: Column;
  /** What it takes if there is room. */
  readonly full: number;
  /** What it takes at least. */
  readonly least: number;
}

/**
 * @param widths of the widest cell of each column
 * @param page its columns, and whether all is to be shown
 */
export function layOut(
  columns: readonly Column[],
  widths: readonly number[],
  { columns: room, isWide }: { readonly columns: number; readonly isWide: boolean },
): TableLayout {
  const measured = columns.map((column, index): Measured => {
    const title = widthOf(column.title);
    const cell = Math.max(title, widths[index] ?? 0);
    const full = isWide ? cell : Math.min(cell, Math.max(title, column.maxWidth ?? cell));
    const narrow = column.wrapsTo ?? (isWide ? undefined : column.shortensTo);
    return { index, column, full, least: Math.min(full, Math.max(title, narrow ?? full)) };
  });
  const usual = measured.filter(({ column }) => isWide || column.isExtra !== true);
  const shown = isWide ? usual : withoutLowest(usual, room);
  if (widthBeside(shown, 'least') > room) return { shown: undefined, leftOut: [] };
  const all = shown.length < usual.length || isWide ? shown : withExtras(shown, measured, room);
  // Without a window nothing lacks room: extras are left out all the same.
  const wanted = Number.isFinite(room) ? measured : usual;
  const leftOut = wanted.filter((each) => !all.includes(each));
  return { shown: narrowed(all, room), leftOut: leftOut.map(({ index }) => index) };
}

/** Leaves out columns until the rest has room, or none may be left out any more. */
function withoutLowest(columns: readonly Measured[], room: number): readonly Measured[] {
  let shown = columns;
  while (widthBeside(shown, 'least') > room) {
    const ranked = shown.filter(({ column }) => column.rank !== undefined);
    if (ranked.length === 0) return columns;
    const lowest = ranked.reduce((low, each) => ((each.column.rank ?? 0) < (low.column.rank ?? 0) ? each : low));
    shown = shown.filter((each) => each !== lowest);
  }
  return shown;
}

function withExtras(shown: readonly Measured[], all: readonly Measured[], room: number): readonly Measured[] {
  return all
    .filter(({ column }) => column.isExtra === true)
    .reduce((so, extra) => {
      const more = all.filter((each) => so.includes(each) || each === extra);
      return Number.isFinite(room) && widthBeside(more, 'full') <= room ? more : so;
    }, shown);
}

function narrowed(columns: readonly Measured[], room: number): ShownColumn[] {
  let excess = Math.max(0, widthBeside(columns, 'full') - room);
  const widths = new Map(columns.map(({ index, full }) => [index, full]));
  const wrapping = columns.filter(({ column }) => column.wrapsTo !== undefined);
  const others = columns.filter(({ column }) => column.wrapsTo === undefined);
  for (const { index, full, least } of [...wrapping, ...others]) {
    const less = Math.min(excess, full - least);
    widths.set(index, full - less);
    excess -= less;
  }
  return columns.map(({ index }) => ({ index, width: widths.get(index) as number }));
}

function widthBeside(columns: readonly Measured[], which: 'full' | 'least'): number {
  return columns.reduce((sum, each) => sum + each[which], 0) + GAP.length * Math.max(0, columns.length - 1);
}
