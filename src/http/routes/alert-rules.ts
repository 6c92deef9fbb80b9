/**
 * `GET /api/v1/rules`: alerting rules and receivers. `POST /api/v1/rules/reload`: reads the rule file again.
 * `POST /api/v1/receivers/{name}/test`: sends a marked trial.
 */
import { createRoute, z } from '@hono/zod-openapi';
import { rulesJson } from '../../model/alert-json.ts';
import { problem } from '../answers/problem.ts';
import { sendJson } from '../answers/respond.ts';
import { RULES_EXAMPLE, Rules, Trials } from '../api/alert-rules-schema.ts';
import { commandAnswers } from '../api/carry-out.ts';
import { type Api, endpoint, workerIdIn } from '../api/endpoint.ts';
import { oneOf, query } from '../api/parameters.ts';
import { jsonAnswer, problemAnswers } from '../api/schemas.ts';
import { needs } from '../api/scopes.ts';
import type { AppContext } from '../context.ts';
import { alertsAreOff } from './alerts.ts';

const RECEIVERS = '/api/v1/receivers/';

const list = createRoute({
  method: 'get',
  path: '/api/v1/rules',
  operationId: 'listAlertRules',
  tags: ['Alerts'],
  ...needs('read'),
  summary: 'Alerting rules, and whether receivers get their notifications',
  responses: {
    200: jsonAnswer('All rules, the shipped ones first, and all receivers.', Rules, RULES_EXAMPLE),
    ...problemAnswers('failed_precondition'),
  },
});

const reload = createRoute({
  method: 'post',
  path: '/api/v1/rules/reload',
  operationId: 'reloadAlertRules',
  tags: ['Alerts'],
  ...needs('operate'),
  summary: 'Read the rule file again',
  description:
    'As SIGHUP does. A file with problems changes nothing: the answer lists all of them with line and column. Alerts of rules that did not change stay as they are.',
  responses: commandAnswers('14 rules are active', 'invalid_rules', 'failed_precondition'),
});

const test = createRoute({
  method: 'post',
  path: `${RECEIVERS}{name}/test`,
  operationId: 'testAlertReceiver',
  tags: ['Alerts'],
  ...needs('operate'),
  summary: 'Send a trial to a receiver',
  description:
    'Sends an alert that is marked as a trial to each target of the receiver, then its end, and says what became of it.',
  request: {
    params: z.object({
      name: z.string().openapi({
        param: { name: 'name', in: 'path' },
        description: 'The name of the receiver, percent-encoded.',
        example: 'hook',
      }),
    }),
    query: query({
      firing_only: oneOf(['true', 'false'])
        .optional()
        .openapi({ description: 'true: the end of the trial is not sent.' }),
    }),
  },
  responses: {
    200: jsonAnswer('What each target made of it.', Trials, {
      message: 'The trial was sent to hook.',
      trials: [{ kind: 'webhook', sent: true, detail: '' }],
    }),
    ...problemAnswers('invalid_argument', 'not_found', 'failed_precondition'),
  },
});

export function alertRuleRoutes(api: Api, { directory, hasAlerts, command, refusals }: AppContext): void {
  endpoint(api, list, (c) =>
    hasAlerts ? sendJson(c, 200, rulesJson(directory.loadedRules, directory.alertsStatus)) : alertsAreOff(c),
  );

  endpoint(api, reload, async (c) => {
    if (!hasAlerts) return alertsAreOff(c);
    const reply = await command({ type: 'alerts', asked: { type: 'reload-rules' } });
    if (reply.reason !== undefined) refusals.count(reply.reason);
    if (reply.ok) return sendJson(c, 200, { message: reply.message });
    const name = directory.loadedRules?.path ?? 'ALERT_RULES';
    const errors = reply.problems?.map(({ message, ...place }) => ({ in: 'file', name, detail: message, ...place }));
    return problem(c, reply.code, reply.message, errors === undefined ? {} : { errors });
  });

  endpoint(api, test, async (c) => {
    if (!hasAlerts) return alertsAreOff(c);
    const receiver = workerIdIn(c, RECEIVERS, '/test');
    if (receiver === undefined) {
      return problem(c, 'invalid_argument', 'name: expected percent-encoded UTF-8');
    }
    const only = c.req.valid('query').firing_only === 'true' ? { isFiringOnly: true } : {};
    const reply = await command({ type: 'alerts', asked: { type: 'test-receiver', receiver, ...only } });
    if (reply.reason !== undefined) refusals.count(reply.reason);
    if (!reply.ok) return problem(c, reply.code, reply.message);
    const trials = (reply.trials ?? []).map(({ kind, isSent, detail }) => ({ kind, sent: isSent, detail }));
    return sendJson(c, 200, { message: reply.message, trials });
  });
}
