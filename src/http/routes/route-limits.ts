/**
 * What bounds each route, as `config/call-limits.ts` does for each RPC. A test fails for a route without a row, or whose row
 * lacks a limit of size, rate, concurrency or time.
 */
import type { Bound, CallLimits } from '../../config/call-limits.ts';
import { QUERY_TIME_MS } from '../../history/query/budget.ts';
import type { HttpRefusalReason } from '../../model/http-figures.ts';
import {
  COMMAND_WITHIN_MS,
  MAX_BODY_BYTES_IN_FLIGHT,
  MAX_COMMANDS_UNDER_WAY,
  MAX_EXPORTS,
  MAX_FRAME_BYTES_IN_FLIGHT,
  MAX_HISTORY_QUERIES,
  MAX_MCP_ANSWER_BYTES,
  MAX_MCP_CALLS,
  MAX_PAGE_BYTES,
  MAX_QUERIES_UNDER_WAY,
  MAX_SCRAPES,
  MAX_VIEWS,
  MAX_VIEWS_PER_CLIENT,
  MAX_WAITING,
  MAX_WAITING_PER_CLIENT,
  MAX_WORKER_CALLS,
  MOST_WAIT_MS,
  QUERY_WITHIN_MS,
  SCRAPE_WITHIN_MS,
  SOCKET_IDLE_MS,
  TRIAL_WITHIN_MS,
  WRONG_TOKENS_PER_S,
} from '../http-limits.ts';

type Row = CallLimits & { readonly bounds: readonly (Bound & { readonly reason?: HttpRefusalReason })[] };

const bound = (what: Bound['what'], per: Bound['per'], limit: string | number, reason?: HttpRefusalReason) => ({
  what,
  per,
  limit,
  ...(reason === undefined ? {} : { reason }),
});

/** Common to all routes: the access middleware, the connections, the parser, and the idle time-out of the socket. */
const ANY = [
  bound('size', 'call', 'MAX_HTTP_HEADER_SIZE', 'headers'),
  bound('size', 'call', 'MAX_HTTP_BODY_SIZE', 'body'),
  bound('rate', 'peer', 'API_RATE', 'rate'),
  bound('atATime', 'peer', 'MAX_HTTP_CONNECTIONS_PER_PEER', 'connections_per_peer'),
  bound('atATime', 'master', 'MAX_HTTP_CONNECTIONS', 'connections'),
  bound('time', 'call', 'HTTP_REQUEST_TIMEOUT', 'timeout'),
  bound('time', 'call', SOCKET_IDLE_MS, 'idle'),
];
/** Facts and counts of the master: a few KiB. */
const SMALL = [...ANY, bound('answer', 'call', 64 * 1024)];
/** A list of bounded lists, each of bounded texts. */
const LIST = [
  ...ANY,
  bound('answer', 'call', MAX_PAGE_BYTES),
  bound('atATime', 'master', MAX_BODY_BYTES_IN_FLIGHT, 'answers'),
];
/** One record per worker; the store bounds the number of workers. */
const RECORDS = [
  ...ANY,
  bound('answer', 'call', 'MAX_WORKERS'),
  bound('atATime', 'master', MAX_BODY_BYTES_IN_FLIGHT, 'answers'),
];
const QUERY = [
  ...LIST,
  bound('atATime', 'master', MAX_QUERIES_UNDER_WAY, 'queries'),
  bound('time', 'call', QUERY_WITHIN_MS),
];
/** Points of an answer are bounded: see history/query/budget.ts. */
const HISTORY = [
  ...LIST,
  bound('atATime', 'master', MAX_HISTORY_QUERIES, 'queries'),
  bound('time', 'call', QUERY_TIME_MS),
];
/** As large as what is kept of the range, and never in memory: made while it is sent, a piece at a time. */
const EXPORT = [
  ...ANY,
  bound('answer', 'call', 'HISTORY_MAX_SIZE'),
  bound('atATime', 'master', MAX_EXPORTS, 'exports'),
  bound('atATime', 'master', MAX_HISTORY_QUERIES, 'queries'),
];
const FILTERS = [
  bound('atATime', 'client', MAX_VIEWS_PER_CLIENT, 'filters_per_client'),
  bound('atATime', 'master', MAX_VIEWS, 'filters'),
];
const LIVE = [
  ...ANY,
  bound('atATime', 'master', 'MAX_LIVE_CLIENTS', 'live_clients'),
  bound('answer', 'master', MAX_FRAME_BYTES_IN_FLIGHT, 'live_clients'),
];
const COMMAND = [
  ...SMALL,
  bound('atATime', 'master', MAX_COMMANDS_UNDER_WAY, 'commands'),
  bound('time', 'call', COMMAND_WITHIN_MS),
];
/** A call of a tool asks the API a few times. */
const MCP = [
  ...ANY,
  bound('answer', 'call', MAX_MCP_ANSWER_BYTES),
  bound('atATime', 'master', MAX_MCP_CALLS, 'queries'),
  bound('time', 'call', QUERY_TIME_MS),
];
/** Instead of API_RATE, requests of workers have the rate of heartbeats. */
const WORKER_CALL = [
  ...SMALL.filter(({ limit }) => limit !== 'API_RATE'),
  bound('rate', 'peer', 'MAX_PEER_HEARTBEAT_RATE', 'rate'),
  bound('rate', 'peer', WRONG_TOKENS_PER_S, 'guesses'),
  bound('atATime', 'master', MAX_WORKER_CALLS, 'heartbeats'),
  bound('time', 'call', COMMAND_WITHIN_MS),
];
/** Their bodies are 4 × MAX_MESSAGE_SIZE, and share memory for four of the largest. */
const HEARTBEATS = [
  ...WORKER_CALL.filter(({ limit, what }) => limit !== 'MAX_HTTP_BODY_SIZE' && what !== 'answer'),
  bound('size', 'call', 'MAX_MESSAGE_SIZE', 'body'),
  bound('answer', 'call', 1024 ** 2),
  bound('atATime', 'master', MAX_QUERIES_UNDER_WAY, 'queries'),
];
const CREDENTIALS = [...SMALL, bound('rate', 'peer', WRONG_TOKENS_PER_S, 'guesses')];

