/** The schema of alerting rules and of the receivers of alerts. */
import { z } from '@hono/zod-openapi';
import { ALERT_STATES, FOR_EACH } from '../../model/alert.ts';
import { GIVEN_UP_BECAUSE } from '../../model/dead-letter.ts';
import { AlertsProblems } from './alert-schema.ts';
import { moment } from './schemas.ts';

const Texts = z.record(z.string(), z.string());

const Rule = z
  .object({
    alert: z.string().openapi({ description: 'Its name.' }),
    for_each: z.enum(FOR_EACH),
    when: z.string(),
    clear_when: z.string().nullable(),
    for_ms: z.number(),
    keep_firing_for_ms: z.number(),
    no_data_after_ms: z.number().nullable().openapi({ description: 'Null: RETENTION.' }),
    severity: z.string(),
    labels: Texts,
    annotations: Texts.openapi({ description: 'As written, with `{{ … }}`.' }),
    runbook_url: z.string().nullable(),
    shipped: z.boolean(),
    disabled: z.boolean().openapi({ description: 'A shipped rule that the file switches off.' }),
    line: z.int().nullable().openapi({ description: 'In the rule file; null: the rule is shipped.' }),
    column: z.int().nullable(),
    evaluated_at: moment('The last evaluation; null: none yet.').nullable(),
    evaluation_ms: z.number().nullable().openapi({ description: 'How long it took.' }),
    holding: z.int().openapi({ description: 'Subjects for which `when` held at the last evaluation.' }),
    left_out: z.int().openapi({ description: 'Those of them that have no alert because there are too many.' }),
    pending: z.int(),
    firing: z.int(),
    errors: z.int().openapi({ description: 'Evaluations that failed since the rule was loaded.' }),
    last_error: z.object({ at: moment('When.'), message: z.string() }).nullable(),
    problem: z
      .object({ detail: z.string(), since: moment('Since when.') })
      .nullable()
      .openapi({ description: 'It fails in every evaluation, or no subject has ever had its values; null: neither.' }),
  })
  .openapi('AlertRule');

const Target = z
  .object({
    kind: z.string(),
    sent: z.int().openapi({ description: 'Notifications. Counts start at zero with the master.' }),
    failed_attempts: z.int(),
    queued: z.int().openapi({ description: 'Notifications that wait on disk.' }),
    oldest_queued_at: moment('Since when the oldest of them waits; null: none waits.').nullable(),
    dead_letters: z.int().openapi({ description: 'Notifications that could not be delivered.' }),
    last_sent_at: moment('When the receiver last accepted a notification; null: never.').nullable(),
    last_error: z.object({ at: moment('When.'), detail: z.string() }).nullable(),
  })
  .openapi('AlertTarget');

const DeadLetter = z
  .object({
    receiver: z.string(),
    kind: z.string(),
    group_key: z.string(),
    dedup_key: z.string(),
    alerts: z
      .array(z.object({ id: z.string(), alert: z.string(), subject: z.string(), state: z.enum(ALERT_STATES) }))
      .openapi({ description: 'The first of them.' }),
    alert_count: z.int(),
    created_at: moment('When it was planned.'),
    given_up_at: moment('When.'),
    because: z.enum(GIVEN_UP_BECAUSE).openapi({
      description:
        '`refused`: the receiver will never take it. `too_old`: not delivered for hours. `attempts`: tried too often. `queue_full`: too much waits for the receiver. `receiver_gone`: the rules no longer have it.',
    }),
    detail: z.string().openapi({ description: 'The last error.' }),
    attempts: z.int(),
  })
  .openapi('AlertDeadLetter', { description: 'A notification that was given up: nobody got it.' });

export const Rules = z
  .object({
    path: z.string().nullable().openapi({ description: 'ALERT_RULES; null: only the shipped rules.' }),
    loaded_at: moment('When these rules were loaded; null: none are yet.').nullable(),
    last_load: z
      .object({
        at: moment('When.'),
        problems: z.array(z.object({ message: z.string(), line: z.int().optional(), column: z.int().optional() })),
      })
      .nullable()
      .openapi({
        description: 'The last attempt to load the rule file. If it has problems, the rules loaded before stay.',
      }),
    evaluation_interval_ms: z.number().nullable(),
    evaluated_at: moment('The last evaluation; null: none yet.').nullable(),
    evaluation_ms: z.number().nullable().openapi({ description: 'How long it took, over all rules.' }),
    evaluations: z.int(),
    skipped_evaluations: z.int().openapi({ description: 'Left out because the one before took too long.' }),
    problems: AlertsProblems,
    rules: z.array(Rule),
    receivers: z.array(z.object({ name: z.string(), targets: z.array(Target) }).openapi('AlertReceiver')),
    mute_times: z.array(z.string()),
    last_dead_letters: z.array(DeadLetter).openapi({ description: 'The newest first, at most 20.' }),
    max_queued: z.int().nullable().openapi({ description: 'The most notifications that wait on disk.' }),
  })
  .openapi('AlertRules');

export const RULES_EXAMPLE: z.input<typeof Rules> = {
  path: '/etc/pulselane/alerts.yaml',
  loaded_at: '2026-11-23T17:00:00.000Z',
  last_load: { at: '2026-11-23T17:00:00.000Z', problems: [] },
  evaluation_interval_ms: 5000,
  evaluated_at: '2026-11-23T17:54:55.000Z',
  evaluation_ms: 3.1,
  evaluations: 659,
  skipped_evaluations: 0,
  problems: [],
  rules: [
    {
      alert: 'Hot',
      for_each: 'worker',
      when: 'cpu_usage > 90.0',
      clear_when: 'cpu_usage < 80.0',
      for_ms: 60_000,
      keep_firing_for_ms: 0,
      no_data_after_ms: null,
      severity: 'page',
      labels: { team: 'render' },
      annotations: { summary: '{{ worker_id }} is hot' },
      runbook_url: null,
      shipped: false,
      disabled: false,
      line: 6,
      column: 5,
      evaluated_at: '2026-11-23T17:54:55.000Z',
      evaluation_ms: 0.4,
      holding: 1,
      left_out: 0,
      pending: 0,
      firing: 1,
      errors: 0,
      last_error: null,
      problem: null,
    },
  ],
  receivers: [
    {
      name: 'hook',
      targets: [
        {
          kind: 'webhook',
          sent: 12,
          failed_attempts: 1,
          queued: 0,
          oldest_queued_at: null,
          dead_letters: 0,
          last_sent_at: '2026-11-23T17:54:57.000Z',
          last_error: { at: '2026-11-23T16:02:11.000Z', detail: 'no answer within 10 s' },
        },
      ],
    },
  ],
  mute_times: ['nights'],
  last_dead_letters: [
    {
      receiver: 'hook',
      kind: 'webhook',
      group_key: '{}:{alertname="Hot"}',
      dedup_key: '7a1c0d3c2f7b4e55a6f1c9d08b3e2a41',
      alerts: [{ id: '3f0c7a9d21e58b64', alert: 'Hot', subject: 'render-7', state: 'firing' }],
      alert_count: 1,
      created_at: '2026-11-23T16:02:01.000Z',
      given_up_at: '2026-11-23T16:02:11.000Z',
      because: 'refused',
      detail: '403 Forbidden',
      attempts: 1,
    },
  ],
  max_queued: 5000,
};

export const Trials = z.object({
  message: z.string(),
  trials: z.array(
    z
      .object({
        kind: z.string(),
        sent: z.boolean(),
        detail: z.string().openapi({ description: 'Why it was not sent; empty if it was.' }),
      })
      .openapi('AlertTrial'),
  ),
});
