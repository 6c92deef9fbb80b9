/** The schema of alerts. */
import { z } from '@hono/zod-openapi';
import { ALERT_STATES, CLOSED_BECAUSE, FOR_EACH } from '../../model/alert.ts';
import { ALERTS_PROBLEMS } from '../../model/alerts-status.ts';
import { moment } from './schemas.ts';

const Texts = z.record(z.string(), z.string());
const State = z.enum([...ALERT_STATES, 'inactive']);
const ClosedBecause = z.enum(CLOSED_BECAUSE).nullable();

const Values = z
  .object({
    at: moment('When these were the values.'),
    parts: z
      .array(
        z.object({
          text: z.string(),
          value: z
            .union([z.number(), z.string(), z.boolean()])
            .nullable()
            .openapi({ description: 'Null: the subject lacks it.' }),
        }),
      )
      .openapi({ description: 'The parts of the expression, in the order of its text.' }),
  })
  .openapi('AlertValues');

export const AlertShape = z
  .object({
    id: z.string().openapi({ description: 'The same for a rule and its subject, also after a restart.' }),
    alert: z.string().openapi({ description: 'The name of the rule; also the label `alertname`.' }),
    state: z.enum(ALERT_STATES).openapi({
      description:
        '`pending`: the condition holds, but not yet for as long as the rule asks. `firing`: it holds, or has held and is not over. `resolved`: it is over; shown for a while.',
    }),
    severity: z.string(),
    subject: z
      .object({ kind: z.enum(FOR_EACH), name: z.string() })
      .openapi({ description: 'A worker by id, a group by name (empty: workers without a group), or the cluster.' }),
    labels: Texts,
    annotations: Texts,
    runbook_url: z.string().nullable(),
    pending_since: moment('When the condition began to hold.'),
    firing_since: moment('When it began to fire; null: it has not.').nullable(),
    resolved_at: moment('When it was over; null: it is not.').nullable(),
    closed_because: ClosedBecause.openapi({
      description:
        '`recovered`: the values say so. `worker_removed`: the worker was forgotten or unregistered. `no_data`: there were no values for long. `rule_changed`: the rule was changed, removed or disabled.',
    }),
    no_data_since: moment('Since when it fires without values; null: it has values.').nullable(),
    flapping: z
      .boolean()
      .openapi({ description: 'It fires and resolves again and again; receivers are told once, until it is quiet.' }),
    why: z.object({
      expression: z.string(),
      pending: Values.nullable().openapi({ description: 'The values when the condition began to hold.' }),
      firing: Values.nullable().openapi({ description: 'The values when it began to fire.' }),
      now: Values.nullable().openapi({ description: 'The values at the last evaluation.' }),
      transitions: z
        .array(z.object({ at: moment('When.'), from: State, to: State, closed_because: ClosedBecause }))
        .openapi({ description: 'The last ones, oldest first.' }),
    }),
    silenced_by: z.array(z.string()).openapi({ description: 'Ids of silences. While there is one, nothing is sent.' }),
    inhibited_by: z.array(z.string()).openapi({ description: 'Ids of alerts that make this one redundant.' }),
    muted_by: z.array(z.string()).openapi({ description: 'Names of mute times.' }),
    link: z.string().openapi({ description: 'The page of its subject; empty: PUBLIC_URL is unset and HTTP is off.' }),
  })
  .openapi('Alert');

export const AlertsProblems = z
  .array(
    z
      .object({
        code: z.enum(ALERTS_PROBLEMS),
        detail: z.string(),
        since: moment('Since when.'),
        rule: z.string().nullable().openapi({ description: 'Of `rule`: its name; null: several rules.' }),
      })
      .openapi('AlertsProblem'),
  )
  .openapi({
    description:
      '`rules_file`: the rule file has problems, and the rules loaded before stay. `store`: alerts.db cannot be written; states go on in memory. `slow`: evaluations take longer than their interval. `rule`: a rule fails in every evaluation, or no subject has ever had its values. `receivers`: a receiver has got nothing for minutes. `thread`: the alerts thread does not answer.',
  });

export const ALERT_EXAMPLE: z.input<typeof AlertShape> = {
  id: '3f0c7a9d21e58b64',
  alert: 'WorkerInactive',
  state: 'firing',
  severity: 'page',
  subject: { kind: 'worker', name: 'worker-1' },
  labels: { alertname: 'WorkerInactive', severity: 'page', worker: 'worker-1' },
  annotations: { summary: 'worker-1 is inactive' },
  runbook_url: null,
  pending_since: '2026-11-23T17:54:25.000Z',
  firing_since: '2026-11-23T17:54:55.000Z',
  resolved_at: null,
  closed_because: null,
  no_data_since: null,
  flapping: false,
  why: {
    expression: 'state == "inactive"',
    pending: { at: '2026-11-23T17:54:25.000Z', parts: [{ text: 'state', value: 'inactive' }] },
    firing: { at: '2026-11-23T17:54:55.000Z', parts: [{ text: 'state', value: 'inactive' }] },
    now: { at: '2026-11-23T17:55:10.000Z', parts: [{ text: 'state', value: 'inactive' }] },
    transitions: [
      { at: '2026-11-23T17:54:25.000Z', from: 'inactive', to: 'pending', closed_because: null },
      { at: '2026-11-23T17:54:55.000Z', from: 'pending', to: 'firing', closed_because: null },
    ],
  },
  silenced_by: [],
  inhibited_by: [],
  muted_by: [],
  link: 'http://127.0.0.1:8080/#/workers/worker-1?from=1795454665000&to=1795458295000',
};
