/** The HTTP API, as one Hono app over shared memory: `app.request()` tests it without a socket. */
import { HTTPException } from 'hono/http-exception';
import { messageOf } from '../lib/errors.ts';
import { accessMiddleware, headerFactsOf } from './access/middleware.ts';
import { isApiPath } from './answers/api-path.ts';
import { CommonHeaders, commonHeaders } from './answers/common-headers.ts';
import { notJson, problem } from './answers/problem.ts';
import { errorJson } from './answers/respond.ts';
import { type Api, declareScopes, newApi, refuseOtherMethods } from './api/endpoint.ts';
import { RouteScopes } from './api/scopes.ts';
import type { AppContext, HttpEnv } from './context.ts';
import { alertRuleRoutes } from './routes/alert-rules.ts';
import { alertRoutes } from './routes/alerts.ts';
import { clusterRoutes } from './routes/cluster.ts';
import { documentRoutes } from './routes/documents.ts';
import { eventsRoutes } from './routes/events.ts';
import { exportRoutes } from './routes/export.ts';
import { healthRoutes } from './routes/health.ts';
import { heartbeatRoutes } from './routes/heartbeats.ts';
import { historyExportRoutes } from './routes/history-export.ts';
import { historyQueryRoutes } from './routes/history-query.ts';
import { historyStateRoutes } from './routes/history-state.ts';
import { holdsRoutes } from './routes/holds.ts';
import { homeRoutes } from './routes/home.ts';
import { internalStateRoutes } from './routes/internal-state.ts';
import { lanesRoutes } from './routes/lanes.ts';
import { describeLegacyPaths } from './routes/legacy-descriptions.ts';
import { limitsRoutes } from './routes/limits.ts';
import { liveRoutes } from './routes/live.ts';
import { loginRoutes } from './routes/login.ts';
import { mcpRoutes } from './routes/mcp.ts';
import { metricsRoutes } from './routes/metrics.ts';
import { pendingRoutes } from './routes/pending.ts';
import { probeRoutes } from './routes/probes.ts';
import { scrapeTargetRoutes } from './routes/scrape-targets.ts';
import { silenceRoutes } from './routes/silences.ts';
import { streamRoutes } from './routes/stream.ts';
import { taskRoutes } from './routes/tasks.ts';
import { telemetryRoutes } from './routes/telemetry.ts';
import { workerRoutes } from './routes/worker.ts';
import { workerCommandRoutes } from './routes/worker-commands.ts';
import { workerHistoryRoutes } from './routes/worker-history.ts';
import { workerListRoutes } from './routes/worker-list.ts';
import { workersRoutes } from './routes/workers.ts';
import { pathOfTarget, percentDecode, queryOfTarget } from './sockets/target.ts';

export function createApp(context: AppContext): Api {
  const app = newApi({
    getPath(request, options) {
      const { incoming } = (options?.env ?? {}) as HttpEnv['Bindings'];
      return pathOfTarget(incoming?.url ?? request.url);
    },
  });
  app.use(commonHeaders(new CommonHeaders(context.corsOrigins), headerFactsOf));
  const scopes = new RouteScopes();
  app.use(accessMiddleware({ ...context, scopes, limits: context.limits }));
  // Hono takes a malformed escape literally, which would match nothing instead of being an error.
  app.use('/api/*', (c, next) => {
    const query = queryOfTarget(c.req.url);
    if (!query.includes('%') || percentDecode(query) !== undefined) return next();
    return Promise.resolve(problem(c, 'invalid_argument', 'the query must be valid percent-encoded UTF-8'));
  });
  homeRoutes(app);
  loginRoutes(app, context);
  healthRoutes(app, context);
  probeRoutes(app, context);
  telemetryRoutes(app, context);
  workersRoutes(app, context);
  liveRoutes(app, context);
  metricsRoutes(app, context);
  workerListRoutes(app, context);
  scrapeTargetRoutes(app, context);
  clusterRoutes(app, context);
  streamRoutes(app, context);
  lanesRoutes(app, context);
  internalStateRoutes(app, context);
  limitsRoutes(app, context);
  eventsRoutes(app, context);
  holdsRoutes(app, context);
  alertRoutes(app, context);
  alertRuleRoutes(app, context);
  silenceRoutes(app, context);
  pendingRoutes(app, context);
  workerRoutes(app, context);
  workerHistoryRoutes(app, context);
  historyQueryRoutes(app, context);
  historyExportRoutes(app, context);
  historyStateRoutes(app, context);
  exportRoutes(app, context);
  taskRoutes(app, context);
  heartbeatRoutes(app, context);
  workerCommandRoutes(app, context);
  mcpRoutes(app, context);
  documentRoutes(app);
  describeLegacyPaths(app);
  declareScopes(app, scopes);
  refuseOtherMethods(app);
  app.notFound((c) =>
    isApiPath(c.req.path)
      ? problem(c, 'not_found', `unknown path${hintFor(c.req.path)}`)
      : errorJson(c, 404, 'unknown path; /api/docs lists all'),
  );
  app.onError((error, c) => {
    // Hono throws it for a body that does not match its Content-Type.
    if (error instanceof HTTPException && error.status < 500 && isApiPath(c.req.path)) {
      return notJson(c);
    }
    context.log('error', `${c.req.method} failed: ${messageOf(error)}`);
    if (isApiPath(c.req.path)) return problem(c, 'internal', 'internal error');
    return errorJson(c, 500, 'internal error');
  });
  return app;
}

/** What the client may have meant. */
function hintFor(path: string): string {
  return /^\/api\/v1\/workers\/.*\//.test(path) ? '; write a slash in a worker id as %2F' : '; /api/docs lists all';
}
