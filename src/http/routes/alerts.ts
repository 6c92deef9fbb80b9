/** `GET /api/v1/alerts`, `GET /api/v1/alerts/{id}`: which alerts there are, and why. From this thread's own copy. */
import { createHash } from 'node:crypto';
import { createRoute, z } from '@hono/zod-openapi';
import { jsonIn } from '../../lib/json.ts';
import { ALERT_STATES, type Alert, type AlertState } from '../../model/alert.ts';
import { alertJson, problemsJson } from '../../model/alert-json.ts';
import { parseMatcher } from '../../model/label-matchers.ts';
import {
  type AlertCriteria,
  type AlertPosition,
  comparePositions,
  listAlerts,
  positionOf,
} from '../../reading/alert-list.ts';
import { notModified, weakTag } from '../answers/conditional.ts';
import { varyHeader } from '../answers/encoding.ts';
import { problem } from '../answers/problem.ts';
import { sendJson, sendTagged } from '../answers/respond.ts';
import { ALERT_EXAMPLE, AlertShape, AlertsProblems } from '../api/alert-schema.ts';
import { type Api, endpoint } from '../api/endpoint.ts';
import { query, textParameter, wholeNumber } from '../api/parameters.ts';
import { jsonAnswer, moment, NOT_MODIFIED, problemAnswers, Tagged } from '../api/schemas.ts';
import { needs } from '../api/scopes.ts';
import { parsedBy } from '../api/selection-query.ts';
import type { AppContext, HttpContext } from '../context.ts';
import { MAX_PAGE_BYTES } from '../http-limits.ts';

const DEFAULT_LIMIT = 100;
/** About 2 MB. */
const MAX_LIMIT = 1000;
/** Each is tested for each alert. */
const MAX_FILTERS = 20;

const List = z
  .object({
    alerts: z.array(AlertShape),
    total: z.int().openapi({ description: 'Alerts that pass the filters, on all pages.' }),
    next_cursor: z.string().nullable().openapi({ description: 'The cursor of the next page; null on the last page.' }),
    evaluated_at: moment('The last evaluation of rules; null: none yet.').nullable(),
    evaluation_interval_ms: z.number().nullable().openapi({ description: 'How often rules are evaluated.' }),
    problems: AlertsProblems,
  })
  .openapi('AlertList');

const FilterList = z
  .union([z.string(), z.array(z.string())])
  .transform((given) => [given].flat())
  .superRefine((texts, context) => {
    if (texts.length > MAX_FILTERS) context.addIssue({ code: 'custom', message: `expected at most ${MAX_FILTERS}` });
    for (const text of texts) {
      const { error } = z.safeParse(parsedBy(parseMatcher), text);
      for (const { message } of error?.issues ?? []) context.addIssue({ code: 'custom', message });
    }
  });

const list = createRoute({
  method: 'get',
  path: '/api/v1/alerts',
  operationId: 'listAlerts',
  tags: ['Alerts'],
  ...needs('read'),
  summary: 'Alerts, and why each fires',
  description:
    'Firing alerts first, then pending ones, then those resolved recently; of each the newest first. An alert must pass all filters. An alert that changes its state between two pages may be listed twice or not at all.',
  request: {
    query: query({
      state: parsedBy(statesIn).openapi({
        description: `One or several, separated by commas: ${ALERT_STATES.join(', ')}. Default: all.`,
        example: 'firing',
      }),
      rule: textParameter('Only alerts of the rule with this name.', 'WorkerInactive'),
      severity: textParameter('One or several, separated by commas.', 'page,warning'),
      group: textParameter(
        'Alerts about this group and about workers in it; empty: workers without a group.',
        'rack-7',
      ),
      worker: textParameter('Alerts about this worker.', 'worker-1'),
      filter: FilterList.openapi({
        type: 'array',
        items: { type: 'string' },
        description: `Matchers of labels, each given as one parameter, at most ${MAX_FILTERS}: \`severity="page"\`, \`worker=~"rack-7-.*"\`, \`group!="test"\`, \`alertname!~"Host.*"\`. Patterns are for the whole value, without look-around and back references.`,
        example: ['severity="page"'],
      }),
      limit: wholeNumber({ description: 'The most alerts per page.', min: 1, max: MAX_LIMIT, default: DEFAULT_LIMIT }),
      cursor: textParameter('The next_cursor of the previous page.', 'WyIwIiwwLCIiXQ'),
    }).partial(),
  },
  responses: {
    200: {
      headers: Tagged,
      ...jsonAnswer('One page.', List, {
        alerts: [ALERT_EXAMPLE],
        total: 1,
        next_cursor: null,
        evaluated_at: '2026-11-23T17:55:10.000Z',
        evaluation_interval_ms: 5000,
        problems: [],
      }),
    },
    304: NOT_MODIFIED,
    ...problemAnswers('invalid_argument', 'failed_precondition', 'resource_exhausted', 'unavailable'),
  },
});

