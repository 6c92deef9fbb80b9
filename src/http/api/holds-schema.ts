/** The schema of holds: what keeps the master from judging silent workers. */
import { z } from '@hono/zod-openapi';
import type { Holds } from '../../model/holds.ts';
import { moment } from './schemas.ts';

export const Grace = z.object({ ends_at: moment('Until then, workers that reported before the restart are awaited.') });

export const Brake = z
  .object({
    group: z.string().openapi({ description: 'Empty: workers without a group.' }),
    since: moment('When the brake became active.'),
    ends_at: moment('When it ends at the latest.'),
    silent: z.int().openapi({ description: 'Silent workers of the group.' }),
    of: z.int().openapi({ description: 'Monitored workers of the group.' }),
  })
  .openapi('Brake');

/** The members for an answer; empty if nothing is held. */
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
