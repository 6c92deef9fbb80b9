import { describe, expect, it } from 'vitest';
import { inhibited, inhibitorOf } from '../../../src/alerts/notify/inhibition.ts';
import { parseRules } from '../../../src/alerts/rules/parse-rules.ts';
import { shippedRules } from '../../../src/alerts/rules/shipped.ts';

/** The file of the documentation. */
const ISSUE = `receivers: [{ name: hook, webhook: { url: "http://127.0.0.1:9000/" } }]
route: { receiver: hook, group_by: [alertname], group_wait: 2s, group_interval: 5s, repeat_interval: 4h }
evaluation_interval: 5s
inhibit: []
rules:
  - { alert: Hot, for_each: worker, when: "cpu_usage > 90.0", for: 1s, severity: page, annotations: { summary: "{{ worker_id }} is hot" } }
`;

const parse = (text: string | undefined, files: Record<string, string> = {}) =>
  parseRules(text, {
    path: text === undefined ? undefined : '/etc/pulselane/rules.yaml',
    allowsCommands: false,
    readFile: (path) => {
      if (files[path] === undefined) throw Object.assign(new Error(), { code: 'ENOENT' });
      return files[path];
    },
  });

const rulesOf = (text: string | undefined, files?: Record<string, string>) => {
  const { rules, problems } = parse(text, files);
  expect(problems).toBeUndefined();
  if (rules === undefined) throw new Error('problems');
  return rules;
};

/** `line:column message` of each problem. */
const problemsOf = (text: string, files?: Record<string, string>) =>
  (parse(text, files).problems ?? []).map(({ line, column, message }) => `${line}:${column} ${message}`);

