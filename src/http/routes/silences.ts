/** `GET /api/v1/silences`, `POST /api/v1/silences`, `DELETE /api/v1/silences/{id}`: who is not told of which alerts, and until when. */
import { createRoute, z } from '@hono/zod-openapi';
import { messageOf, PulselaneError } from '../../lib/errors.ts';
import { silenceJson } from '../../model/alert-json.ts';
import { checkNewSilence } from '../../model/new-silence.ts';
import { SILENCE_STATES, silenceState } from '../../model/silence.ts';
import { problem } from '../answers/problem.ts';
import { sendJson } from '../answers/respond.ts';
import { carryOut, commandAnswers } from '../api/carry-out.ts';
import { type Api, endpoint } from '../api/endpoint.ts';
import { oneOf, query } from '../api/parameters.ts';
import { jsonAnswer, problemAnswers } from '../api/schemas.ts';
import { needs } from '../api/scopes.ts';
import { newSilenceOf, SILENCE_EXAMPLE, SilenceRequest, SilenceShape } from '../api/silence-schema.ts';
import type { AppContext } from '../context.ts';
import { alertsAreOff } from './alerts.ts';

const list = createRoute({
  method: 'get',
  path: '/api/v1/silences',
  operationId: 'listSilences',
  tags: ['Alerts'],
  ...needs('read'),
  summary: 'Silences',
  description: 'The newest first. Those that are over are listed for a while.',
  request: {
    query: query({
      state: oneOf(SILENCE_STATES).openapi({ description: 'Only those in this state.', example: 'active' }),
    }).partial(),
  },
  responses: {
    200: jsonAnswer('The silences.', z.object({ silences: z.array(SilenceShape) }), { silences: [SILENCE_EXAMPLE] }),
    ...problemAnswers('failed_precondition'),
  },
});

const create = createRoute({
  method: 'post',
  path: '/api/v1/silences',
  operationId: 'createSilence',
  tags: ['Alerts'],
  ...needs('operate'),
  summary: 'Silence alerts',
  description:
    'Receivers are not told of alerts that match all matchers, from `startsAt` to `endsAt`. The alerts stay listed, with the id of the silence. The silence is kept when the master restarts.',
  request: { body: { required: true, content: { 'application/json': { schema: SilenceRequest } } } },
  responses: {
    200: jsonAnswer('The silence is kept.', z.object({ silenceID: z.string(), message: z.string() }), {
      silenceID: SILENCE_EXAMPLE.id,
      message: 'Silenced until 2026-11-23T19:54:55Z.',
    }),
    ...problemAnswers('invalid_argument', 'not_found', 'failed_precondition', 'resource_exhausted'),
  },
});

const expire = createRoute({
  method: 'delete',
  path: '/api/v1/silences/{id}',
  operationId: 'expireSilence',
  tags: ['Alerts'],
  ...needs('operate'),
  summary: 'End a silence early',
  request: {
    params: z.object({
      id: z.string().openapi({
        param: { name: 'id', in: 'path' },
        description: 'The id of the silence.',
        example: SILENCE_EXAMPLE.id,
      }),
    }),
  },
  responses: commandAnswers('The silence is over.', 'not_found', 'failed_precondition'),
});

export function silenceRoutes(api: Api, context: AppContext): void {
  const { directory, hasAlerts, clock, command, refusals } = context;

  endpoint(api, list, (c) => {
    if (!hasAlerts) return alertsAreOff(c);
    const { state } = c.req.valid('query');
    const nowUnixMs = clock.wallMs();
    const silences = directory.silences
      .filter((silence) => state === undefined || silenceState(silence, nowUnixMs) === state)
      .toSorted((a, b) => b.updatedUnixMs - a.updatedUnixMs)
      .map((silence) => silenceJson(silence, nowUnixMs));
    return sendJson(c, 200, { silences });
  });

  endpoint(api, create, async (c) => {
    if (!hasAlerts) return alertsAreOff(c);
    const nowUnixMs = clock.wallMs();
    const silence = newSilenceOf(c.req.valid('json'), nowUnixMs);
    try {
      checkNewSilence(silence, nowUnixMs);
    } catch (error) {
      if (!(error instanceof PulselaneError)) throw error;
      return problem(c, error.code, messageOf(error));
    }
    const reply = await command({ type: 'alerts', asked: { type: 'silence', silence } });
    if (reply.reason !== undefined) refusals.count(reply.reason);
    if (!reply.ok) return problem(c, reply.code, reply.message);
    return sendJson(c, 200, { silenceID: reply.silenceId ?? '', message: reply.message });
  });

  endpoint(api, expire, (c) => {
    if (!hasAlerts) return alertsAreOff(c);
    const { id: silenceId } = c.req.valid('param');
    return carryOut(c, context, { type: 'alerts', asked: { type: 'expire-silence', silenceId } });
  });
}
