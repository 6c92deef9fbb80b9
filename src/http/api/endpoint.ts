/**
 * How routes under /api/v1 are made: each is described once, by zod schemas, from which come its validation, its place in the
 * OpenAPI document and the list of routes that the tests of the locked door go through.
 */
import { createRoute, OpenAPIHono, type RouteConfig, type RouteHandler } from '@hono/zod-openapi';
import { problem } from '../answers/problem.ts';
import type { HttpContext, HttpEnv } from '../context.ts';
import { percentDecode } from '../sockets/target.ts';
import { query } from './parameters.ts';

export type Api = OpenAPIHono<HttpEnv>;

type InputContext<R extends RouteConfig> = Parameters<RouteHandler<R, HttpEnv>>[0];

/** A handler that gets valid input; answers are written by `answer`, `sendJson` and their kin, never by `c.json`. */
export type EndpointHandler<R extends RouteConfig> = (c: InputContext<R> & HttpContext) => Response | Promise<Response>;

type ZodIssue = {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  /** Parameters that there are not. */
  readonly keys?: readonly string[];
};

const NO_QUERY = query({});

/** An app whose input is checked by the schemas of its routes; wrong input is answered as a problem that names it. */
export function newApi(options: { readonly getPath: (request: Request, options?: { env?: unknown }) => string }): Api {
  return new OpenAPIHono<HttpEnv>({
    ...(options as object),
    defaultHook(result, c) {
      if (result.success) return undefined;
      const where = result.target === 'param' ? 'path' : result.target;
      const errors = (result.error.issues as readonly ZodIssue[]).flatMap(({ path, message, keys }) =>
        (keys ?? [path.join('.')]).map((name) => ({ in: where, name, detail: message })),
      );
      const detail = errors.map(({ name, detail }) => (name === '' ? detail : `${name}: ${detail}`)).join('; ');
      return problem(c as HttpContext, 'invalid_argument', detail, { errors });
    },
  });
}

/** Adds a route. GET answers HEAD too: the handler writes no body past Hono for it. Without a query, none is taken. */
export function endpoint<R extends RouteConfig>(api: Api, route: R, handler: EndpointHandler<R>): void {
  const { request } = route;
  const strict =
    request?.query === undefined ? createRoute({ ...route, request: { ...request, query: NO_QUERY } }) : route;
  api.openapi(strict, handler as never);
}

/** After the last route: whatever else is asked of their paths is refused, with what is possible there. */
export function refuseOtherMethods(api: Api): void {
  const methodsByPath = new Map<string, string[]>();
  for (const definition of api.openAPIRegistry.definitions) {
    if (definition.type !== 'route') continue;
    const { path, method } = definition.route;
    // Legacy routes are described, too, and refuse by themselves.
    if (!path.startsWith('/api/')) continue;
    const methods = methodsByPath.get(path) ?? [];
    methods.push(...(method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()]));
    methodsByPath.set(path, methods);
  }
  for (const [path, methods] of methodsByPath) {
    api.all(path.replaceAll(/\{(.+?)\}/g, ':$1'), (c) =>
      problem(c, 'method_not_allowed', `${c.req.method} is not possible here`, {
        headers: { Allow: methods.join(', ') },
      }),
    );
  }
}

/**
 * The worker that the path names behind `prefix` and before `suffix`, decoded once: Hono would take a broken escape for
 * the id itself. Undefined if the escape is broken.
 */
export function workerIdIn(c: HttpContext, prefix: string, suffix = ''): string | undefined {
  return percentDecode(c.req.path.slice(prefix.length, suffix === '' ? undefined : -suffix.length));
}
