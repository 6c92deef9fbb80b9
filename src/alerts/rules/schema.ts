/**
 * The shape of a rule file: a public format. Each part is checked by itself, so that a mistake in one hides none in another.
 * Messages complete "found …; expected …".
 */
import { z } from 'zod';
import { durationMs, Expected } from '../../config/kinds.ts';
import { FOR_EACH } from '../../model/alert.ts';
import { MAX_EXPRESSION_LENGTH } from '../expression/parse.ts';
import { MAX_TEMPLATE_LENGTH } from '../expression/template.ts';

const DAY_MS = 86_400_000;

/** Rules that are the work of people; a thousand of them take a second an evaluation for 10,000 workers. */
export const MAX_RULES = 1_000;
const MAX_RECEIVERS = 200;
const MAX_INHIBITIONS = 200;
const MAX_MUTE_TIMES = 200;
/** Of one rule: Alertmanager and others show them all. */
const MAX_LABELS = 32;
const MAX_ANNOTATIONS = 32;
const MAX_NAME = 200;
const MAX_VALUE = 1_000;
const MAX_ROUTES = 200;

/** More often, an evaluation of a large fleet would not end before the next one. */
const MIN_INTERVAL_MS = 1_000;
const MAX_INTERVAL_MS = 3_600_000;
/** Longest time that anything here takes, except where a shorter one is named. */
const LONGEST_MS = 365 * DAY_MS;

const DURATION_PATTERN = /^(?:0|\d+(?:\.\d+)?(?:ms|s|m|h|d|w|y))$/;

/** `5m`, or 0. */
function duration(minMs = 0, maxMs = LONGEST_MS) {
  const error = 'expected a duration such as 500ms, 5s, 2m, 24h or 30d';
  const kind = durationMs({ minMs, maxMs });
  return z
    .union([z.string({ error }).regex(DURATION_PATTERN, { error }), z.literal(0, { error })], { error })
    .transform((given, context) => {
      try {
        return kind.parse(String(given));
      } catch (thrown) {
        if (!(thrown instanceof Expected)) throw thrown;
        context.addIssue({ code: 'custom', message: `expected ${thrown.message}` });
        return z.NEVER;
      }
    });
}

/** One line without control characters. */
function line(expected: string, maxLength = MAX_NAME) {
  const error = `expected ${expected}`;
  return z
    .string({ error })
    .min(1, { error })
    .max(maxLength, { error: `${error}, of at most ${maxLength} characters` })
    .regex(/^[^\p{Cc}\p{Zl}\p{Zp}\p{Surrogate}]*$/u, { error: `${error}, in one line without control characters` });
}

function listOf<T extends z.ZodType>(item: T, what: string, max: number) {
  return z.array(item, { error: `expected a list of ${what}` }).max(max, { error: `expected at most ${max} ${what}` });
}

function expression() {
  const error = 'expected an expression such as "cpu_usage > 90"';
  return z
    .string({ error })
    .max(MAX_EXPRESSION_LENGTH, { error: `expected at most ${MAX_EXPRESSION_LENGTH} characters` });
}

/** Scalars of YAML that people mean as texts: `severity: 1`, `team: true`. */
const labelValue = z
  .union([z.string(), z.number(), z.boolean()], { error: 'expected a text, such as "a"' })
  .transform(String)
  .pipe(
    z
      .string()
      .max(MAX_VALUE, { error: `expected at most ${MAX_VALUE} characters` })
      .regex(/^[^\p{Cc}\p{Surrogate}]*$/u, {
        error: 'expected a text without control characters',
      }),
  );

/** What Pulselane itself sets. */
export const OWN_LABELS: readonly string[] = ['alertname', 'severity', 'worker', 'group'];
export const OWN_ANNOTATIONS: readonly string[] = ['closed_because'];

const SEVERITY = 'a severity of letters and digits, such as page, warning or info';

