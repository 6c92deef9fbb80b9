/** Formats the figures for people. */
import { table } from '../../src/cli/text/table.ts';
import { DISTURBED_SHARE, isDisturbed } from './others.ts';
import type { Figure } from './rows.ts';

export function tableOf(figures: readonly Figure[]): string {
  return table(
    [
      { title: 'ID' },
      { title: 'QUESTION' },
      { title: 'MEDIAN', align: 'right' },
      { title: 'MIN – MAX', align: 'right' },
      { title: 'GOAL', align: 'right' },
      { title: 'OTHERS', align: 'right' },
      { title: 'VERDICT' },
    ],
    figures.map((figure) => {
      const { id, question, unit, median, min, max, ok, disturbed } = figure;
      const verdict = ok === null ? 'reported' : ok ? 'met' : 'MISSED';
      return [
        id,
        question,
        withUnit(short(median), unit),
        `${short(min)} – ${short(max)}`,
        goalText(figure),
        othersText(disturbed),
        isDisturbed(disturbed) ? `${verdict}, disturbed` : verdict,
      ];
    }),
  );
}

/** A summary of what other processes used of the machine. */
export function disturbanceOf(figures: readonly Figure[]): string {
  const shares = figures.flatMap(({ disturbed }) => disturbed ?? []);
  if (shares.length === 0) return 'what other processes took of the machine is unknown on this system';
  const marked = shares.filter(isDisturbed).length;
  const most = `other processes took ${percent(Math.max(...shares))} of the machine at most`;
  if (marked === 0) return most;
  return `${most}; ${marked} of ${figures.length} rows are disturbed (more than ${percent(DISTURBED_SHARE)}): ask them again`;
}

function othersText(share: number | null): string {
  return share === null ? '–' : percent(share);
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

function goalText({ goal, goalIs, unit }: Figure): string {
  if (goal === null) return '–';
  return `${goalIs === 'at most' ? '≤' : '≥'} ${withUnit(goal.toLocaleString('en', { maximumSignificantDigits: 3 }), unit)}`;
}

export function withUnit(value: string, unit: string): string {
  return `${value} ${unit}`;
}

/** Three significant digits, or all digits before the point, without an exponent. */
export function short(value: number): string {
  if (value === 0) return '0';
  const digits = Math.min(Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value)))), 6);
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
