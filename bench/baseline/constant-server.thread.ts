/** The thread of constant-server.ts. */
import { parentPort } from 'node:worker_threads';
import { type HttpBindings, serve } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { Hono } from 'hono';

/** Like Pulselane: a small body is sent through Hono, a large one directly to the socket. */
const SMALL_BYTES = 64 * 1024;
const bodies = new Map<number, string | Buffer>();

const app = new Hono<{ Bindings: HttpBindings }>();
app.get('/constant/:bytes', (c) => {
  const bytes = Number(c.req.param('bytes'));
  const headers = { 'Content-Type': 'application/json', 'Content-Length': String(bytes) };
  const body = bodies.get(bytes) ?? (bytes < SMALL_BYTES ? '0'.repeat(bytes) : Buffer.alloc(bytes, '0'));
  bodies.set(bytes, body);
  if (typeof body === 'string') return c.body(body, 200, headers);
  c.env.outgoing.writeHead(200, headers).end(body);
  return RESPONSE_ALREADY_SENT;
});
serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => parentPort?.postMessage(port));
