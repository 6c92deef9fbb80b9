/** The history of a worker for people: figures and a sparkline per metric, and the times without samples. */
import { formatDuration } from '../../config/kinds.ts';
import { printable } from '../../lib/printable.ts';
import { ENDLESS_PAGE, type Page } from '../text/page.ts';
import { noSampleMark, type SparkRange, sparkline } from '../text/sparkline.ts';
import { type Column, prose, section, table } from '../text/table.ts';
import { age, count, countOf, instant, NOTHING, number, percent } from '../text/units.ts';
import { cutMiddle, padEnd, widthOf } from '../text/width.ts';
import type { HistoryGap, HistoryPoint, HistorySeries, HistoryView } from './history-view.ts';

/** Where no terminal says how wide it is. */
const USUAL_COLUMNS = 80;
/** A sparkline that is narrower has a line of its own, below its metric. */
const LEAST_SPARK_COLUMNS = 24;
const MAX_METRIC_WIDTH = 40;
const LEAST_METRIC_WIDTH = 12;
/** More are counted: the rest of the answer would be out of sight. */
const MAX_GAPS = 20;

const FIGURES: readonly Column[] = [
  { title: 'METRIC', maxWidth: MAX_METRIC_WIDTH, shortensTo: LEAST_METRIC_WIDTH },
  { title: 'MIN', align: 'right' },
  { title: 'MEAN', align: 'right' },
  { title: 'MAX', align: 'right' },
  { title: 'LAST', align: 'right', rank: 2 },
  { title: 'SAMPLES', align: 'right', rank: 1 },
];

const GAPS: readonly Column[] = [{ title: 'FROM' }, { title: 'FOR', align: 'right' }, { title: 'REASON', wrapsTo: 24 }];

/** In words, by reason. */
export const GAP_TEXTS: Readonly<Record<string, string>> = {
  samples_lost: 'samples were lost before the database had them',
  master_down: 'no master kept history',
  worker_inactive: 'the worker was inactive',
  damaged: 'this part of the database is damaged',
  not_kept: 'not kept that long, or from before history began',
  clock_set: 'the clock of the master was set',
  database_away: 'the database does not answer',
};

export function historyText(view: HistoryView, page = ENDLESS_PAGE): string {
  const { series, degraded } = view;
  const note = degraded === null ? '' : `\n${prose(`Incomplete: ${degraded.detail}`, page)}`;
  const head = prose(headText(view), page) + note;
  if (series.every(({ points }) => points.length === 0)) {
    return `${head}\n\n${prose('No samples in this time.', page)}${gapsText(series, page)}`;
  }
  const figures = table(FIGURES, series.map(figuresRow), page);
  return `${head}\n\n${figures}\n\n${sparklines(view, page)}${gapsText(series, page)}`;
}

function headText({ worker_id, from, to, series: [first] }: HistoryView): string {
  const range = `${printable(worker_id)}: ${instant(Date.parse(from))} to ${instant(Date.parse(to))}`;
  return first === undefined ? range : `${range}, ${pointsText(first)}`;
}

function pointsText({ tier, step_ms }: HistorySeries): string {
  if (step_ms === 0) return 'each sample';
  const of = tier === 'raw' ? 'samples' : `${tier} rollups`;
  return `${of} in steps of ${formatDuration(step_ms)}`;
}

function figuresRow({ metric, points }: HistorySeries): string[] {
  const counted = points.filter((point) => point.count > 0);
  const samples = counted.reduce((sum, point) => sum + point.count, 0);
  const known = (values: readonly (number | null)[]) => values.filter((value) => value !== null);
  const mins = known(counted.map(({ min }) => min));
  const maxs = known(counted.map(({ max }) => max));
  const weighed = counted.reduce((sum, { mean, count }) => sum + ((mean ?? 0) * count) / samples, 0);
  const last = known(counted.map((point) => point.last)).at(-1);
  if (mins.length === 0) return [metric, NOTHING, NOTHING, NOTHING, NOTHING, count(samples)];
  return [
    metric,
    valueText(metric, least(mins)),
    valueText(metric, weighed),
    valueText(metric, -least(maxs.map((value) => -value))),
    last === undefined ? NOTHING : valueText(metric, last),
    count(samples),
  ];
}

