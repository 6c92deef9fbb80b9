/**
 * How routes under /api/v1 are defined: zod schemas describe each once, for validation, for the OpenAPI document, and for the
 * list of routes in the access tests.
 */
import { createRoute, OpenAPIHono, type RouteConfig, type RouteHandler } from '@hono/zod-openapi';
import { methodNotAllowed, problem } from '../answers/problem.ts';
import type { HttpContext, HttpEnv } from '../context.ts';
import { percentDecode } from '../sockets/target.ts';
import { query } from './parameters.ts';
import { declaredScope, type RouteScopes } from './scopes.ts';

export type Api = OpenAPIHono<HttpEnv>;

type InputContext<R extends RouteConfig> = Parameters<RouteHandler<R, HttpEnv>>[0];

/** A handler that gets valid input. It answers through `answer`, `sendJson` and similar, never through `c.json`. */
export type EndpointHandler<R extends RouteConfig> = (c: InputContext<R> & HttpContext) => Response | Promise<Response>;

type ZodIssue = {
  readonly path: readonly PropertyKey[];
  readonly message: string;
  /** Unknown parameters or members. */
  readonly keys?: readonly string[];
};

const NO_QUERY = query({});

/** An app that validates input by the schemas of its routes and answers invalid input with a problem that names it. */
export function newApi(options: { readonly getPath: (request: Request, options?: { env?: unknown }) => string }): Api {
  return new OpenAPIHono<HttpEnv>({
    ...(options as object),
    defaultHook(result, c) {
      if (result.success) return undefined;
      const where = result.target === 'param' ? 'path' : result.target;
      const { detail, errors } = inputMistakes(result.error.issues, where);
      return problem(c as HttpContext, 'invalid_argument', detail, { errors });
    },
  });
}

/** What is wrong with the input, one by one and as one text. @param where the part of the request: `query`, for example */
export function inputMistakes(issues: readonly unknown[], where: string) {
  const errors = (issues as readonly ZodIssue[]).flatMap(({ path, message, keys }) =>
    (keys ?? [path.join('.')]).map((name) => ({ in: where, name, detail: message })),
  );
  const detail = errors.map(({ name, detail }) => (name === '' ? detail : `${name}: ${detail}`)).join('; ');
  return { detail, errors };
}

/** Adds a route. GET also answers HEAD, for which the handler must not write a body past Hono. Unknown parameters are refused. */
export function endpoint<R extends RouteConfig>(api: Api, route: R, handler: EndpointHandler<R>): void {
  const { request } = route;
  const strict =
    request?.query === undefined ? createRoute({ ...route, request: { ...request, query: NO_QUERY } }) : route;
  api.openapi(strict, handler as never);
}

/** Records the scopes that descriptions declare. Call it after the last route. */
export function declareScopes(api: Api, scopes: RouteScopes): void {
  for (const definition of api.openAPIRegistry.definitions) {
    if (definition.type !== 'route') continue;
    const scope = declaredScope(definition.route);
    if (scope !== undefined && scope !== 'public')
      scopes.declare(definition.route.method, definition.route.path, scope);
  }
}

/** Refuses other methods on the paths of all routes, naming the allowed ones. Call it after the last route. */
export function refuseOtherMethods(api: Api): void {
  const methodsByPath = new Map<string, string[]>();
  for (const definition of api.openAPIRegistry.definitions) {
    if (definition.type !== 'route') continue;
    const { path, method } = definition.route;
    // The routes outside /api/ refuse other methods themselves.
    if (!path.startsWith('/api/')) continue;
    const methods = methodsByPath.get(path) ?? [];
    methods.push(...(method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()]));
    methodsByPath.set(path, methods);
  }
  for (const [path, methods] of methodsByPath) {
    const allowed = methods.join(', ');
    api.all(path.replaceAll(/\{(.+?)\}/g, ':$1'), (c) =>
      problem(c, 'method_not_allowed', methodNotAllowed(c.req.method, allowed), { headers: { Allow: allowed } }),
    );
  }
}

/**
 * The worker id in the path between `prefix` and `suffix`, decoded once. Hono would return a malformed escape as the id
 * itself. Undefined if an escape is malformed.
 */
export function workerIdIn(c: HttpContext, prefix: string, suffix = ''): string | undefined {
  return percentDecode(c.req.path.slice(prefix.length, suffix === '' ? undefined : -suffix.length));
}