describe('a rule file', () => {
  it('has the shape of the documentation', () => {
    const rules = rulesOf(ISSUE);
    expect(rules.evaluationIntervalMs).toBe(5_000);
    expect(rules.receivers.map(({ name, targets }) => [name, targets.map(({ kind }) => kind)])).toEqual([
      ['hook', ['webhook']],
      ['log', ['log']],
    ]);
    expect(rules.route).toEqual({
      receiver: 'hook',
      groupBy: ['alertname'],
      groupWaitMs: 2_000,
      groupIntervalMs: 5_000,
      repeatIntervalMs: 14_400_000,
      match: [],
      muteTimes: [],
      continues: false,
      routes: [],
    });
    const hot = rules.rules.at(-1);
    expect(hot).toMatchObject({
      name: 'Hot',
      forEach: 'worker',
      forMs: 1_000,
      keepFiringForMs: 0,
      severity: 'page',
      isShipped: false,
      place: { line: 6, column: 5 },
    });
    expect(hot?.when.place).toEqual({ line: 6, column: 44 });
    expect(rules.rules).toHaveLength(shippedRules().length + 1);
    expect(rules.inhibitions).toHaveLength(rulesOf(undefined).inhibitions.length);
  });

  it('adds inhibitions that keep nothing silent that somebody waits for, unless the file says no', () => {
    const own = `
  - { alert: DatabaseDown, when: 'state == "inactive"', severity: warning }
  - { alert: TooHot, when: cpu_usage > 99, severity: page }
  - { alert: TooBusy, when: cpu_usage > 90, severity: warning }`;
    const { inhibitions } = rulesOf(`rules:${own}`);
    const silent = (source: string, ...targets: string[]) => {
      const named = (alertname: string) => ({ id: alertname, labels: { alertname, worker: 'a', group: 'g' } });
      const [from, ...others] = [source, ...targets].map(named);
      if (from === undefined) throw new Error('there is no source');
      const firing = source.startsWith('Group')
        ? [{ ...from, labels: { ...from.labels, worker: '' } }, ...others]
        : [from, ...others];
      return [...inhibited(inhibitions.map(inhibitorOf), firing).keys()];
    };
    const all = ['WorkerFlapping', 'WorkerStuck', 'StorageFullSoon', 'DatabaseDown', 'TooHot', 'TooBusy'];
    expect(silent('WorkerInactive', ...all.slice(1))).toEqual(['WorkerStuck', 'StorageFullSoon', 'TooBusy']);
    expect(silent('WorkerFlapping', 'WorkerInactive', 'TooHot')).toEqual(['WorkerInactive']);
    expect(silent('GroupMostlySilent', 'WorkerInactive', 'TooBusy', 'TooHot').sort()).toEqual([
      'TooBusy',
      'WorkerInactive',
    ]);
    expect(silent('GroupMostlySilent', 'TooBusy', 'MemoryNearLimit')).toEqual([]);
    expect(silent('LaneQuarantined', 'HeartbeatsDropped', 'WorkerStuck', 'TooHot')).toEqual([
      'HeartbeatsDropped',
      'WorkerStuck',
    ]);
    expect(rulesOf(`shipped_inhibitions: false\nrules:${own}`).inhibitions).toEqual([]);
    expect(rulesOf('disable: [WorkerInactive]').inhibitions).toHaveLength(inhibitions.length - 1);
    expect(problemsOf('shipped_inhibitions: off').join()).toContain('expected true or false');
  });

  it('needs nothing: the shipped rules write to the log', () => {
    expect(rulesOf(undefined).route.receiver).toBe('log');
    expect(rulesOf('rules: []').route.receiver).toBe('log');
    expect(rulesOf('rules:').rules.every(({ isShipped }) => isShipped)).toBe(true);
  });

  it('uses the one receiver that it defines', () => {
    expect(rulesOf('receivers: [{ name: hook, webhook: { url: "http://127.0.0.1:9000/" } }]').route.receiver).toBe(
      'hook',
    );
  });

  it('takes routes, mute times, inhibitions and names of shipped rules', () => {
    const rules = rulesOf(
      `
receivers:
  - { name: chat, slack: { url_file: slack } }
  - { name: pager, webhook: [{ url: "http://127.0.0.1:1/" }, { url: "http://127.0.0.1:2/", send_resolved: false }], log: }
route:
  receiver: chat
  group_by: [alertname, group]
  routes:
    - { match: { severity: page }, receiver: pager, group_wait: 0, continue: true }
    - match: ['severity=~"warn.*"', 'team!="x"']
      mute_times: [nights]
mute_times:
  - name: nights
    time_zone: Europe/Berlin
    intervals:
      - { times: ["22:00-24:00", "00:00-06:00"], weekdays: "monday:friday", days_of_month: [1, "-3:-1"], months: [december, "1:2"], years: 2027 }
inhibit:
  - { source: { alertname: Dead }, target: { severity: info }, equal: [worker] }
disable: [ClockSkew, Anomaly]
rules:
  - alert: Dead
    when: state == "inactive"
    labels: { team: 7 }
    no_data_after: 1h
`,
      { '/etc/pulselane/slack': 'https://hooks.slack.example/services/T/B/x\n' },
    );
    expect(rules.route.routes).toMatchObject([
      {
        receiver: 'pager',
        groupBy: ['alertname', 'group'],
        groupWaitMs: 0,
        groupIntervalMs: 5_000,
        continues: true,
        match: [{ name: 'severity', value: 'page', isRegex: false, isEqual: true }],
      },
      {
        receiver: 'chat',
        muteTimes: ['nights'],
        match: [
          { name: 'severity', value: 'warn.*', isRegex: true, isEqual: true },
          { name: 'team', value: 'x', isRegex: false, isEqual: false },
        ],
      },
    ]);
    expect(rules.receivers[1]?.targets.map(({ kind, sendsResolved }) => [kind, sendsResolved])).toEqual([
      ['webhook', true],
      ['webhook', false],
      ['log', true],
    ]);
    expect(rules.muteTimes[0]?.intervals).toEqual([
      {
        times: [
          { from: 1320, to: 1440 },
          { from: 0, to: 360 },
        ],
        weekdays: [{ from: 1, to: 5 }],
        daysOfMonth: [
          { from: 1, to: 1 },
          { from: -3, to: -1 },
        ],
        months: [
          { from: 12, to: 12 },
          { from: 1, to: 2 },
        ],
        years: [{ from: 2027, to: 2027 }],
      },
    ]);
    expect(rules.disabled).toEqual(['ClockSkew', 'Anomaly']);
    expect(rules.rules.map(({ name }) => name)).not.toContain('ClockSkew');
    expect(rules.rules.at(-1)).toMatchObject({
      name: 'Dead',
      labels: { team: '7' },
      noDataAfterMs: 3_600_000,
      severity: 'warning',
    });
  });

  it('replaces a shipped rule that it disables', () => {
    const { rules } = rulesOf('disable: [ClockSkew]\nrules: [{ alert: ClockSkew, when: "skew_ms > 50" }]');
    expect(rules.filter(({ name }) => name === 'ClockSkew')).toMatchObject([{ isShipped: false }]);
  });

  it('gives a rule another digest only if its condition or its identity changes', () => {
    const digest = (rule: string) => rulesOf(`rules: [{ alert: A, ${rule} }]`).rules.at(-1)?.digest;
    const first = digest('when: "cpu_usage > 90"');
    expect(digest('when: " (cpu_usage   >  90) "')).toBe(first);
    expect(digest('when: "cpu_usage > 90", for: 5m, annotations: { summary: x }')).toBe(first);
    for (const other of [
      'when: "cpu_usage > 91"',
      'when: "cpu_usage > 90", severity: page',
      'when: "cpu_usage > 90", labels: { a: b }',
    ]) {
      expect(digest(other)).not.toBe(first);
    }
  });

  it('takes anchors and merges', () => {
    const { rules } = rulesOf(`
rules:
  - &base { alert: A, when: "cpu_usage > 90", severity: page }
  - { <<: *base, alert: B }
`);
    expect(rules.slice(-2).map(({ name, severity }) => [name, severity])).toEqual([
      ['A', 'page'],
      ['B', 'page'],
    ]);
  });
});

