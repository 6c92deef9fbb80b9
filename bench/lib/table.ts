/** The figures as people read them. */
import { table } from '../../src/cli/text/table.ts';
import type { Figure } from './rows.ts';

export function tableOf(figures: readonly Figure[]): string {
  return table(
    [
      { title: 'ID' },
      { title: 'QUESTION' },
      { title: 'MEDIAN', align: 'right' },
      { title: 'MIN – MAX', align: 'right' },
      { title: 'GOAL', align: 'right' },
      { title: 'VERDICT' },
    ],
    figures.map((figure) => {
      const { id, question, unit, median, min, max, ok } = figure;
      const verdict = ok === null ? 'reported' : ok ? 'met' : 'MISSED';
      return [id, question, withUnit(short(median), unit), `${short(min)} – ${short(max)}`, goalText(figure), verdict];
    }),
  );
}

function goalText({ goal, goalIs, unit }: Figure): string {
  if (goal === null) return '–';
  return `${goalIs === 'at most' ? '≤' : '≥'} ${withUnit(goal.toLocaleString('en'), unit)}`;
}

function withUnit(value: string, unit: string): string {
  return `${value} ${unit}`;
}

/** Three significant digits or all before the point, without an exponent. */
function short(value: number): string {
  if (value === 0) return '0';
  const digits = Math.min(Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value)))), 6);
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
