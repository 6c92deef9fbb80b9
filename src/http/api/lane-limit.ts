/** What keeps the number of dedicated lanes where it is, in the API's words. */
import { z } from '@hono/zod-openapi';
import { LANE_LIMITS, type LaneLimit } from '../../model/lanes.ts';

export const LaneLimitJson = z
  .object({
    dedicated: z.int().openapi({ description: 'Most workers with a lane of their own.' }),
    limited_by: z.enum(LANE_LIMITS).openapi({
      description:
        'What binds: `MAX_DEDICATED_LANES` where it is set; else `cores`, which would mostly wake threads with more of them; `first workers`, the least on any number of cores; or what the machine has no more of.',
    }),
    setting: z.string().openapi({ description: 'What it is called where it can be raised.' }),
    memory_short: z.boolean().openapi({
      description:
        'The machine has no memory for another at this moment: no more are started. Always false where MAX_DEDICATED_LANES is set: those are started all the same.',
    }),
  })
  .openapi('LaneLimit', { description: 'What keeps the number of dedicated lanes where it is; null at the start.' });

export function laneLimitJson(limit: LaneLimit | undefined): z.infer<typeof LaneLimitJson> | null {
  if (limit === undefined) return null;
  const { dedicated, limitedBy, setting, isMemoryShort } = limit;
  return { dedicated, limited_by: limitedBy, setting, memory_short: isMemoryShort };
}
