/** A read-only route. */
import type { Handler, Hono } from 'hono';
import { ALLOW } from '../answers/common-headers.ts';
import { methodNotAllowed } from '../answers/problem.ts';
import { errorJson } from '../answers/respond.ts';
import type { HttpContext, HttpEnv } from '../context.ts';
import { percentDecode } from '../sockets/target.ts';

/** The app that routes are added to. */
export type App = Hono<HttpEnv>;

/** GET and HEAD go to `handler`, which must not write a body for HEAD past Hono; any other method is refused. */
export function readOnly(app: App, path: string, ...handlers: Handler<HttpEnv>[]): void {
  app.on(['GET'], [path], ...handlers);
  app.all(path, (c) => errorJson(c, 405, methodNotAllowed(c.req.method, ALLOW.Allow), ALLOW));
}

/** The worker id in the path after `prefix`, or the answer to a malformed path. */
export function workerIdBehind(prefix: string, c: HttpContext): { id: string } | { refused: Response } {
  const id = percentDecode(c.req.path.slice(prefix.length));
  if (id === undefined) return { refused: errorJson(c, 400, 'the path is not valid percent-encoded UTF-8') };
  return { id };
}

export function unknownWorker(c: HttpContext, id: string): Response {
  return errorJson(c, 404, `no worker is called ${JSON.stringify(id)}`);
}
