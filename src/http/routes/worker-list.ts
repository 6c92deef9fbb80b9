/** `GET /api/v1/workers`: filtered, sorted, and in pages that stay consistent while workers come and go. */
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
import { needs } from '../api/scopes.ts';
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
        'Fields separated by commas, each with `-` in front for descending order: worker_id, state (in lifecycle order), ' +
        'group, last_update_at, and every field that `min` takes. Workers without a value come last; ties are ordered by id.',
      example: '-cpu_usage,worker_id',
    }),
  limit: wholeNumber({
    description: 'The most workers per page.',
    min: 1,
    max: MAX_PAGE_WORKERS,
    default: PAGE_WORKERS,
  }).optional(),
  cursor: once().optional().openapi({ description: 'The next_cursor of the previous page.' }),
  ...WAIT_PARAMETERS,
}).superRefine(checkWait);

const List = z
  .object({
    workers: z.array(WorkerItem),
    total: z.int().openapi({ description: 'Workers that match, on all pages.' }),
    next_cursor: z.string().nullable().openapi({ description: 'The cursor of the next page; null on the last page.' }),
    revision: z.string().openapi({ description: 'The page is at least as new as this revision.' }),
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
  tags: ['Workers'],
  ...needs('read'),
  summary: 'Workers that pass the filters, in pages',
  description: [
    FILTERS_IN_WORDS,
    'A page starts after the last worker of the previous page, whatever has come or gone since. Sorted by id, a worker that ' +
      'exists and matches throughout is listed exactly once. Sorted by a value, this holds for workers whose value stays the ' +
      'same; a worker whose value changes between two pages may be listed twice or not at all.',
    'A page may hold fewer workers than its limit if they are large; only next_cursor says whether there are more.',
  ].join('\n\n'),
  parameters: FILTER_PARAMETERS,
  request: { query: ListQuery },
  responses: {
    200: {
      ...jsonAnswer('One page.', List, EXAMPLE),
      headers: Tagged.extend({
        'X-Pulselane-Index': z.string().openapi({ description: 'The revision of the list.' }),
        Link: z
          .string()
          .optional()
          .openapi({ description: 'The next page, with rel="next"; absent on the last page.' }),
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
      // Another order also changes the list, whichever fields are requested.
      await waited(c, context, { selection, fields: fieldsOf(sort === undefined ? fields : undefined) }, query);
    } catch (error) {
      return problemOf(c, error);
    }
    // Before reading: a later change may be in the page, and the next tag will then differ.
    revisions.look();
    const revision = revisions.text;
    const etag = weakTag(revision);
    const headers = { ...conditionalHeaders(etag), 'X-Pulselane-Index': revision };
    const known = notModified(c, etag, { ...headers, ...varyHeader(c) });
    if (known !== undefined) return known;
    const request = { criteria: selection.criteria, sort, fields, limit, after, revision };
    try {
      const page = await queries.page(request, acceptsGzip(c.req.header('accept-encoding')));
      // Record a later change that the page may already contain, so that the next wait for these fields does not
      // mistake it for the old value.
      if (fields !== undefined) revisions.look();
      const next = page.nextCursor === null ? {} : { Link: `<${nextTarget(c, page.nextCursor)}>; rel="next"` };
      return sendBody(c, page, { ...headers, ...next });
    } catch (error) {
      return problemOf(c, error);
    }
  });
}

/** A relative URL, so that it works behind any proxy. */
function nextTarget(c: HttpContext, cursor: string): string {
  const { searchParams } = new URL(c.req.url);
  searchParams.set('cursor', cursor);
  // Later pages must not wait.
  for (const name of Object.keys(WAIT_PARAMETERS)) searchParams.delete(name);
  return `?${searchParams}`;
}
