/**
 * `GET /livez`: whether the master is alive. `GET /readyz`: whether it is ready for work, and if not, why; and what does not work
 * although it is.
 */
import { deadReasons, degradedParts, unreadyReasons } from '../../model/readiness.ts';
import { sendJson } from '../answers/respond.ts';
import type { AppContext } from '../context.ts';
import { type App, readOnly } from './route.ts';

export function probeRoutes(app: App, { clock, directory }: AppContext): void {
  const beatAgeMs = () => directory.board.beatAgeMs(clock.monotonicMs());

  readOnly(app, '/livez', (c) => {
    const reasons = deadReasons(beatAgeMs());
    return reasons.length === 0
      ? sendJson(c, 200, { status: 'ok' })
      : sendJson(c, 503, { status: 'stuck', reasons }, RETRY);
  });

  readOnly(app, '/readyz', (c) => {
    const reasons = unreadyReasons(directory.readiness, beatAgeMs());
    const degraded = degradedParts(directory).map(({ code, detail, sinceUnixMs }) => ({
      code,
      detail,
      since: new Date(sinceUnixMs).toISOString(),
    }));
    return reasons.length === 0
      ? sendJson(c, 200, { status: 'ready', reasons, degraded })
      : sendJson(c, 503, { status: 'not ready', reasons, degraded }, RETRY);
  });
}

const RETRY = { 'Retry-After': '1' };
