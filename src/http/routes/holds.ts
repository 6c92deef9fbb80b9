/**
 * `GET /api/v1/holds`: what keeps the master from judging who is alive, for now.
 * `POST /api/v1/brakes/release`: those who are silent have failed; `?group=` for one group, empty for workers of none.
 */
import type { Holds } from '../../model/holds.ts';
import type { AppContext } from '../context.ts';
import { problem } from '../problem.ts';
import { errorJson, sendJson } from '../respond.ts';
import { type App, readOnly } from './route.ts';

const RELEASE = '/api/v1/brakes/release';

export function holdsRoutes(app: App, { directory, command }: AppContext): void {
  readOnly(app, '/api/v1/holds', (c) => sendJson(c, 200, { grace: null, brakes: [], ...holdsJson(directory.holds) }));

  app.post(RELEASE, async (c) => {
    const reply = await command({ type: 'release-brakes', group: c.req.query('group') });
    return reply.ok ? sendJson(c, 200, { message: reply.message }) : problem(c, reply.code, reply.message);
  });

  app.all(RELEASE, (c) => errorJson(c, 405, `${c.req.method} is not possible here`, { Allow: 'POST' }));
}

/** Members for an answer; none while nothing is held up. */
export function holdsJson({ graceEndsUnixMs, brakes }: Holds) {
  return {
    ...(graceEndsUnixMs === undefined ? {} : { grace: { ends_at: new Date(graceEndsUnixMs).toISOString() } }),
    ...(brakes.length === 0
      ? {}
      : {
          brakes: brakes.map(({ group, sinceUnixMs, endsUnixMs, silent, watched }) => ({
            group,
            since: new Date(sinceUnixMs).toISOString(),
            ends_at: new Date(endsUnixMs).toISOString(),
            silent,
            of: watched,
          })),
        }),
  };
}
