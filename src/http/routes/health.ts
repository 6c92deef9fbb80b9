/** `GET /health`: whether the master is alive, answered by a thread that works even when main is stuck. */
import { deadReasons } from '../../model/readiness.ts';
import { sendJson } from '../answers/respond.ts';
import { holdsJson } from '../api/holds-schema.ts';
import type { AppContext } from '../context.ts';
import { type App, readOnly } from './route.ts';

export function healthRoutes(app: App, context: AppContext): void {
  const { clock, directory, live } = context;
  readOnly(app, '/health', (c) => {
    const { board } = directory;
    const healthy = deadReasons(board.beatAgeMs(clock.monotonicMs())).length === 0;
    return sendJson(c, healthy ? 200 : 503, {
      status: healthy ? 'healthy' : 'unhealthy',
      time: Math.floor(clock.wallMs() / 1000),
      workers: board.workers,
      active_workers: board.activeWorkers,
      active_clients: live.clients,
      // Without permission to read, a client gets only what the earlier system showed.
      ...(c.get('mayRead') ? holdsJson(directory.holds) : {}),
    });
  });
}
