/** The rows as people read them. */
import { table } from '../../src/cli/text/table.ts';
import type { Row } from './rows.ts';

export function tableOf(rows: readonly Row[]): string {
  return table(
    [
      { title: 'ID' },
      { title: 'QUESTION' },
      { title: 'MEDIAN', align: 'right' },
      { title: 'MIN – MAX', align: 'right' },
      { title: 'GOAL', align: 'right' },
      { title: 'VERDICT' },
    ],
    rows.map(({ id, question, unit, median, min, max, goal, ok }) => [
      id,
      question,
      `${short(median)} ${unit}`,
      `${short(min)} – ${short(max)}`,
      goal === null ? '–' : `≤ ${goal} ${unit}`,
      ok === null ? 'reported' : ok ? 'met' : 'MISSED',
    ]),
  );
}

/** Three significant digits, without an exponent. */
function short(value: number): string {
  if (value === 0) return '0';
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(digits, 6));
}
