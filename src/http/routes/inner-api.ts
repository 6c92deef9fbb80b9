/** The API's routes for the tools of `/mcp`, which ask them in this process. */
import { messageOf } from '../../lib/errors.ts';
import { problem } from '../answers/problem.ts';
import { type Api, newApi } from '../api/endpoint.ts';
import type { AppContext, HttpEnv } from '../context.ts';
import { type JsonObject, type Parameters, type ToolContext, ToolError } from '../mcp/mcp-tool.ts';
import { pathOfTarget } from '../sockets/target.ts';
import { alertRoutes } from './alerts.ts';
import { clusterRoutes } from './cluster.ts';
import { eventsRoutes } from './events.ts';
import { historyQueryRoutes } from './history-query.ts';
import { taskRoutes } from './tasks.ts';
import { workerRoutes } from './worker.ts';
import { workerHistoryRoutes } from './worker-history.ts';
import { workerListRoutes } from './worker-list.ts';

/**
 * The routes that tools ask, as an app of its own behind the access middleware, which has checked the client already. Made
 * for the first client.
 */
export function innerApi(context: AppContext): () => Api {
  let api: Api | undefined;
  return () => {
    if (api !== undefined) return api;
    const made = newApi({
      // Not from a URL: its parser would take the worker id `..` for a path.
      getPath: (_, options) => pathOfTarget(((options?.env ?? {}) as HttpEnv['Bindings']).incoming?.url ?? ''),
    });
    made.use((c, next) => {
      c.set('commonHeaders', {});
      c.set('refusals', context.refusals);
      return next();
    });
    for (const add of [clusterRoutes, workerListRoutes, workerRoutes, workerHistoryRoutes]) add(made, context);
    for (const add of [historyQueryRoutes, eventsRoutes, taskRoutes, alertRoutes]) add(made, context);
    made.onError((error, c) => {
      context.log('error', `a tool of /mcp failed: ${messageOf(error)}`);
      return problem(c, 'internal', 'internal error');
    });
    api = made;
    return made;
  };
}

/** @param signal aborted when the client goes */
export function toolContext({ clock, directory }: AppContext, inner: Api, signal: AbortSignal): ToolContext {
  const ask = async (method: 'GET' | 'POST', target: string, body?: string): Promise<JsonObject> => {
    const query = target.indexOf('?');
    const headers = { 'Content-Type': 'application/json' };
    const request = new Request(`http://localhost/${query < 0 ? '' : target.slice(query)}`, {
      method,
      signal,
      ...(body === undefined ? {} : { headers, body }),
    });
    const response = await inner.fetch(request, { incoming: { url: target } });
    const answered = (await response.json()) as JsonObject;
    if (response.ok) return answered;
    throw new ToolError(String(answered.detail), String(answered.type).split(':').at(-1));
  };
  return {
    get: (path, parameters = {}) => ask('GET', `${path}${queryOf(parameters)}`),
    post: (path, body) => ask('POST', path, JSON.stringify(body)),
    nowMs: () => clock.wallMs(),
    workers: () => directory.size,
  };
}

function queryOf(parameters: Parameters): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value === undefined) continue;
    for (const one of typeof value === 'object' ? value : [String(value)]) query.append(name, one);
  }
  return query.size === 0 ? '' : `?${query}`;
}
