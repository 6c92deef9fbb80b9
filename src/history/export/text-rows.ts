/** Rows as CSV and as JSON lines. What is the same for all rows of a run is written once and repeated. */
import { stringify } from 'csv-stringify/sync';
import { EXPORT_COLUMNS } from './export-request.ts';
import { type ExportRun, figuresAt, hasValue } from './export-rows.ts';

export const CSV_HEADER = `${EXPORT_COLUMNS.join(',')}\n`;

export function csvOf(runs: readonly ExportRun[]): string {
  return textOf(runs, {
    start: (workerId) => `${csvCell(workerId)},`,
    middle: (at, tier, metric) => `${at},${tier},${csvCell(metric)},`,
    end: ({ min, max, mean, last, count }) => `${min},${max},${mean},${last},${count}\n`,
  });
}

export function jsonLinesOf(runs: readonly ExportRun[]): string {
  return textOf(runs, {
    start: (workerId) => `{"worker_id":${JSON.stringify(workerId)},"at":"`,
    middle: (at, tier, metric) => `${at}","tier":"${tier}","metric":${JSON.stringify(metric)},"min":`,
    end: ({ min, max, mean, last, count }) => `${min},"max":${max},"mean":${mean},"last":${last},"count":${count}}\n`,
  });
}

interface RowText {
  readonly start: (workerId: string) => string;
  readonly middle: (at: string, tier: string, metric: string) => string;
  readonly end: (figures: ReturnType<typeof figuresAt>) => string;
}

/** In the order of time, then of metrics. */
function textOf(runs: readonly ExportRun[], { start, middle, end }: RowText): string {
  let text = '';
  for (const { workerId, tier, at, columns } of runs) {
    const worker = start(workerId);
    const metrics = Array.from(columns, ([key, column]) => ({ column, behindTime: middle('', tier, key) }));
    for (let index = 0; index < at.length; index += 1) {
      const beginning = worker + new Date(at[index] as number).toISOString();
      for (const { column, behindTime } of metrics) {
        if (hasValue(column, index)) text += beginning + behindTime + end(figuresAt(column, index));
      }
    }
  }
  return text;
}

/** Quoted where needed, and never a formula for a spreadsheet: ids and names of metrics come from workers. */
function csvCell(text: string): string {
  return stringify([[text]], { escape_formulas: true }).slice(0, -1);
}
