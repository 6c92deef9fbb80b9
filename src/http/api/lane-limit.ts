/** The schema of what limits the number of dedicated lanes. */
import { z } from '@hono/zod-openapi';
import { LANE_LIMITS, type LaneLimit } from '../../model/lanes.ts';

export const LaneLimitJson = z
  .object({
    dedicated: z.int().openapi({ description: 'The most workers that can have a lane of their own.' }),
    limited_by: z.enum(LANE_LIMITS).openapi({
      description:
        'What sets the limit: `MAX_DEDICATED_LANES` if set; otherwise `cores` (more lanes would only add context switches), `first workers` (the minimum on any number of cores), or a resource that the machine lacks.',
    }),
    setting: z.string().openapi({ description: 'The setting that raises the limit.' }),
    memory_short: z.boolean().openapi({
      description:
        'The machine has too little free memory now, so no further lane is started. Always false if MAX_DEDICATED_LANES is set: then lanes start regardless.',
    }),
  })
  .openapi('LaneLimit', { description: 'What limits the number of dedicated lanes; null during start-up.' });

export function laneLimitJson(limit: LaneLimit | undefined): z.infer<typeof LaneLimitJson> | null {
  if (limit === undefined) return null;
  const { dedicated, limitedBy, setting, isMemoryShort } = limit;
  return { dedicated, limited_by: limitedBy, setting, memory_short: isMemoryShort };
}
