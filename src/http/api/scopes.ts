/** The scope that each route needs, declared where the route is described. */
import type { ApiScope } from '../../lib/tokens.ts';
import type { RouteScope } from '../access/route-scope.ts';

/**
 * Part of a route's description. In OpenAPI the names beside a credential are the roles that it must have. The last one stands
 * for no credentials: without tokens, anybody may read, and this machine may change.
 */
export function needs(scope: ApiScope) {
  return { security: [{ bearer: [scope] }, { session: [scope] }, {}] };
}

/** The same for a call of workers: none without WORKER_AUTH. */
export const FOR_WORKERS = { security: [{ worker: [] }, {}] };

/** What a description declares (`security: []`: public); undefined: nothing, which is a mistake. */
export function declaredScope({
  security,
}: {
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[] | undefined;
}): RouteScope | 'public' | undefined {
  if (security === undefined) return undefined;
  if (security.length === 0) return 'public';
  if (security[0]?.worker !== undefined) return 'worker';
  const [scope] = security[0]?.bearer ?? [];
  return scope === 'read' || scope === 'operate' ? scope : undefined;
}

interface ParameterPath {
  readonly method: string;
  readonly path: RegExp;
  readonly scope: RouteScope;
}

/** Finds the declared scope of a request. */
export class RouteScopes {
  readonly #fixed = new Map<string, RouteScope>();
  readonly #withParameters: ParameterPath[] = [];

  /** @param path with parameters in braces, each a segment of the path as it is written in the request */
  declare(method: string, path: string, scope: RouteScope): void {
    const of = method.toUpperCase();
    const parts = path.split(/\{.+?\}/).map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    if (parts.length === 1) this.#fixed.set(`${of} ${path}`, scope);
    else this.#withParameters.push({ method: of, path: new RegExp(`^${parts.join('[^/]+')}$`), scope });
  }

  /** Undefined: there is no such route. */
  of(method: string, path: string): RouteScope | undefined {
    const of = method === 'HEAD' ? 'GET' : method;
    const fixed = this.#fixed.get(`${of} ${path}`);
    return fixed ?? this.#withParameters.find((route) => route.method === of && route.path.test(path))?.scope;
  }
}
