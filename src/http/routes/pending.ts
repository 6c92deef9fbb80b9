/** `GET /api/v1/pending`: workers that wait for approval. */
import { crc32 } from 'node:zlib';
import { createRoute, z } from '@hono/zod-openapi';
import { weakTag } from '../answers/conditional.ts';
import { sendTagged } from '../answers/respond.ts';
import { type Api, endpoint } from '../api/endpoint.ts';
import { jsonAnswer, moment, NOT_MODIFIED, Tagged } from '../api/schemas.ts';
import type { AppContext } from '../context.ts';

const Pending = z
  .object({
    worker_id: z.string(),
    first_seen_at: moment('When it came first.'),
    last_seen_at: moment('When it came last.'),
    attempts: z.int().openapi({ description: 'How often it was turned away.' }),
  })
  .openapi('PendingWorker');

const route = createRoute({
  method: 'get',
  path: '/api/v1/pending',
  operationId: 'listPending',
  tags: ['workers'],
  summary: 'Workers that wait for approval',
  description:
    'Under `ADMISSION=approved`: unknown workers that came and were turned away, the newest of them last, as of a second ago at the most. POST `/api/v1/workers/{id}/approve` lets one in.',
  responses: {
    200: {
      headers: Tagged,
      ...jsonAnswer('Those who wait.', z.object({ workers: z.array(Pending) }), {
        workers: [
          {
            worker_id: 'worker-9',
            first_seen_at: '2026-11-23T17:54:55.000Z',
            last_seen_at: '2026-11-23T17:55:10.000Z',
            attempts: 4,
          },
        ],
      }),
    },
    304: NOT_MODIFIED,
  },
});

export function pendingRoutes(api: Api, context: AppContext): void {
  const { directory, revisions } = context;

  endpoint(api, route, (c) => {
    const pending = {
      workers: directory.pending.map(({ workerId, firstSeenUnixMs, lastSeenUnixMs, attempts }) => ({
        worker_id: workerId,
        first_seen_at: new Date(firstSeenUnixMs).toISOString(),
        last_seen_at: new Date(lastSeenUnixMs).toISOString(),
        attempts,
      })),
    };
    // Who waits is no worker yet, and has no revision.
    const etag = weakTag(`${revisions.epoch}-pending-${crc32(JSON.stringify(pending)).toString(36)}`);
    return sendTagged(context, c, etag, () => pending);
  });
}
