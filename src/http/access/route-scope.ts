import type { ApiScope } from '../../lib/tokens.ts';

/** What a request needs: a scope of API tokens, or `worker`: the rules for workers, see decide.ts. */
export type RouteScope = ApiScope | 'worker';
