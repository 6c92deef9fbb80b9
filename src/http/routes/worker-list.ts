/** `GET /api/v1/workers`: filtered, sorted, and in pages that stay whole while workers come and go. */
import { createRoute, z } from '@hono/zod-openapi';
import { messageOf, PulselaneError } from '../../lib/errors.ts';
import { fieldsOf } from '../../reading/fields.ts';
import { type SortPosition, sortOf } from '../../reading/sort.ts';
import { conditionalHeaders, notModified, weakTag } from '../answers/conditional.ts';
import { acceptsGzip, varyHeader } from '../answers/encoding.ts';
import { problem, problemOf } from '../answers/problem.ts';
import { sendBody } from '../answers/respond.ts';
import { type Api, endpoint } from '../api/endpoint.ts';
import { FILTER_PARAMETERS, wholeNumber } from '../api/parameters.ts';
import { jsonAnswer, NOT_MODIFIED, problemAnswers, Tagged } from '../api/schemas.ts';
import { FILTERS_IN_WORDS, once, parsedBy, selectionOf, selectionQuery } from '../api/selection-query.ts';
import { WorkerItem } from '../api/worker-item.ts';
import type { AppContext, HttpContext } from '../context.ts';
import { MAX_PAGE_WORKERS, PAGE_WORKERS } from '../http-limits.ts';
import { positionIn } from '../query/cursor.ts';
import { checkWait, WAIT_PARAMETERS, waited } from './wait-parameters.ts';

const ListQuery = selectionQuery({
  sort: parsedBy(sortOf)
    .optional()
    .openapi({
      description:
        'Fields with commas between them, `-` before one for descending: worker_id, state (in the order of a life), ' +
        'group, last_update_at, and whatever can have a minimum. Workers without a value come last; the id decides in the end.',
      example: '-cpu_usage,worker_id',
    }),
  limit: wholeNumber({
    description: 'Most workers of a page.',
    min: 1,
    max: MAX_PAGE_WORKERS,
    default: PAGE_WORKERS,
  }).optional(),
  cursor: once().optional().openapi({ description: 'The next_cursor of the page before this one.' }),
  ...WAIT_PARAMETERS,
}).superRefine(checkWait);

const List = z
  .object({
    workers: z.array(WorkerItem),
    total: z.int().openapi({ description: 'Workers that match, on all pages.' }),
    next_cursor: z.string().nullable().openapi({ description: 'Where the next page begins; null on the last one.' }),
    revision: z.string().openapi({ description: 'The page is at least as new.' }),
  })
  .openapi('WorkerList');

const EXAMPLE: z.input<typeof List> = {
  workers: [
    { worker_id: 'worker-1', state: 'active', cpu_usage: 14.9 },
    { worker_id: 'worker-2', state: 'suspect', cpu_usage: 3.2 },
  ],
  total: 7,
  next_cursor: 'WyJ3b3JrZXItMiJd',
  revision: 'frir53zq-1204',
};

const route = createRoute({
  method: 'get',
  path: '/api/v1/workers',
  operationId: 'listWorkers',
  tags: ['workers'],
  summary: 'The workers that pass the filters, in pages',
  description: [
    FILTERS_IN_WORDS,
    'A page begins behind the last worker of the one before, whatever came or went meanwhile: sorted by id, each worker that ' +
      'was there and matched all the time is listed exactly once. Sorted by a value that changes, this holds for workers whose ' +
      'value stayed as it was; one whose value changed between two pages may be listed twice or not at all.',
    'A page may end before its limit when its items are large; what counts is next_cursor.',
  ].join('\n\n'),
  parameters: FILTER_PARAMETERS,
  request: { query: ListQuery },
  responses: {
    200: {
      ...jsonAnswer('One page.', List, EXAMPLE),
      headers: Tagged.extend({
        'X-Pulselane-Index': z.string().openapi({ description: 'The revision of the list.' }),
        Link: z.string().optional().openapi({ description: 'The next page, with rel="next"; not on the last one.' }),
      }),
    },
    304: NOT_MODIFIED,
    ...problemAnswers('invalid_argument', 'resource_exhausted', 'unavailable'),
  },
});

export function workerListRoutes(api: Api, context: AppContext): void {
  const { revisions, queries } = context;

  endpoint(api, route, async (c) => {
    const query = c.req.valid('query');
    const { sort, fields, limit = PAGE_WORKERS, cursor } = query;
    const selection = selectionOf(query);
    let after: SortPosition | undefined;
    try {
      if (cursor !== undefined) after = positionIn(cursor, sortOf(sort), selection);
    } catch (error) {
      if (!(error instanceof PulselaneError)) throw error;
      const detail = messageOf(error);
      return problem(c, error.code, `cursor: ${detail}`, { errors: [{ in: 'query', name: 'cursor', detail }] });
    }
    try {
      // Another order is a change of the list, too, whatever is told of each worker.
      await waited(c, context, { selection, fields: fieldsOf(sort === undefined ? fields : undefined) }, query);
    } catch (error) {
      return problemOf(c, error);
    }
    // Before anything is read: what changes from here on may be in the page, and makes the next tag another one.
    revisions.look();
    const revision = revisions.text;
    const etag = weakTag(revision);
    const headers = { ...conditionalHeaders(etag), 'X-Pulselane-Index': revision };
    const known = notModified(c, etag, { ...headers, ...varyHeader(c) });
    if (known !== undefined) return known;
    const request = { criteria: selection.criteria, sort, fields, limit, after, revision };
    try {
      const page = await queries.page(request, acceptsGzip(c.req.header('accept-encoding')));
      // What the page has of a later change was seen now, too, so that whoever waits for more of these fields does not
      // take it for what was there before.
      if (fields !== undefined) revisions.look();
      const next = page.nextCursor === null ? {} : { Link: `<${nextTarget(c, page.nextCursor)}>; rel="next"` };
      return sendBody(c, page, { ...headers, ...next });
    } catch (error) {
      return problemOf(c, error);
    }
  });
}

/** Relative, so that it holds behind any proxy. */
function nextTarget(c: HttpContext, cursor: string): string {
  const { searchParams } = new URL(c.req.url);
  searchParams.set('cursor', cursor);
  // Who waited for the first page wants the others at once.
  for (const name of Object.keys(WAIT_PARAMETERS)) searchParams.delete(name);
  return `?${searchParams}`;
}
