/** The history of a worker, as `GET /api/v1/workers/{id}/history` tells it. */
import { z } from 'zod';
import { type ApiAnswer, notTelemetry } from './api-answer.ts';

const figure = z.number().nullable().default(null);

const point = z.object({
  at: z.string(),
  min: figure,
  max: figure,
  mean: figure,
  last: figure,
  count: z.number(),
});

const gap = z.object({
  from: z.string(),
  to: z.string(),
  reason: z.string(),
  lost: z.number().nullable().default(null),
});

const series = z.object({
  metric: z.string(),
  tier: z.string(),
  step_ms: z.number(),
  points: z.array(point),
  gaps: z.array(gap),
});

/** Of a single metric, the series is the answer itself. */
const answer = z.object({
  worker_id: z.string(),
  from: z.string(),
  to: z.string(),
  series: z.array(series).optional(),
  degraded: z.object({ detail: z.string() }).nullable().default(null),
});

export type HistoryPoint = z.infer<typeof point>;
export type HistoryGap = z.infer<typeof gap>;
export type HistorySeries = z.infer<typeof series>;
export type HistoryView = Omit<z.infer<typeof answer>, 'series'> & { readonly series: readonly HistorySeries[] };

export function historyOf({ body }: ApiAnswer): HistoryView {
  const parsed = answer.safeParse(body);
  const path = '/api/v1/workers/{id}/history';
  if (!parsed.success) throw notTelemetry(path);
  const { series: several, ...facts } = parsed.data;
  if (several !== undefined) return { ...facts, series: several };
  const only = series.safeParse(body);
  if (!only.success) throw notTelemetry(path);
  return { ...facts, series: [only.data] };
}

/** The columns of CSV, and the members of JSON lines: a point in each line. */
export const HISTORY_FIELDS = [
  'worker_id',
  'metric',
  'tier',
  'step_ms',
  'at',
  'min',
  'max',
  'mean',
  'last',
  'count',
] as const;

export function historyItems({ worker_id, series }: HistoryView) {
  return series.flatMap(({ metric, tier, step_ms, points }) =>
    points.map(({ at, min, max, mean, last, count }) => ({
      worker_id,
      metric,
      tier,
      step_ms,
      at,
      min,
      max,
      mean,
      last,
      count,
    })),
  );
}