describe('problems of a rule file', () => {
  it('are all named at once, in the order of the file', () => {
    const problems = problemsOf(`receivers:
  - { name: hook, webhoook: { url: "http://127.0.0.1:9000/" } }
  - { name: chat, slack: { url_file: missing } }
  - { name: pager, pagerduty: { routing_key: short } }
  - { name: nowhere }
route:
  receiver: hok
  group_wait: 2
  routes:
    - { receiver: pager }
    - { match: "severity", mute_times: [night] }
evaluation_interval: 5
inhibit:
  - { source: {}, target: { severity: info } }
mute_times:
  - { name: nights, intervals: [{ times: "22:00-06:00" }, {}] }
disable: [ClockSkw]
ruls: []
rules:
  - { alert: Hot, for_each: workers, when: "cpu_usge > 90", fro: 1s }
  - { alert: Hot, when: 'cpu_usage > "x"', annotations: { summary: "{{ wrker_id }} and {{ }}" } }
  - when: "stuck"
  - { alert: Hot, when: stuck, for: 5, labels: { severity: x, team: "{{ group }}" } }
  - alert: Block
    when: |
      cpu_usage > 90
        && state == "inactve"
    clear_when: >-
      cpu_usage <
      memry_usage
`);
    expect(problems).toEqual([
      '2:19 receiver hook: unknown field "webhoook"; did you mean webhook?',
      '3:38 receiver chat, slack.url_file: missing cannot be read: no such file',
      expect.stringContaining('4:46 receiver pager, pagerduty.routing_key: expected the integration key'),
      expect.stringContaining('5:5 receiver nowhere sends nowhere; expected at least one of alertmanager, webhook'),
      '7:13 route: there is no receiver "hok"; did you mean hook?',
      expect.stringContaining('8:15 route, group_wait: found 2; expected a duration such as'),
      '10:7 route.routes[0]: match is missing; expected such as { severity: page }',
      expect.stringContaining('11:16 route.routes[1].match: found "severity"; expected a matcher'),
      '11:41 route.routes[1]: there is no mute time "night"; did you mean nights?',
      expect.stringContaining('12:22 file, evaluation_interval: found 5; expected a duration'),
      '14:15 inhibition 1: source matches every alert; expected a label or a matcher',
      expect.stringContaining('16:42 mute time nights: found "22:00-06:00"; expected an end on the same day'),
      expect.stringContaining('16:59 mute time nights: the interval is empty'),
      '17:11 disable: there is no shipped rule "ClockSkw"; did you mean ClockSkew?',
      '18:1 file: unknown field "ruls"; did you mean rules?',
      '20:29 rule Hot, for_each: found "workers"; expected worker, group or cluster',
      '20:45 rule Hot, when: unknown name cpu_usge; did you mean cpu_usage?',
      '20:61 rule Hot: unknown field "fro"; did you mean for?',
      expect.stringContaining('21:26 rule Hot, when: cpu_usage is a number and "x" is a text'),
      '21:72 rule Hot, annotations.summary: unknown name wrker_id; did you mean worker_id?',
      expect.stringContaining('21:88 rule Hot, annotations.summary: "{{ }}" names nothing'),
      expect.stringContaining('22:5 rule 3, alert is missing; expected the name of the alert'),
      expect.stringContaining('23:37 rule Hot, for: found 5; expected a duration'),
      expect.stringContaining('23:60 rule Hot, labels.severity: found "x"; expected another name'),
      expect.stringContaining('23:69 rule Hot, labels.team: labels take no templates'),
      expect.stringContaining('27:21 rule Block, when: state is never "inactve"; did you mean inactive?'),
      '30:7 rule Block, clear_when: unknown name memry_usage; did you mean memory_usage?',
    ]);
  });

  it.each([
    ['', '1:1 the file is empty; expected fields such as rules'],
    ['rules: []\n---\nrules: []', '2:1 a second document begins here ("---"); expected only one'],
    ['- 1', '1:1 file: found a list'],
    ['rules: {a: 1}', '1:8 file, rules: found fields; expected a list of rules'],
    ['rules: [1]', '1:9 rule 1: found 1;'],
    ['rules: []\nrules: []', '2:1 the field stands here a second time; expected it once'],
    ['rules: [', '1:9 YAML: flow sequence'],
    [
      'rules: *x',
      '1:8 YAML: an alias (*…) stands for nothing; expected quotation marks around a text that begins with *',
    ],
    [
      'receivers: [{ name: a, ntfy: { token: !hunter2 } }]',
      '1:39 YAML: an unknown tag (!…); expected quotation marks around a text that begins with !',
    ],
    ['rules: [{ alert: A, when: stuck, labels: { __proto__: x } }]', '1:44 the name __proto__ is not allowed'],
    ['rules: [{ alert: A, when: stuck, annotations: { summary: {{ worker_id }} } }]', 'found fields; expected a text'],
    [`rules: ${'['.repeat(5000)}`, '1:72 the file is nested too deeply'],
    [`# ${'x'.repeat(1_100_000)}`, '1:1 the file has 1100002 bytes; at most 1048576 are allowed'],
    [
      'a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d]',
      '1:1 aliases ("*name") make the file too large',
    ],
    ['rules: &a [*a]', 'aliases'],
    ['receivers: [{name: a, log: }, {name: b, log: }]', 'route: receiver is missing; expected one of a, b, log'],
    ['receivers: [{name: a, log: }, {name: a, log: }]', '1:31 receiver a: the name stands twice (line 1)'],
    ['rules: [{alert: A, when: stuck}, {alert: A, when: stuck}]', '1:34 rule A: the name stands twice (line 1)'],
    ['rules: [{alert: Anomaly, when: stuck}]', '1:9 rule Anomaly: a shipped rule has this name'],
    ['receivers: [{name: a, command: {path: /bin/true}}]', 'set ALERT_COMMANDS=on'],
    ['receivers: [{name: a, email: {host: mail.example, from: a@b.c, to: a@b.c, user: x}}]', 'password'],
    ['route: { match: { a: b } }', 'the first route takes all alerts'],
    ['route: { routes: [{ match: "a=~(" }] }', 'the pattern "(" cannot be used'],
    ['route: { receiver: pager }', '1:20 route: there is no receiver "pager"; expected one of log'],
    ['rules: [{alert: A, when: stuck, annotations: {s: "{{ $labels.x }}"}}]', 'is of another template language'],
    ['rules: [{alert: A, when: stuck, annotations: {s: "{{ labels }}"}}]', 'a map of texts cannot be shown'],
    ['rules: [{alert: A, when: stuck, annotations: {s: "{{ stuck"}}]', '"{{" has no end'],
    ['rules: [{alert: A, when: stuck, annotations: {closed_because: x}}]', 'Pulselane itself sets closed_because'],
    ['mute_times: [{name: a, time_zone: Mars/Base, intervals: [{weekdays: mon}]}]', 'found "mon"; expected monday'],
    ['mute_times: [{name: a, time_zone: Mars/Base, intervals: [{weekdays: monday}]}]', 'expected a time zone'],
    ['mute_times: [{name: a, intervals: [{days_of_month: "5:3"}]}]', 'the wrong way round'],
    ['mute_times: [{name: a, intervals: [{times: "25:00-26:00"}]}]', 'expected times such as'],
  ])('%#', (text, message) => {
    expect(problemsOf(text).join('\n')).toContain(message);
  });

  it('hide none of the others, wherever they stand', () => {
    const problems = problemsOf(`route:
  reciever: x
  receiver: nope
  routes:
    - { receiver: nada, match: 'x=~"("', mute_times: [none], foo: 1 }
inhibit: [{ source: { severity: page }, target: 'x=~"("', equl: [a] }]
disable: [WorkerInactve, 5]
mute_times: [{ name: n, intervals: [{ times: "24:30-25:00" }] }]
rules: [{ alert: A, when: stuck, annotations: { a: 5, s: "{{ nix }}" } }]
`).join('\n');
    for (const part of [
      'unknown field "reciever"',
      'no receiver "nope"',
      'no receiver "nada"',
      'no mute time "none"',
      'unknown field "foo"',
      'route.routes[0].match: found',
      'inhibition 1: unknown field "equl"',
      'inhibition 1, target: found',
      'no shipped rule "WorkerInactve"',
      'found "24:30-25:00"; expected times',
      'annotations.s: unknown name nix',
    ]) {
      expect(problems).toContain(part);
    }
  });

  it('name a cycle of inhibitions', () => {
    const file = (inhibit: string) => `inhibit:\n${inhibit}
rules:
  - { alert: A, when: "cpu_usage > 1", severity: page }
  - { alert: B, when: "cpu_usage > 2", labels: { team: x } }
  - { alert: C, for_each: group, when: "inactive > 1" }
`;
    expect(
      problemsOf(
        file(`  - { source: { alertname: A }, target: { alertname: B } }
  - { source: { alertname: B }, target: { alertname: A } }`),
      ),
    ).toEqual([
      '3:5 inhibit: a cycle: an alert that line 2 inhibits can inhibit others by line 3, an alert that line 3 inhibits can inhibit others by line 2. If all of them fire, each would keep the next one silent. Expected matchers by which no alert is inhibited by what it inhibits',
    ]);
    const right = [
      // One inhibition alone makes no cycle.
      '  - { source: { alertname: A }, target: {}, equal: [worker] }',
      '  - { source: { group: a }, target: { group: b } }',
      // Groups have no worker.
      '  - { source: { alertname: A }, target: { alertname: C } }\n  - { source: { alertname: C }, target: { alertname: A }, equal: [worker] }',
      // One alert is in one group only.
      '  - { source: { group: a }, target: { group: b } }\n  - { source: { group: c }, target: { group: d } }',
    ];
    for (const text of right) expect(problemsOf(file(text))).toEqual([]);
  });

  it('are none if only a shipped inhibition closes a cycle', () => {
    const text = 'inhibit: [{ source: { severity: page }, target: { severity: warning }, equal: [worker] }]';
    expect(problemsOf(text)).toEqual([]);
  });

  it('never repeat a secret', () => {
    const secret = 'super-secret';
    const problems = problemsOf(
      `receivers:
  - { name: a, webhook: { url: "ftp://user:${secret}@x/" } }
  - { name: b, pagerduty: { routing_key: ${secret} } }
  - { name: c, webhook: { url: "http://x/", token_file: token } }
`,
      { '/etc/pulselane/token': `${secret} ${secret}` },
    );
    expect(problems.length).toBeGreaterThanOrEqual(3);
    expect(problems.join('\n')).not.toContain(secret);
  });
});
