/** The state of history, as `GET /api/v1/history` tells it. */
import { z } from 'zod';
import { formatDuration } from '../../config/kinds.ts';
import { ENDLESS_PAGE } from '../text/page.ts';
import { type Cell, facts } from '../text/table.ts';
import {
  age,
  count,
  countOf,
  gibibytes,
  instant,
  kibibytes,
  mebibytes,
  milliseconds,
  NOTHING,
  number,
} from '../text/units.ts';
import { type ApiAnswer, notTelemetry } from './api-answer.ts';

const text = z.string().nullable().default(null);
const figure = z.number().nullable().default(null);

const status = z.object({
  state: z.string(),
  backend: text,
  place: text,
  problem: z.object({ code: z.string(), detail: z.string(), since: z.string() }).nullable().default(null),
  durable_until: text,
  samples: figure,
  samples_waiting: figure,
  samples_per_second: figure,
  commit_ms: figure,
  lost: z.record(z.string(), z.number()).default({}),
  lost_events: figure,
  lost_task_changes: figure,
  spool: z.object({ bytes: z.number(), max_bytes: z.number() }).nullable().default(null),
  bytes: figure,
  max_bytes: figure,
  deleted_early: figure,
  damaged: figure,
  tiers: z.array(z.object({ tier: z.string(), keep_ms: z.number(), oldest_at: text })).default([]),
});

export type HistoryStatusView = z.infer<typeof status>;

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

export function historyStatusOf({ body }: ApiAnswer): HistoryStatusView {
  const parsed = status.safeParse(body);
  if (!parsed.success) throw notTelemetry('/api/v1/history');
  return parsed.data;
}

/** @param nowMs by the master's clock */
export function historyStatusText(view: HistoryStatusView, nowMs: number, page = ENDLESS_PAGE): string {
  const { backend, place, problem, durable_until, samples, samples_per_second, commit_ms, spool, tiers } = view;
  const since = (at: string) => age(Math.max(0, nowMs - Date.parse(at)));
  const rows: (readonly [string, Cell])[] = [['state', stateCell(view)]];
  if (problem !== null) rows.push(['problem', `${problem.detail} (${problem.code}), for ${since(problem.since)}`]);
  if (place !== null) rows.push(['database', `${backend === 'postgres' ? 'PostgreSQL' : 'SQLite'}: ${place}`]);
  rows.push(['stored until', durable_until === null ? NOTHING : `${durable_until}, ${since(durable_until)} ago`]);
  if (samples !== null) {
    rows.push(['stored', `${countOf(samples, 'sample')} since the start${rateText(samples_per_second)}`]);
  }
  if (view.state !== 'ok' && view.samples_waiting !== null) {
    rows.push(['waiting in memory', countOf(view.samples_waiting, 'sample')]);
  }
  if (commit_ms !== null) rows.push(['last commit took', milliseconds(commit_ms)]);
  if (view.bytes !== null) rows.push(['size', sizeText(view.bytes, view.max_bytes)]);
  for (const { tier, keep_ms, oldest_at } of tiers) {
    const from = oldest_at === null ? 'nothing yet' : `since ${instant(Date.parse(oldest_at))}`;
    rows.push([TIER_NAMES[tier] ?? tier, `${from}, kept for ${durationText(keep_ms)}`]);
  }
  if (spool !== null && spool.bytes > 0) rows.push(['spool', `${bytes(spool.bytes)} of ${bytes(spool.max_bytes)}`]);
  for (const [name, value] of lossesOf(view)) rows.push([name, { text: count(value), meaning: 'bad' }]);
  return facts(rows, page);
}

const TIER_NAMES: Readonly<Record<string, string>> = {
  raw: 'samples',
  '1m': '1-minute rollups',
  '1h': '1-hour rollups',
};

function stateCell({ state }: HistoryStatusView): Cell {
  return { text: state, meaning: state === 'ok' ? 'good' : state === 'degraded' ? 'bad' : 'warning' };
}

function rateText(perS: number | null): string {
  return perS === null ? '' : `, ${number(Math.round(perS * 10) / 10)}/s now`;
}

function sizeText(size: number, maxBytes: number | null): string {
  return maxBytes === null ? bytes(size) : `${bytes(size)} of ${bytes(maxBytes)}`;
}

/** What is missing, or was deleted before its time; zeros are left out. */
function lossesOf({
  lost,
  lost_events,
  lost_task_changes,
  deleted_early,
  damaged,
}: HistoryStatusView): (readonly [string, number])[] {
  const all: (readonly [string, number])[] = [
    ...Object.entries(lost).map(
      ([reason, samples]) => [`samples lost: ${reason.replaceAll('_', ' ')}`, samples] as const,
    ),
    ['events lost', lost_events ?? 0],
    ['changes of tasks lost', lost_task_changes ?? 0],
    ['samples deleted early, to save space', deleted_early ?? 0],
    ['damaged parts', damaged ?? 0],
  ];
  return all.filter(([, value]) => value > 0);
}

function bytes(value: number): string {
  if (value >= GIB) return gibibytes(value);
  return value >= MIB ? mebibytes(value) : kibibytes(value);
}

const DAY_MS = 86_400_000;

function durationText(ms: number): string {
  return ms > DAY_MS && ms % DAY_MS === 0 ? countOf(ms / DAY_MS, 'day') : formatDuration(ms);
}