/** By name, without limits on their number, which are checked apart. */
function byName<T extends z.ZodType>(value: T, what: string, example: string, max: number, own: readonly string[]) {
  return z
    .record(z.string(), value, { error: `expected ${what} by name, such as ${example}` })
    .superRefine((all, context) => {
      const issue = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
      const names = Object.keys(all as object);
      if (names.length > max) issue([], `expected at most ${max} ${what}`);
      for (const name of names) {
        if (own.includes(name)) issue([name], `expected another name: Pulselane itself sets ${name}`);
        else if (name === '' || name.length > MAX_NAME || /[\p{Cc}\p{Surrogate}\s"{}=~,]/u.test(name)) {
          issue([name], 'expected a name without spaces and punctuation, such as team');
        }
      }
    });
}

/** For objects with fixed fields. @param example completes "expected fields such as …" */
function expecting(example: string) {
  return {
    error: ({ code }: { readonly code?: string | undefined }) =>
      code === 'invalid_type' ? `expected fields such as ${example}` : undefined,
  };
}

export const ruleSchema = z.strictObject(
  {
    alert: line('the name of the alert, such as Hot').describe(
      'Name of the rule; unique. It is the label `alertname`.',
    ),
    for_each: z
      .enum(FOR_EACH, { error: 'expected worker, group or cluster' })
      .default('worker')
      .describe('What the condition is evaluated for.'),
    when: expression().describe('Condition in CEL.'),
    clear_when: expression()
      .optional()
      .describe('If set, a firing alert is over when this condition holds, instead of when `when` no longer does.'),
    for: duration().default(0).describe('How long the condition must hold before the alert fires.'),
    keep_firing_for: duration().default(0).describe('How long it keeps firing after the condition ended.'),
    no_data_after: duration(1_000)
      .optional()
      .describe('How long an alert without values keeps firing. Default: RETENTION.'),
    severity: z
      .string({ error: `expected ${SEVERITY}` })
      .regex(/^[A-Za-z0-9_.-]{1,64}$/, { error: `expected ${SEVERITY}` })
      .default('warning')
      .describe('Label `severity`; routes and receivers use it.'),
    labels: byName(labelValue, 'labels', '{ team: render }', MAX_LABELS, OWN_LABELS)
      .default({})
      .describe('Further labels of the alert. They are a part of its identity and take no templates.'),
    annotations: byName(
      z.string({ error: 'expected a text, in quotation marks if it begins with {{' }).max(MAX_TEMPLATE_LENGTH, {
        error: `expected at most ${MAX_TEMPLATE_LENGTH} characters`,
      }),
      'annotations',
      '{ summary: "{{ worker_id }} is hot" }',
      MAX_ANNOTATIONS,
      OWN_ANNOTATIONS,
    )
      .default({})
      .describe('Texts for people, with expressions in {{ … }}.'),
    runbook_url: line('a URL such as https://example.org/runbooks/hot', 2_000)
      .regex(/^https?:\/\/[^\s]+$/i, { error: 'expected a URL such as https://example.org/runbooks/hot' })
      .optional()
      .describe('Where people read what to do.'),
  },
  expecting('{ alert: Hot, when: "cpu_usage > 90" }'),
);
export type RuleFields = z.output<typeof ruleSchema>;

const matchers = z
  .union([z.record(z.string(), labelValue), z.string(), z.array(z.string(), { error: 'expected matchers' })], {
    error:
      'expected labels such as { severity: page }, or matchers such as [\'severity="page"\', \'worker=~"rack-7-.*"\']',
  })
  .describe('Labels with their values, or a list of matchers: name="value", !=, =~ (pattern for the whole value), !~.');
export type MatchFields = z.output<typeof matchers>;

const LABEL_NAMES = 'names of labels';
const label = line('the name of a label, such as alertname');

export const routeSchema = z.strictObject(
  {
    receiver: line('the name of a receiver').optional().describe('Default: that of the route around it.'),
    group_by: listOf(label, LABEL_NAMES, 32)
      .optional()
      .describe(
        'Alerts with equal values of these labels are sent together; ["..."]: all labels. Default: [alertname].',
      ),
    group_wait: duration(0, DAY_MS).optional().describe('Wait for further alerts of a new group. Default: 2s.'),
    group_interval: duration(1_000, DAY_MS)
      .optional()
      .describe('Least time between two notifications of a group. Default: 5s.'),
    repeat_interval: duration(1_000)
      .optional()
      .describe('After this time, a group that still fires is sent again. Default: 4h.'),
    match: matchers.optional().describe('Which alerts take this route; all of it must match. Not in the first route.'),
    matchers: matchers.optional().describe('The same as `match`, as in Alertmanager.'),
    mute_times: listOf(line('the name of a mute time'), 'names of mute times', 32)
      .optional()
      .describe('Nothing is sent during these.'),
    continue: z
      .boolean({ error: 'expected true or false' })
      .optional()
      .describe('Go on with the next route after this one.'),
    get routes() {
      return z
        .array(routeSchema, { error: 'expected a list of routes' })
        .max(MAX_ROUTES, { error: `expected at most ${MAX_ROUTES} routes` })
        .optional()
        .describe('Tried in order; the first one that matches takes the alert.');
    },
  },
  expecting('{ receiver: hook }'),
);
export type RouteFields = z.output<typeof routeSchema>;

export const inhibitionSchema = z.strictObject(
  {
    source: matchers.optional().describe('While an alert that matches this fires …'),
    target: matchers.optional().describe('… those that match this are not sent …'),
    equal: listOf(label, LABEL_NAMES, 32).default([]).describe('… if the values of these labels are equal.'),
    source_matchers: matchers.optional().describe('The same as `source`, as in Alertmanager.'),
    target_matchers: matchers.optional().describe('The same as `target`, as in Alertmanager.'),
  },
  expecting('{ source: { severity: page }, target: { severity: warning }, equal: [worker] }'),
);

/** A day, or two with a colon between them. */
const RANGES = {
  times: {
    pattern: /^(?:[01]\d|2[0-4]):[0-5]\d\s*-\s*(?:[01]\d|2[0-4]):[0-5]\d$/,
    expected: 'times such as "22:00-24:00"',
  },
  weekdays: { pattern: /^[a-z]+(?:\s*:\s*[a-z]+)?$/i, expected: 'days such as saturday or monday:friday' },
  days_of_month: {
    pattern: /^-?\d{1,2}(?:\s*:\s*-?\d{1,2})?$/,
    expected: 'days such as 1, "1:7" or -1 for the last one',
  },
  months: {
    pattern: /^(?:[a-z]+|\d{1,2})(?:\s*:\s*(?:[a-z]+|\d{1,2}))?$/i,
    expected: 'months such as december or "1:3"',
  },
  years: { pattern: /^\d{4}(?:\s*:\s*\d{4})?$/, expected: 'years such as 2027 or "2027:2029"' },
} as const;

function ranges(name: keyof typeof RANGES) {
  const { pattern, expected } = RANGES[name];
  const error = `expected ${expected}`;
  const one = z
    .union([z.string({ error }), z.int({ error })], { error })
    .transform(String)
    .pipe(z.string().regex(pattern, { error }));
  return z.preprocess(
    (value) => (typeof value === 'string' || typeof value === 'number' ? [value] : value),
    z
      .array(one, { error: `expected a list of ${expected}` })
      .min(1, { error })
      .max(100, { error: `expected at most 100 ${name}` }),
  );
}

export const muteTimeSchema = z.strictObject(
  {
    name: line('the name of the mute time, such as nights'),
    time_zone: line('a time zone such as Europe/Berlin').optional().describe('Default: TIME_ZONE.'),
    intervals: z
      .array(
        z.strictObject(
          {
            times: ranges('times').optional(),
            weekdays: ranges('weekdays').optional(),
            days_of_month: ranges('days_of_month').optional(),
            months: ranges('months').optional(),
            years: ranges('years').optional(),
          },
          '{ times: "22:00-24:00" }',
        ),
        { error: 'expected a list such as [{ times: "22:00-24:00", weekdays: "monday:friday" }]' },
      )
      .min(1, { error: 'expected at least one interval' })
      .max(100, { error: 'expected at most 100 intervals' })
      .describe('Muted if one of them holds, which it does if each of its fields does.'),
  },
  expecting('{ name: nights, intervals: [{ times: "22:00-24:00" }] }'),
);
export type MuteTimeFields = z.output<typeof muteTimeSchema>;

/** Lists of a rule file: what the items are, and how many there may be. */
export const LISTS = {
  receivers: { what: 'receivers', max: MAX_RECEIVERS },
  inhibit: { what: 'inhibitions', max: MAX_INHIBITIONS },
  mute_times: { what: 'mute times', max: MAX_MUTE_TIMES },
  rules: { what: 'rules', max: MAX_RULES },
} as const;

/** A list whose items are checked one by one, later. */
function items(name: keyof typeof LISTS) {
  const { what, max } = LISTS[name];
  return listOf(z.unknown(), what, max)
    .nullish()
    .transform((list) => list ?? []);
}

export const fileSchema = z.strictObject(
  {
    evaluation_interval: duration(MIN_INTERVAL_MS, MAX_INTERVAL_MS)
      .default(5_000)
      .describe('How often rules are evaluated. A `for` that ends earlier is evaluated when it ends.'),
    receivers: items('receivers'),
    route: z.unknown().optional(),
    inhibit: items('inhibit'),
    shipped_inhibitions: z
      .boolean({ error: 'expected true or false' })
      .default(true)
      .describe('Whether the shipped inhibitions are active: a worker that died makes one alert.'),
    mute_times: items('mute_times'),
    disable: listOf(line('the name of a shipped rule'), 'names of shipped rules', 100)
      .nullish()
      .transform((list) => list ?? []),
    rules: items('rules'),
  },
  expecting('receivers, route and rules'),
);
