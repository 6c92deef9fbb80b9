/** `GET /api/v1/pending`: workers waiting for approval. */
import { crc32 } from 'node:zlib';
import { createRoute, z } from '@hono/zod-openapi';
import { weakTag } from '../answers/conditional.ts';
import { sendTagged } from '../answers/respond.ts';
import { type Api, endpoint } from '../api/endpoint.ts';
import { jsonAnswer, moment, NOT_MODIFIED, Tagged } from '../api/schemas.ts';
import { needs } from '../api/scopes.ts';
import type { AppContext } from '../context.ts';

const Pending = z
  .object({
    worker_id: z.string(),
    first_seen_at: moment('Its first attempt.'),
    last_seen_at: moment('Its latest attempt.'),
    attempts: z.int().openapi({ description: 'How often it was refused.' }),
  })
  .openapi('PendingWorker');

const route = createRoute({
  method: 'get',
  path: '/api/v1/pending',
  operationId: 'listPending',
  tags: ['Workers'],
  ...needs('read'),
  summary: 'Workers waiting for approval',
  description:
    'With `ADMISSION=approved`: unknown workers that were refused, newest last, at most a second old. POST `/api/v1/workers/{id}/approve` admits one.',
  responses: {
    200: {
      headers: Tagged,
      ...jsonAnswer('The waiting workers.', z.object({ workers: z.array(Pending) }), {
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
    // A waiting worker has no row and so no revision.
    const etag = weakTag(`${revisions.epoch}-pending-${crc32(JSON.stringify(pending)).toString(36)}`);
    return sendTagged(context, c, etag, () => pending);
  });
}
