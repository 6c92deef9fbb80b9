/** `GET /ws/telemetry` and `GET /ws/telemetry/{workerID}`: live streams over WebSocket. */
import { upgradeWebSocket } from '@hono/node-server';
import { createMiddleware } from 'hono/factory';
import type { WebSocket } from 'ws';
import { messageOf } from '../../lib/errors.ts';
import { errorJson } from '../answers/respond.ts';
import type { AppContext, HttpEnv } from '../context.ts';
import { type App, readOnly, unknownWorker, workerIdBehind } from './route.ts';

const PREFIX = '/ws/telemetry/';

const upgradeRequired = createMiddleware<HttpEnv>(async function upgradeRequired(c, next) {
  if (c.req.method === 'GET' && c.req.header('upgrade')?.toLowerCase() === 'websocket') return next();
  return errorJson(c, 426, 'this path needs a WebSocket upgrade', { Upgrade: 'websocket', Connection: 'Upgrade' });
});

export function liveRoutes(app: App, { directory, live, refusals, log }: AppContext): void {
  const roomNeeded = createMiddleware<HttpEnv>(async function roomNeeded(c, next) {
    const refused = live.refusal();
    if (refused === undefined) return next();
    refusals.countError(refused);
    return errorJson(c, 503, refused.message, { 'Retry-After': '5' });
  });
  const stream = (workerId: string | undefined) =>
    upgradeWebSocket(
      (c) => ({
        // The socket itself: Hono's wrapper would send buffers as binary frames and does not support pings.
        onOpen: (_, { raw }) => live.add(raw as WebSocket, workerId, (c.env as HttpEnv['Bindings']).incoming?.socket),
      }),
      { onError: (error) => log('warn', `a live stream failed: ${messageOf(error)}`) },
    );

  readOnly(app, '/ws/telemetry', upgradeRequired, roomNeeded, stream(undefined));

  readOnly(app, `${PREFIX}:id{.+}`, upgradeRequired, roomNeeded, (c, next) => {
    const named = workerIdBehind(PREFIX, c);
    if ('refused' in named) return named.refused;
    if (directory.get(named.id) === undefined) return unknownWorker(c, named.id);
    return stream(named.id)(c, next);
  });
}
