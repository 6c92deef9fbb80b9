/** What keeps the master from judging who is alive, as the API shows it. */
import { z } from '@hono/zod-openapi';
import type { Holds } from '../../model/holds.ts';
import { moment } from './schemas.ts';

export const Grace = z.object({ ends_at: moment('Until when workers of an earlier master are waited for.') });

export const Brake = z
  .object({
    group: z.string().openapi({ description: 'Empty: workers of no group.' }),
    since: moment('Since when it is held.'),
    ends_at: moment('When it is released at the latest.'),
    silent: z.int().openapi({ description: 'Workers of the group that are silent.' }),
    of: z.int().openapi({ description: 'Workers of the group that are watched.' }),
  })
  .openapi('Brake');

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