const rows = (bounds: Row['bounds'], ...calls: readonly string[]): readonly Row[] =>
  calls.map((call) => ({ call, bounds }));

const SCRAPE = [
  ...ANY,
  bound('answer', 'call', 'METRICS_MAX_SERIES'),
  bound('atATime', 'master', MAX_BODY_BYTES_IN_FLIGHT, 'answers'),
  bound('atATime', 'master', MAX_SCRAPES, 'scrapes'),
  bound('time', 'call', SCRAPE_WITHIN_MS),
];

export const ROUTE_LIMITS: readonly Row[] = [
  ...rows(
    SMALL,
    'GET /',
    'GET /health',
    'GET /livez',
    'GET /readyz',
    'GET /api/v1/limits',
    'GET /api/v1/holds',
    'GET /api/v1/history',
    'GET /api/v1/export',
  ),
  ...rows([...LIST, bound('atATime', 'master', MAX_QUERIES_UNDER_WAY, 'queries')], 'GET /api/v1/alerts'),
  ...rows(LIST, 'GET /api/v1/alerts/{id}', 'GET /api/v1/rules', 'GET /api/v1/silences'),
  ...rows(CREDENTIALS, 'GET /login', 'POST /login', 'POST /logout'),
  ...rows(
    [...ANY, bound('answer', 'call', 1024 ** 2)],
    'GET /api/v1/openapi.json',
    'GET /api/docs',
    'GET /api/docs/alerts',
  ),
  ...rows(LIST, 'GET /api/v1/lanes', 'GET /api/v1/pending', 'GET /api/v1/workers/{id}'),
  ...rows(RECORDS, 'GET /telemetry', 'GET /telemetry/{workerID}', 'GET /workers'),
  ...rows(
    [...LIST, bound('atATime', 'master', MAX_COMMANDS_UNDER_WAY, 'commands'), bound('time', 'call', COMMAND_WITHIN_MS)],
    'GET /api/v1/internal-state',
  ),
  ...rows(QUERY, 'GET /api/v1/cluster'),
  ...rows(
    [...RECORDS, bound('atATime', 'master', MAX_QUERIES_UNDER_WAY, 'queries'), bound('time', 'call', QUERY_WITHIN_MS)],
    'GET /sd/prometheus',
  ),
  ...rows(
    HISTORY,
    'GET /api/v1/workers/{id}/history',
    'POST /api/v1/history/query',
    'GET /api/v1/workers/{id}/tasks',
    'GET /api/v1/tasks',
    'GET /api/v1/events',
  ),
  ...rows(MCP, 'POST /mcp'),
  ...rows(SCRAPE, 'GET /metrics'),
  ...rows(EXPORT, 'GET /api/v1/history/export'),
  ...rows(
    [
      ...QUERY,
      ...FILTERS,
      bound('atATime', 'client', MAX_WAITING_PER_CLIENT, 'waiting_per_client'),
      bound('atATime', 'master', MAX_WAITING, 'waiting'),
      bound('time', 'call', MOST_WAIT_MS),
    ],
    'GET /api/v1/workers',
  ),
  ...rows([...LIVE, ...FILTERS], 'GET /api/v1/stream'),
  ...rows(LIVE, 'GET /ws/telemetry', 'GET /ws/telemetry/{workerID}'),
  ...rows(HEARTBEATS, 'POST /api/v1/heartbeats'),
  ...rows(WORKER_CALL, 'POST /api/v1/workers/{id}/leave'),
  ...rows(
    COMMAND,
    'DELETE /api/v1/workers/{id}',
    'POST /api/v1/workers/{id}/approve',
    'POST /api/v1/workers/{id}/release',
    'PUT /api/v1/workers/{id}/isolation',
    'POST /api/v1/brakes/release',
    'POST /api/v1/rules/reload',
    'POST /api/v1/silences',
    'DELETE /api/v1/silences/{id}',
  ),
  ...rows(
    [...SMALL, bound('atATime', 'master', MAX_COMMANDS_UNDER_WAY, 'commands'), bound('time', 'call', TRIAL_WITHIN_MS)],
    'POST /api/v1/receivers/{name}/test',
  ),
];
