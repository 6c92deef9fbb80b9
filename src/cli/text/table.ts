/** Aligned columns and lists of facts. Every cell is made printable here, so that no renderer can forget it. */
import { printable } from '../../lib/printable.ts';
import { cut, padEnd, padStart, widthOf } from './width.ts';

export interface Column {
  readonly title: string;
  /** Numbers are easier to compare when they end at the same column. */
  readonly align?: 'left' | 'right';
  /** Longer cells are cut; without it none is. */
  readonly maxWidth?: number;
}

const GAP = '  ';

/** Titles, then a line for each row; no line ends in spaces. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => columns.map((column, index) => cellOf(column, row[index] ?? '')));
  const widths = columns.map(({ title }, index) =>
    cells.reduce((widest, row) => Math.max(widest, widthOf(row[index] ?? '')), widthOf(title)),
  );
  const titles = columns.map(({ title }) => title);
  return [titles, ...cells].map((row) => line(columns, widths, row)).join('\n');
}

/** `name  value` lines, aligned. */
export function facts(entries: readonly (readonly [name: string, value: string])[]): string {
  const width = entries.reduce((widest, [name]) => Math.max(widest, widthOf(name)), 0);
  return entries.map(([name, value]) => `${padEnd(name, width)}${GAP}${printable(value)}`.trimEnd()).join('\n');
}

/** A titled block, set off by an empty line. */
export function section(title: string, body: string): string {
  return `\n\n${title}\n${indent(body)}`;
}

export function indent(text: string): string {
  return text.replace(/^(?=.)/gm, GAP);
}

function cellOf({ maxWidth }: Column, text: string): string {
  const safe = printable(text);
  return maxWidth === undefined ? safe : cut(safe, maxWidth);
}

function line(columns: readonly Column[], widths: readonly number[], row: readonly string[]): string {
  return columns
    .map(({ align }, index) => (align === 'right' ? padStart : padEnd)(row[index] ?? '', widths[index] ?? 0))
    .join(GAP)
    .trimEnd();
}