function least(values: readonly number[]): number {
  return values.reduce((lowest, value) => Math.min(lowest, value));
}

function valueText(metric: string, value: number): string {
  return /^(?:cpu|memory|storage|gpu)_usage$|\.utilization_percent$/.test(metric) ? percent(value) : number(value);
}

/** A line per metric, and a line with the ends of the range. */
function sparklines({ series, from, to }: HistoryView, page: Page): string {
  const columns = Number.isFinite(page.columns) ? page.columns : USUAL_COLUMNS;
  const names = series.map(({ metric }) => printable(metric));
  const widest = Math.min(MAX_METRIC_WIDTH, Math.max(...names.map(widthOf)));
  const room = columns - widest - 2;
  const isBeside = room >= LEAST_SPARK_COLUMNS;
  const width = Math.max(1, isBeside ? room : columns);
  const range = drawnRange(series, { fromMs: Date.parse(from), toMs: Date.parse(to) });
  const lines = series.flatMap(({ points, gaps }, index) => {
    const name = cutMiddle(names[index] as string, isBeside ? widest : columns);
    const line = sparkline(points.flatMap(sparkPoint), {
      ...range,
      columns: width,
      gaps: gaps.map((gap) => ({ fromMs: Date.parse(gap.from), toMs: Date.parse(gap.to) })),
      isAscii: page.isAscii,
    });
    return isBeside ? [`${padEnd(name, widest)}  ${line}`] : [name, line];
  });
  const margin = ' '.repeat(isBeside ? widest + 2 : 0);
  return [...lines, ...axis(range, width).map((line) => margin + line)].join('\n') + legend(lines, page);
}

/** Of a worker that is newer than most of the range, the time since its first sample. */
function drawnRange(series: readonly HistorySeries[], { fromMs, toMs }: SparkRange): SparkRange {
  const firsts = series.flatMap(({ points: [first] }) => (first === undefined ? [] : [Date.parse(first.at)]));
  const firstMs = Math.min(...firsts);
  return firstMs > (fromMs + toMs) / 2 && firstMs < toMs ? { fromMs: firstMs, toMs } : { fromMs, toMs };
}

function sparkPoint({ at, max }: HistoryPoint): { atMs: number; value: number }[] {
  return max === null ? [] : [{ atMs: Date.parse(at), value: max }];
}

/** Both ends, if there is room for them. */
function axis({ fromMs, toMs }: SparkRange, width: number): string[] {
  const [from, to] = [instant(fromMs), instant(toMs)];
  const between = width - widthOf(from) - widthOf(to);
  return between < 1 ? [] : [from + ' '.repeat(between) + to];
}

function legend(lines: readonly string[], page: Page): string {
  const mark = noSampleMark(page.isAscii);
  const hasGaps = lines.some((line) => line.split('  ').at(-1)?.includes(mark));
  const text = `each character: the highest value of its time${hasGaps ? `; ${mark} no sample` : ''}`;
  return `\n${prose(text, page)}`;
}

/** Those of all metrics, each once. */
function gapsText(series: readonly HistorySeries[], page: Page): string {
  const all = new Map(series.flatMap(({ gaps }) => gaps.map((gap) => [`${gap.from} ${gap.to} ${gap.reason}`, gap])));
  if (all.size === 0) return '';
  const gaps = [...all.values()].sort((left, right) => left.from.localeCompare(right.from));
  const rows = gaps.slice(-MAX_GAPS).map(gapRow);
  const title = gaps.length > MAX_GAPS ? `The last ${MAX_GAPS} of ${gaps.length} gaps` : 'Gaps';
  return section(title, (inner) => table(GAPS, rows, inner), page);
}

function gapRow({ from, to, reason, lost }: HistoryGap): string[] {
  const [fromMs, toMs] = [Date.parse(from), Date.parse(to)];
  const text = GAP_TEXTS[reason] ?? reason.replaceAll('_', ' ');
  const howMany = lost === null || lost === 0 ? '' : `: ${countOf(lost, 'sample')}`;
  return [instant(fromMs), toMs > fromMs ? age(toMs - fromMs) : NOTHING, text + howMany];
}