const one = createRoute({
  method: 'get',
  path: '/api/v1/alerts/{id}',
  operationId: 'getAlert',
  tags: ['Alerts'],
  ...needs('read'),
  summary: 'One alert, and why it fires',
  request: {
    params: z.object({
      id: z.string().openapi({
        param: { name: 'id', in: 'path' },
        description: 'The id of the alert.',
        example: ALERT_EXAMPLE.id,
      }),
    }),
  },
  responses: {
    200: jsonAnswer('The alert.', AlertShape, ALERT_EXAMPLE),
    ...problemAnswers('not_found', 'failed_precondition'),
  },
});

export function alertsAreOff(c: HttpContext): Response {
  return problem(c, 'failed_precondition', 'alerts are off (ALERTS=off): the master evaluates no rules');
}

export function alertRoutes(api: Api, context: AppContext): void {
  const { directory, revisions, hasAlerts } = context;
  const { alerts } = directory;

  endpoint(api, list, (c) => {
    if (!hasAlerts) return alertsAreOff(c);
    const { state, rule, severity, group, worker, filter = [], limit = DEFAULT_LIMIT, cursor } = c.req.valid('query');
    const criteria: AlertCriteria = {
      states: state === undefined ? undefined : statesIn(state),
      rule,
      severities: severity?.split(','),
      group,
      worker,
      matchers: filter.map(parseMatcher),
    };
    const mark = markOf(criteria);
    const after = cursor === undefined ? undefined : positionIn(cursor, mark);
    if (after === null) {
      const detail = 'not a cursor from an earlier page of this list; start again without a cursor';
      return problem(c, 'invalid_argument', `cursor: ${detail}`, { errors: [{ in: 'query', name: 'cursor', detail }] });
    }
    const { alertsStatus } = directory;
    // A new evaluation changes at least its time.
    const etag = weakTag(`${revisions.epoch}-alerts-${alerts.version}-${alertsStatus?.atUnixMs ?? 0}`);
    const known = notModified(c, etag, varyHeader(c));
    if (known !== undefined) return known;
    return sendTagged(context, c, etag, () => {
      const all = listAlerts(alerts.all(), criteria);
      const rest = after === undefined ? all : all.filter((alert) => comparePositions(positionOf(alert), after) > 0);
      const shown = pageOf(rest, limit);
      const last = shown.at(-1);
      const evaluatedUnixMs = alertsStatus?.lastEvaluatedUnixMs ?? null;
      return {
        alerts: shown.map(alertJson),
        total: all.length,
        next_cursor: last === undefined || shown.length === rest.length ? null : cursorOf(last, mark),
        evaluated_at: evaluatedUnixMs === null ? null : new Date(evaluatedUnixMs).toISOString(),
        evaluation_interval_ms: directory.loadedRules?.evaluationIntervalMs ?? null,
        problems: problemsJson(alertsStatus),
      };
    });
  });

  endpoint(api, one, (c) => {
    if (!hasAlerts) return alertsAreOff(c);
    const { id } = c.req.valid('param');
    const alert = alerts.get(id);
    if (alert === undefined) {
      return problem(c, 'not_found', 'no such alert; resolved ones are listed for a while only');
    }
    return sendJson(c, 200, alertJson(alert));
  });
}

/** @throws Error naming the states */
function statesIn(text: string): AlertState[] {
  return text.split(',').map((name) => {
    const state = ALERT_STATES.find((one) => one === name);
    if (state === undefined) throw new Error(`expected one or several of ${ALERT_STATES.join(', ')}`);
    return state;
  });
}

/** A page is cut if its alerts are large. */
function pageOf(alerts: readonly Alert[], limit: number): Alert[] {
  const page: Alert[] = [];
  let bytes = 0;
  for (const alert of alerts) {
    if (page.length === limit || bytes > MAX_PAGE_BYTES) break;
    bytes += JSON.stringify(alert).length;
    page.push(alert);
  }
  return page;
}

/** Identifies the list for which a cursor was made: against mistakes, not attacks. */
function markOf(criteria: AlertCriteria): string {
  return createHash('sha256').update(JSON.stringify(criteria)).digest().toString('base64url', 0, 6);
}

function cursorOf(alert: Alert, mark: string): string {
  return Buffer.from(JSON.stringify([mark, ...positionOf(alert)])).toString('base64url');
}

/** Null: malformed, or of another list. */
function positionIn(cursor: string, mark: string): AlertPosition | null {
  const parts = /^[\w-]+$/.test(cursor) ? jsonIn(Buffer.from(cursor, 'base64url').toString()) : undefined;
  if (!Array.isArray(parts) || parts.length !== 4 || parts[0] !== mark) return null;
  const [, rank, sinceUnixMs, id] = parts as unknown[];
  if (typeof rank !== 'number' || typeof sinceUnixMs !== 'number' || typeof id !== 'string') return null;
  return [rank, sinceUnixMs, id];
}
