/** Aligned columns and lists of facts. Every cell is made printable here, so that no renderer can forget it. */
import { printable } from '../../lib/printable.ts';
import { ENDLESS_PAGE, inset, type Page } from './page.ts';
import type { Meaning } from './paint.ts';
import { type Column, GAP, layOut, type ShownColumn } from './table-layout.ts';
import { cut, cutMiddle, padEnd, padStart, widthOf } from './width.ts';
import { wrapCell } from './wrap.ts';

export type { Column } from './table-layout.ts';

/** A text, or one with a meaning that a colour repeats. */
export type Cell = string | { readonly text: string; readonly meaning: Meaning };

/**
 * Titles, then the rows, in lines that fit the page (how: table-layout.ts); columns that are left out are named below.
 * No line ends in spaces.
 */
export function table(columns: readonly Column[], rows: readonly (readonly Cell[])[], page = ENDLESS_PAGE): string {
  const cells = rows.map((row) => columns.map((_, index) => safe(row[index] ?? '')));
  const widths = columns.map((_, index) =>
    cells.reduce((widest, row) => Math.max(widest, widthOf(textOf(row[index] as Cell))), 0),
  );
  const { shown, leftOut } = layOut(columns, widths, page);
  if (shown === undefined) return stacked(columns, cells, page);
  const titles = columns.map(({ title }): Cell => ({ text: title, meaning: 'title' }));
  const lines = [titles, ...cells].flatMap((row) => rowLines(columns, shown, row, page));
  if (leftOut.length === 0) return lines.join('\n');
  const names = leftOut.map((index) => columns[index]?.title).join(', ');
  return [...lines, ...wrapCell(`(no room for ${names})`, page.columns)].join('\n');
}

/** `name  value` lines, aligned; what is too long goes on below its value. */
export function facts(entries: readonly (readonly [name: string, value: Cell])[], page = ENDLESS_PAGE): string {
  const width = entries.reduce((widest, [name]) => Math.max(widest, widthOf(name)), 0);
  const room = page.columns - width - GAP.length;
  return entries
    .flatMap(([name, given]) => {
      const value = safe(given);
      if (room < LEAST_VALUE_COLUMNS) return [...wrapCell(name, page.columns), ...indented(value, page)];
      return wrapped(value, room, page).map((line, index) =>
        `${padEnd(index === 0 ? name : '', width)}${GAP}${line}`.trimEnd(),
      );
    })
    .join('\n');
}

/** With less room beside its name, a value stands below it. */
const LEAST_VALUE_COLUMNS = 16;

/** Text of several lines, broken so that it fits. */
export function prose(text: string, page = ENDLESS_PAGE): string {
  return text
    .split('\n')
    .flatMap((line) => wrapCell(printable(line), page.columns))
    .join('\n');
}

/** A titled block, set off by an empty line. @param body is laid out for a page that leaves room to indent it */
export function section(title: string, body: (page: Page) => string, page = ENDLESS_PAGE): string {
  return `\n\n${prose(title, page)}\n${indent(body(inset(page, GAP.length)))}`;
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, GAP);
}

/** One row after the other: its first cell, and the others below it, each with its title. */
function stacked(columns: readonly Column[], rows: readonly (readonly Cell[])[], page: Page): string {
  const shown = columns.map((column, index) => ({ ...column, index })).filter(({ isExtra }) => page.isWide || !isExtra);
  const [head, ...others] = shown;
  if (head === undefined) return '';
  return rows
    .flatMap((row) => {
      const entries = others
        .map(({ title, index }) => [title, row[index] as Cell] as const)
        .filter(([, cell]) => textOf(cell) !== '');
      const name = wrapped(row[head.index] as Cell, page.columns, page);
      return [...name, ...(entries.length === 0 ? [] : [indent(facts(entries, inset(page, GAP.length)))])];
    })
    .join('\n');
}

/** One row; a cell that goes on makes it several lines. */
function rowLines(
  columns: readonly Column[],
  shown: readonly ShownColumn[],
  row: readonly Cell[],
  page: Page,
): string[] {
  const parts = shown.map(({ index, width }) => {
    const column = columns[index] as Column;
    const cell = row[index] as Cell;
    if (column.wrapsTo !== undefined) return wrapped(cell, width, page);
    const shorten = column.shortensTo === undefined ? cut : cutMiddle;
    return [painted({ ...withMeaning(cell), text: shorten(textOf(cell), width) }, page)];
  });
  const height = Math.max(...parts.map((lines) => lines.length));
  return Array.from({ length: height }, (_, line) =>
    shown
      .map(({ index, width }, at) => {
        const pad = columns[index]?.align === 'right' ? padStart : padEnd;
        return pad(parts[at]?.[line] ?? '', width);
      })
      .join(GAP)
      .trimEnd(),
  );
}

function wrapped(cell: Cell, columns: number, page: Page): string[] {
  return wrapCell(textOf(cell), columns).map((text) => painted({ ...withMeaning(cell), text }, page));
}

function indented(cell: Cell, page: Page): string[] {
  const inner = inset(page, GAP.length);
  return wrapped(cell, inner.columns, inner).map((line) => `${GAP}${line}`.trimEnd());
}

interface PlainCell {
  readonly text: string;
  readonly meaning?: Meaning;
}

function withMeaning(cell: Cell): PlainCell {
  return typeof cell === 'string' ? { text: cell } : cell;
}

function textOf(cell: Cell): string {
  return typeof cell === 'string' ? cell : cell.text;
}

function safe(cell: Cell): Cell {
  return typeof cell === 'string' ? printable(cell) : { ...cell, text: printable(cell.text) };
}

function painted({ text, meaning }: PlainCell, { paint }: Page): string {
  return meaning === undefined || text === '' ? text : paint(text, meaning);
}
