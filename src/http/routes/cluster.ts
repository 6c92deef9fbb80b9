/** `GET /api/v1/cluster`: figures over the whole fleet. */
import { crc32 } from 'node:zlib';
import { createRoute } from '@hono/zod-openapi';
import { type AlertsStatus, alertTotals } from '../../model/alerts-status.ts';
import type { AnomalyFigures } from '../../store/master-figures.ts';
import { conditionalHeaders, notModified, weakTag } from '../answers/conditional.ts';
import { problemOf } from '../answers/problem.ts';
import { sendJson } from '../answers/respond.ts';
import { Cluster } from '../api/cluster-schema.ts';
import { type Api, endpoint } from '../api/endpoint.ts';
import { CLUSTER } from '../api/examples.ts';
import { holdsJson } from '../api/holds-schema.ts';
import { jsonAnswer, NOT_MODIFIED, problemAnswers, Tagged } from '../api/schemas.ts';
import { needs } from '../api/scopes.ts';
import type { AppContext } from '../context.ts';

const route = createRoute({
  method: 'get',
  path: '/api/v1/cluster',
  operationId: 'getCluster',
  tags: ['Fleet'],
  ...needs('read'),
  summary: 'Figures over the whole fleet',
  responses: {
    200: { ...jsonAnswer('The figures.', Cluster, CLUSTER), headers: Tagged },
    304: NOT_MODIFIED,
    ...problemAnswers('invalid_argument', 'resource_exhausted', 'unavailable'),
  },
});

export function clusterRoutes(api: Api, { directory, revisions, queries, live }: AppContext): void {
  endpoint(api, route, async (c) => {
    revisions.look();
    const revision = revisions.text;
    const { board } = directory;
    // Values that change without any worker changing.
    const besides = {
      per_second: board.heartbeatsPerS,
      total: board.heartbeats,
      holds: { grace: null, brakes: [], ...holdsJson(directory.holds) },
      anomalies: anomaliesJson(board.figures().anomalies),
      alerts: alertsJson(directory.alertsStatus),
      live_clients: live.clients,
    };
    const etag = weakTag(`${revision}-${crc32(JSON.stringify(besides)).toString(36)}`);
    const known = notModified(c, etag);
    if (known !== undefined) return known;
    try {
      const { heartbeats, ...figures } = await queries.cluster();
      const { total, per_second, holds, anomalies, alerts, live_clients } = besides;
      return sendJson(
        c,
        200,
        {
          ...figures,
          heartbeats: { total, per_second, ...heartbeats },
          ...holds,
          anomalies,
          alerts,
          live_clients,
          revision,
        },
        conditionalHeaders(etag),
      );
    } catch (error) {
      return problemOf(c, error);
    }
  });
}

function alertsJson(status: AlertsStatus | undefined) {
  const totals = alertTotals(status);
  if (totals === undefined) return null;
  return { firing: totals.firing, pending: totals.pending, firing_by_severity: totals.firingBySeverity };
}

function anomaliesJson({ scored, anomalous }: AnomalyFigures) {
  return scored === 0 ? null : { scored, anomalous, rate: anomalous / scored };
}
