/** `GET /api/v1/lanes`: the lanes that have workers. */
import { createRoute, z } from '@hono/zod-openapi';
import { LANE_KINDS, LANE_STATES } from '../../model/lanes.ts';
import type { Directory } from '../../reading/directory.ts';
import { type LaneWithWorkers, lanesWithWorkers } from '../../reading/lane-workers.ts';
import { weakTag } from '../answers/conditional.ts';
import { sendTagged } from '../answers/respond.ts';
import { type Api, endpoint } from '../api/endpoint.ts';
import { LaneLimitJson, laneLimitJson } from '../api/lane-limit.ts';
import { jsonAnswer, NOT_MODIFIED, Tagged } from '../api/schemas.ts';
import { needs } from '../api/scopes.ts';
import type { AppContext } from '../context.ts';

const Lane = z
  .object({
    number: z.int().openapi({ description: 'Lanes are numbered in the order in which they were started.' }),
    kind: z.enum(LANE_KINDS),
    state: z.enum(LANE_STATES),
    restarts: z.int(),
    workers: z.array(z.string()).openapi({ description: 'Ids of its workers.' }),
  })
  .openapi('Lane');

const route = createRoute({
  method: 'get',
  path: '/api/v1/lanes',
  operationId: 'listLanes',
  tags: ['Lanes and limits'],
  ...needs('read'),
  summary: 'The lanes that have workers',
  responses: {
    200: {
      headers: Tagged,
      ...jsonAnswer('The lanes, by number.', z.object({ lanes: z.array(Lane), limit: LaneLimitJson.nullable() }), {
        lanes: [
          { number: 1, kind: 'dedicated', state: 'ready', restarts: 0, workers: ['worker-1'] },
          { number: 2, kind: 'shared', state: 'ready', restarts: 1, workers: ['worker-2', 'worker-3'] },
        ],
        limit: { dedicated: 1, limited_by: 'memory', setting: 'memory.max', memory_short: false },
      }),
    },
    304: NOT_MODIFIED,
  },
});

export function lanesRoutes(api: Api, context: AppContext): void {
  const { directory, revisions } = context;

  endpoint(api, route, (c) => {
    revisions.look();
    const { laneLimit } = directory;
    // A worker's revision does not include the limit.
    const tag = weakTag(laneLimit?.isMemoryShort ? `${revisions.text}-short` : revisions.text);
    return sendTagged(context, c, tag, () => ({ lanes: lanesNow(directory), limit: laneLimitJson(laneLimit) }));
  });
}

function lanesNow(directory: Directory): LaneWithWorkers[] {
  return [...lanesWithWorkers(directory).values()].sort((left, right) => left.number - right.number);
}
