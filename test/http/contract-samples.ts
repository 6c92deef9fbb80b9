/**
 * A request for every operation of the OpenAPI document, by its id. Who adds a route adds at least one here: an operation
 * without a request fails the contract test.
 */
export interface Sample {
  /** With query, as it goes over the wire. */
  readonly target: string;
  readonly status: number;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON, unless headers say otherwise. */
  readonly body?: string;
}

/** What clients of the Model Context Protocol send. */
const MCP = { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream' };

export const SAMPLES: Readonly<Record<string, readonly Sample[]>> = {
  listWorkers: [
    { target: '/api/v1/workers', status: 200 },
    {
      target: '/api/v1/workers?fields=late,duplicate,metrics,telemetry&min.cpu_usage=1&label.zone=a&sort=-cpu_usage',
      status: 200,
    },
    { target: '/api/v1/workers?limit=2', status: 200 },
    { target: '/api/v1/workers?index=0&wait=10s', status: 200 },
    { target: '/api/v1/workers', status: 304, headers: { 'If-None-Match': '*' } },
    { target: '/api/v1/workers?limit=0&cursor=x&nonsense=1', status: 400 },
  ],
  getScrapeTargets: [
    { target: '/sd/prometheus', status: 200 },
    { target: '/sd/prometheus?port=9400&state=active&label.zone=a', status: 200 },
    { target: '/sd/prometheus?state=dead&port=0&x=1', status: 400 },
    { target: '/sd/prometheus', status: 405, method: 'POST' },
  ],
  getMetrics: [
    { target: '/metrics', status: 200 },
    { target: '/metrics?collect[]=state&collect[]=custom&worker=full&group=', status: 200 },
    { target: '/metrics?collect[]=cpu', status: 400 },
    { target: '/metrics?collect=state', status: 400 },
    { target: '/metrics', status: 405, method: 'POST' },
  ],
  streamWorkers: [
    { target: '/api/v1/stream?state=active&min.cpu_usage=1', status: 200, method: 'HEAD' },
    { target: '/api/v1/stream?rate=often', status: 400 },
  ],
  sendHeartbeats: [
    { target: '/api/v1/heartbeats', status: 200, body: '{"worker_id":"a","cpu_usage":1}' },
    { target: '/api/v1/heartbeats?interval=10m', status: 200, body: '[{"worker_id":"a"},{"worker_id":"b","cpu":1}]' },
    { target: '/api/v1/heartbeats', status: 400, body: '{"worker_id":"a","cpu_usage":NaN}' },
    { target: '/api/v1/heartbeats?interval=never', status: 400, body: '{}' },
    { target: '/api/v1/heartbeats', status: 403, body: '{}', headers: { Origin: 'http://other.example' } },
    { target: '/api/v1/heartbeats', status: 415, body: 'worker_id=a', headers: { 'Content-Type': 'text/plain' } },
    { target: '/api/v1/heartbeats', status: 405, method: 'PUT', body: '{}' },
  ],
  leaveFleet: [
    { target: '/api/v1/workers/full/leave', status: 200 },
    { target: '/api/v1/workers/full/leave?instance_id=a', status: 200 },
    { target: '/api/v1/workers/%ff/leave', status: 400 },
    { target: '/api/v1/workers/full/leave?for=ever', status: 400 },
  ],
  getCluster: [
    { target: '/api/v1/cluster', status: 200 },
    { target: '/api/v1/cluster', status: 304, headers: { 'If-None-Match': '*' } },
    { target: '/api/v1/cluster?x=1', status: 400 },
  ],
  listLanes: [
    { target: '/api/v1/lanes', status: 200 },
    { target: '/api/v1/lanes', status: 304, headers: { 'If-None-Match': '*' } },
  ],
  getInternalState: [
    { target: '/api/v1/internal-state', status: 200 },
    { target: '/api/v1/internal-state?x=1', status: 400 },
  ],
  listEvents: [
    { target: '/api/v1/events', status: 200 },
    { target: '/api/v1/events?after=1&limit=3&worker=full', status: 200 },
    { target: '/api/v1/events?after=0&from=-1h&to=now', status: 200 },
    { target: '/api/v1/events?from=-1h&to=-2h', status: 400 },
    { target: '/api/v1/events', status: 304, headers: { 'If-None-Match': '*' } },
    { target: '/api/v1/events?limit=none&x=1', status: 400 },
  ],
  listAlerts: [
    { target: '/api/v1/alerts', status: 200 },
    { target: '/api/v1/alerts?state=firing,pending&severity=page&rule=Hot&worker=b&limit=1', status: 200 },
    { target: '/api/v1/alerts?limit=1&filter=severity%3D%22page%22&filter=worker%3D~%22.*%22', status: 200 },
    { target: '/api/v1/alerts', status: 304, headers: { 'If-None-Match': '*' } },
    { target: '/api/v1/alerts?filter=worker%3D~%22(%22&state=on&cursor=x&severty=page', status: 400 },
    { target: '/api/v1/alerts?cursor=x', status: 400 },
  ],
  getAlert: [
    { target: '/api/v1/alerts/Hot-worker-1', status: 200 },
    { target: '/api/v1/alerts/ghost', status: 404 },
  ],
  listAlertRules: [
    { target: '/api/v1/rules', status: 200 },
    { target: '/api/v1/rules?x=1', status: 400 },
  ],
  reloadAlertRules: [
    { target: '/api/v1/rules/reload', status: 422 },
    { target: '/api/v1/rules/reload?now=1', status: 400 },
    { target: '/api/v1/rules/reload', status: 405, method: 'GET' },
  ],
  testAlertReceiver: [
    { target: '/api/v1/receivers/hook/test', status: 200 },
    { target: '/api/v1/receivers/hook/test?firing_only=true', status: 200 },
    { target: '/api/v1/receivers/hook/test?firing_only=yes', status: 400 },
    { target: '/api/v1/receivers/ghost/test', status: 404 },
    { target: '/api/v1/receivers/%ff/test', status: 400 },
  ],
  listSilences: [
    { target: '/api/v1/silences', status: 200 },
    { target: '/api/v1/silences?state=expired', status: 200 },
    { target: '/api/v1/silences?state=over', status: 400 },
  ],
  createSilence: [
    {
      target: '/api/v1/silences',
      status: 200,
      body: '{"matchers":[{"name":"worker","value":"a"}],"endsAt":"2026-11-24T00:00:00+01:00","createdBy":"a","comment":"b"}',
    },
    {
      target: '/api/v1/silences',
      status: 404,
      body: '{"id":"ghost","matchers":[{"name":"worker","value":"a","isRegex":true,"isEqual":true}],"endsAt":"2026-11-24T00:00:00Z","createdBy":"a","comment":"b"}',
    },
    { target: '/api/v1/silences', status: 400, body: '{"matchers":[],"endsAt":"soon","for":"2h"}' },
    {
      target: '/api/v1/silences',
      status: 400,
      body: '{"matchers":[{"name":"worker","value":"a"}],"endsAt":"2026-11-23T00:00:00Z","createdBy":"a","comment":"b"}',
    },
  ],
  expireSilence: [
    { target: '/api/v1/silences/one', status: 200 },
    { target: '/api/v1/silences/ghost', status: 404 },
  ],
  getHolds: [{ target: '/api/v1/holds', status: 200 }],
  releaseBrakes: [
    { target: '/api/v1/brakes/release?group=rack', status: 200 },
    { target: '/api/v1/brakes/release', status: 409 },
    { target: '/api/v1/brakes/release?grop=rack', status: 400 },
    { target: '/api/v1/brakes/release', status: 403, headers: { Forwarded: 'for=10.0.0.1' } },
    { target: '/api/v1/brakes/release', status: 405, method: 'PUT' },
  ],
  listPending: [
    { target: '/api/v1/pending', status: 200 },
    { target: '/api/v1/pending', status: 304, headers: { 'If-None-Match': '*' } },
  ],
  getWorker: [
    { target: '/api/v1/workers/full', status: 200 },
    { target: '/api/v1/workers/new', status: 200 },
    { target: '/api/v1/workers/a%2Fb', status: 200 },
    { target: '/api/v1/workers/full', status: 304, headers: { 'If-None-Match': '*' } },
    { target: '/api/v1/workers/ghost', status: 404 },
    { target: '/api/v1/workers/%ff', status: 400 },
  ],
  unregisterWorker: [
    { target: '/api/v1/workers/full', status: 200 },
    { target: '/api/v1/workers/ghost', status: 404 },
  ],
  approveWorker: [
    { target: '/api/v1/workers/full/approve', status: 200 },
    { target: '/api/v1/workers/%0a/approve', status: 400 },
    { target: '/api/v1/workers/one-too-many/approve', status: 503 },
  ],
  releaseWorker: [
    { target: '/api/v1/workers/full/release', status: 200 },
    { target: '/api/v1/workers/ghost/release', status: 404 },
    { target: '/api/v1/workers/new/release', status: 409 },
    { target: '/api/v1/workers/bug/release', status: 500 },
    { target: '/api/v1/workers/full/release', status: 405, method: 'PATCH' },
  ],
  isolateWorker: [
    { target: '/api/v1/workers/full/isolation', status: 200, body: '{"lane":"dedicated"}' },
    { target: '/api/v1/workers/full/isolation', status: 400, body: '{"lane":"none"}' },
    { target: '/api/v1/workers/full/isolation', status: 400, body: '{"lane":"shared","for":"ever"}' },
    { target: '/api/v1/workers/full/isolation', status: 400, body: '{"lane":' },
    { target: '/api/v1/workers/full/isolation', status: 400, body: 'lane=shared', headers: { 'Content-Type': 'x/y' } },
    { target: '/api/v1/workers/full/isolation', status: 400 },
    { target: '/api/v1/workers/%ff/isolation', status: 400, body: '{"lane":"auto"}' },
    { target: '/api/v1/workers/ghost/isolation', status: 404, body: '{"lane":"auto"}' },
    { target: '/api/v1/workers/one-too-many/isolation', status: 503, body: '{"lane":"shared"}' },
    { target: '/api/v1/workers/full/isolation', status: 405, method: 'POST' },
  ],
  exportHistory: [
    { target: '/api/v1/history/export', status: 200 },
    { target: '/api/v1/history/export?format=jsonl&tier=1m&metric=cpu_usage&from=-7d&label.zone=a', status: 200 },
    { target: '/api/v1/history/export?format=parquet&worker=recorded', status: 200 },
    { target: '/api/v1/history/export', status: 200, method: 'HEAD' },
    { target: '/api/v1/history/export?worker=ghost', status: 404 },
    { target: '/api/v1/history/export?format=xml&x=1', status: 400 },
  ],
  getWorkerHistory: [
    { target: '/api/v1/workers/recorded/history?metric=cpu_usage', status: 200 },
    { target: '/api/v1/workers/recorded/history?metric=fps&from=-1d&to=now&step=1m&points=2000', status: 200 },
    { target: '/api/v1/workers/a%2Fb/history?metric=cpu_usage&metric=gpu_usage', status: 200 },
    { target: '/api/v1/workers/full/history', status: 200 },
    { target: '/api/v1/workers/ghost/history', status: 404 },
    { target: '/api/v1/workers/full/history?metric=cpu', status: 400 },
    { target: '/api/v1/workers/full/history?from=-1h&to=-2h', status: 400 },
    { target: '/api/v1/workers/%ff/history', status: 400 },
  ],
  getExport: [
    { target: '/api/v1/export', status: 200 },
    { target: '/api/v1/export?x=1', status: 400 },
    { target: '/api/v1/export', status: 405, method: 'DELETE' },
  ],
  getHistory: [
    { target: '/api/v1/history', status: 200 },
    { target: '/api/v1/history?x=1', status: 400 },
  ],
  listTasks: [
    { target: '/api/v1/tasks', status: 200 },
    { target: '/api/v1/tasks?status=failed&worker=recorded&task=2&from=-1h&to=now&limit=1', status: 200 },
    { target: '/api/v1/tasks?cursor=x', status: 400 },
    { target: '/api/v1/tasks?from=x', status: 400 },
  ],
  listWorkerTasks: [
    { target: '/api/v1/workers/recorded/tasks?limit=1', status: 200 },
    { target: '/api/v1/workers/full/tasks', status: 200 },
    { target: '/api/v1/workers/ghost/tasks', status: 404 },
    { target: '/api/v1/workers/%ff/tasks', status: 400 },
  ],
  queryHistory: [
    { target: '/api/v1/history/query', status: 200, body: '{"metrics":["cpu_usage"]}' },
    {
      target: '/api/v1/history/query',
      status: 200,
      body: '{"metrics":["cpu_usage","fps"],"forgotten":true,"over_workers":"p95","over_time":"max","by":"group","step":60}',
    },
    {
      target: '/api/v1/history/query',
      status: 200,
      body: '{"metrics":["fps"],"workers":["recorded"],"over_time":"p99"}',
    },
    { target: '/api/v1/history/query', status: 400, body: '{"metrics":[],"filter":{}}' },
    { target: '/api/v1/history/query', status: 400, body: '{"metrics":["cpu"]}' },
    { target: '/api/v1/history/query', status: 400, body: '{"metrics":["cpu_usage"],"from":"-1h","to":"-2h"}' },
    { target: '/api/v1/history/query', status: 400 },
    { target: '/api/v1/history/query', status: 404, body: '{"metrics":["cpu_usage"],"workers":["ghost"]}' },
    { target: '/api/v1/history/query', status: 405, method: 'GET' },
  ],
  getOpenApi: [
    { target: '/api/v1/openapi.json', status: 200 },
    { target: '/api/v1/openapi.json', status: 304, headers: { 'If-None-Match': '*' } },
  ],
  getHome: [{ target: '/', status: 200 }],
  getDocs: [
    { target: '/api/docs', status: 200 },
    { target: '/api/docs', status: 304, headers: { 'If-None-Match': '*' } },
  ],
  getAlertRunbooks: [
    { target: '/api/docs/alerts', status: 200 },
    { target: '/api/docs/alerts', status: 304, headers: { 'If-None-Match': '*' } },
  ],
  listLimits: [{ target: '/api/v1/limits', status: 200 }],
  callMcp: [
    {
      target: '/mcp',
      status: 200,
      headers: MCP,
      body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
    },
    {
      target: '/mcp',
      status: 200,
      headers: MCP,
      body: '{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"get_worker","arguments":{"worker_id":"full"}}}',
    },
    { target: '/mcp', status: 202, headers: MCP, body: '{"jsonrpc":"2.0","method":"notifications/initialized"}' },
    { target: '/mcp', status: 400, headers: MCP, body: '[]' },
    { target: '/mcp', status: 405, method: 'GET' },
    { target: '/mcp', status: 200, body: '{"jsonrpc":"2.0","id":1,"method":"ping"}' },
    {
      target: '/mcp',
      status: 406,
      headers: { ...MCP, Accept: 'text/html' },
      body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
    },
    {
      target: '/mcp',
      status: 415,
      headers: { ...MCP, 'Content-Type': 'text/plain' },
      body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
    },
  ],
  getLogin: [{ target: '/login?next=/', status: 200 }],
  logIn: [
    { target: '/login', status: 400 },
    { target: '/login', status: 401, headers: { 'Content-Type': 'application/x-www-form-urlencoded' } },
  ],
  logOut: [{ target: '/logout', status: 303 }],
  getHealth: [
    { target: '/health', status: 200 },
    { target: '/health', status: 405, method: 'PUT' },
  ],
  getLivez: [{ target: '/livez', status: 200 }],
  getReadyz: [{ target: '/readyz', status: 200 }],
  getAllTelemetry: [{ target: '/telemetry', status: 200 }],
  getTelemetry: [
    { target: '/telemetry/full', status: 200 },
    { target: '/telemetry/ghost', status: 404 },
    { target: '/telemetry/%ff', status: 400 },
  ],
  getSummaries: [{ target: '/workers', status: 200 }],
  followAllTelemetry: [{ target: '/ws/telemetry', status: 426 }],
  followTelemetry: [
    { target: '/ws/telemetry/full', status: 426 },
    { target: '/ws/telemetry/full', status: 426, headers: { Upgrade: 'h2c', Connection: 'Upgrade' } },
  ],
};
