/** Alerts and silences as `-o json`, `jsonl` and `csv` have them, and as tables are made of: checked answers of the API. */
import { z } from 'zod';
import { ALERT_STATES, CLOSED_BECAUSE, FOR_EACH } from '../../model/alert.ts';
import type { AlertJson, SilenceJson } from '../../model/alert-json.ts';
import { formatMatcher } from '../../model/label-matchers.ts';
import { SILENCE_STATES } from '../../model/silence.ts';
import { type ApiAnswer, notTelemetry } from './api-answer.ts';
import { textsJson } from './worker-items.ts';

const text = z.string().nullable().default(null);
const values = z
  .object({
    at: z.string(),
    parts: z.array(
      z.object({ text: z.string(), value: z.union([z.number(), z.string(), z.boolean()]).nullable().default(null) }),
    ),
  })
  .nullable()
  .default(null);
const state = z.enum([...ALERT_STATES, 'inactive']);
const closedBecause = z.enum(CLOSED_BECAUSE).nullable().default(null);

const alertItem = z.object({
  id: z.string(),
  alert: z.string(),
  state: z.enum(ALERT_STATES),
  severity: z.string(),
  subject: z.object({ kind: z.enum(FOR_EACH), name: z.string() }),
  labels: textsJson,
  annotations: textsJson,
  runbook_url: text,
  pending_since: z.string(),
  firing_since: text,
  resolved_at: text,
  closed_because: closedBecause,
  no_data_since: text,
  flapping: z.boolean(),
  why: z.object({
    expression: z.string(),
    pending: values,
    firing: values,
    now: values,
    transitions: z.array(z.object({ at: z.string(), from: state, to: state, closed_because: closedBecause })),
  }),
  silenced_by: z.array(z.string()),
  inhibited_by: z.array(z.string()),
  muted_by: z.array(z.string()),
  link: z.string(),
});

export const problemItem = z.object({ code: z.string(), detail: z.string(), since: z.string(), rule: text });

const alertPage = z.object({
  alerts: z.array(alertItem),
  total: z.number(),
  next_cursor: text,
  evaluated_at: text,
  evaluation_interval_ms: z.number().nullable().default(null),
  problems: z.array(problemItem).default([]),
});

export type AlertsProblemItem = Omit<z.infer<typeof problemItem>, 'rule'>;

/** One page, or several as one. */
export interface AlertPage {
  readonly alerts: readonly AlertJson[];
  readonly total: number;
  readonly nextCursor: string | null;
  /** Null: nothing was evaluated yet. */
  readonly evaluatedAt: string | null;
  /** Null: no rules are loaded yet. */
  readonly evaluationIntervalMs: number | null;
  readonly problems: readonly AlertsProblemItem[];
}

/** Of `GET /api/v1/alerts`. */
export function alertPageOf({ body }: ApiAnswer): AlertPage {
  const parsed = alertPage.safeParse(body);
  if (!parsed.success) throw notTelemetry('/api/v1/alerts');
  const { alerts, total, problems } = parsed.data;
  const {
    next_cursor: nextCursor,
    evaluated_at: evaluatedAt,
    evaluation_interval_ms: evaluationIntervalMs,
  } = parsed.data;
  return { alerts, total, nextCursor, evaluatedAt, evaluationIntervalMs, problems };
}

/** Of `GET /api/v1/alerts/{id}`. */
export function alertOf({ body }: ApiAnswer): AlertJson {
  const parsed = alertItem.safeParse(body);
  if (!parsed.success) throw notTelemetry('/api/v1/alerts/{id}');
  return parsed.data;
}

/** The columns of CSV. */
export const ALERT_FIELDS = [
  'id',
  'alert',
  'state',
  'severity',
  'kind',
  'subject',
  'pending_since',
  'firing_since',
  'resolved_at',
  'closed_because',
  'no_data_since',
  'flapping',
  'silenced_by',
  'inhibited_by',
  'muted_by',
  'summary',
  'expression',
  'link',
] as const;

/** Flat, for a line of CSV or JSON lines. */
export function flatAlert({ subject, annotations, why, ...alert }: AlertJson): Readonly<Record<string, unknown>> {
  return {
    ...alert,
    kind: subject.kind,
    subject: subject.name,
    summary: annotations.summary ?? null,
    expression: why.expression,
    silenced_by: alert.silenced_by.join(' '),
    inhibited_by: alert.inhibited_by.join(' '),
    muted_by: alert.muted_by.join(' '),
  };
}

const silenceItem = z.object({
  id: z.string(),
  matchers: z.array(z.object({ name: z.string(), value: z.string(), isRegex: z.boolean(), isEqual: z.boolean() })),
  startsAt: z.string(),
  endsAt: z.string(),
  updatedAt: z.string(),
  createdBy: z.string(),
  comment: z.string(),
  status: z.object({ state: z.enum(SILENCE_STATES) }),
});

/** Of `GET /api/v1/silences`. */
export function silencesOf({ body }: ApiAnswer): SilenceJson[] {
  const parsed = z.object({ silences: z.array(silenceItem) }).safeParse(body);
  if (!parsed.success) throw notTelemetry('/api/v1/silences');
  return parsed.data.silences;
}

export const SILENCE_FIELDS = ['id', 'state', 'matchers', 'startsAt', 'endsAt', 'createdBy', 'comment'] as const;

export function flatSilence({ status, matchers, ...silence }: SilenceJson): Readonly<Record<string, unknown>> {
  return { ...silence, state: status.state, matchers: matchers.map(formatMatcher).join(' ') };
}
