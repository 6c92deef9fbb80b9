/** `GET /sd/prometheus`: the workers' machines, for Prometheus's HTTP service discovery. */
import { z } from '@hono/zod-openapi';
import { acceptsGzip } from '../answers/encoding.ts';
import { errorJson, errorJsonOf, sendBody } from '../answers/respond.ts';
import type { Api } from '../api/endpoint.ts';
import { LegacyError } from '../api/legacy-schemas.ts';
import { FILTER_PARAMETERS, wholeNumber } from '../api/parameters.ts';
import { plainQuery } from '../api/plain-query.ts';
import { jsonAnswer } from '../api/schemas.ts';
import { needs } from '../api/scopes.ts';
import { FILTERS_IN_WORDS, filterQuery, selectionOf } from '../api/selection-query.ts';
import type { AppContext } from '../context.ts';
import { readOnly } from './route.ts';

const PATH = '/sd/prometheus';

/** That of node_exporter, which most machines have. */
const EXPORTER_PORT = 9100;

const TargetsQuery = filterQuery({
  port: wholeNumber({
    description: 'Where the exporter listens on each machine.',
    min: 1,
    max: 65_535,
    default: EXPORTER_PORT,
  }).optional(),
});

const Targets = z
  .array(z.object({ targets: z.array(z.string()), labels: z.record(z.string(), z.string()) }))
  .openapi('ScrapeTargets');

const EXAMPLE: z.infer<typeof Targets> = [
  {
    targets: ['10.0.0.17:9100'],
    labels: {
      __meta_pulselane_worker: 'worker-1',
      __meta_pulselane_state: 'active',
      __meta_pulselane_up: '1',
      __meta_pulselane_address: '10.0.0.17',
      __meta_pulselane_group: 'rack-1',
      __meta_pulselane_agent_version: '0.2.0',
      __meta_pulselane_instance_id: '3f2b9c41-7c55-4e0a-9d1f-5a0c4b1d2e37',
      __meta_pulselane_labelpresent_zone: 'true',
      __meta_pulselane_label_zone: 'a',
    },
  },
];

const DESCRIPTION: Parameters<Api['openAPIRegistry']['registerPath']>[0] = {
  method: 'get',
  path: PATH,
  operationId: 'getScrapeTargets',
  tags: ['Monitoring'],
  ...needs('read'),
  summary: 'The workers’ machines, for Prometheus’s HTTP service discovery',
  description: [
    'Always the whole list, inactive workers included unless `state` excludes them. Characters that no label name of Prometheus ' +
      'may have become `_`. Empty labels are absent, but `labelpresent` is there.',
    FILTERS_IN_WORDS,
  ].join('\n\n'),
  parameters: FILTER_PARAMETERS,
  request: { query: TargetsQuery },
  responses: {
    200: {
      ...jsonAnswer('The targets; `[]` if there are none.', Targets, EXAMPLE),
      headers: z.object({
        'X-Pulselane-Without-Address': z.string().openapi({
          description: 'How many workers are left out because they told no IP address or host name.',
        }),
      }),
    },
    400: jsonAnswer('A wrong parameter.', LegacyError, { error: 'port: expected a whole number from 1 to 65535' }),
  },
};

export function scrapeTargetRoutes(api: Api, { queries }: AppContext): void {
  api.openAPIRegistry.registerPath(DESCRIPTION);

  readOnly(api, PATH, async (c) => {
    const read = plainQuery(c, TargetsQuery);
    if ('mistake' in read) return errorJson(c, 400, read.mistake);
    const { query } = read;
    const { port = EXPORTER_PORT } = query;
    const { criteria } = selectionOf(query);
    try {
      const targets = await queries.targets({ criteria, port }, acceptsGzip(c.req.header('accept-encoding')));
      return sendBody(c, targets, { 'X-Pulselane-Without-Address': String(targets.withoutAddress) });
    } catch (error) {
      return errorJsonOf(c, error);
    }
  });
}
