/** `alerts` and `silence`, as client commands of a real HTTP side and at the prompt. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { OperatedAlerts } from '../../src/app/operator.ts';
import { dispatch } from '../../src/cli/prompt/dispatch.ts';
import type { CommandOutcome } from '../../src/http/commands.ts';
import { silentLogger } from '../../src/lib/logging.ts';
import type { AlertCommand, AlertReply } from '../../src/model/alert-command.ts';
import { AlertTable } from '../../src/reading/alert-table.ts';
import { NOW_S, serve } from '../http/support.ts';
import { ALERT_TIME, alertsStatus, alertsTold, anAlert, aSilence, loadedRules } from '../support/alerts.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { startPromptMaster, stopPromptMasters } from './prompt-context.ts';
import { run } from './run.ts';

afterEach(async () => {
  vi.unstubAllEnvs();
  await stopPromptMasters();
});

const pending = anAlert({ rule: 'Cold', state: 'pending', severity: 'warning', firingSinceUnixMs: null });
const over = anAlert({
  rule: 'Stuck',
  state: 'resolved',
  resolvedUnixMs: ALERT_TIME - 5000,
  closedBecause: 'worker_removed',
});
const quiet = anAlert({ worker: 'w2', silencedBy: ['s-1'], noDataSinceUnixMs: ALERT_TIME - 180_000, isFlapping: true });
const ALL = [anAlert({ id: '0123456789abcdef' }), quiet, pending, over];

async function served(reply: CommandOutcome = { ok: true, message: 'Done.', silenceId: 'new' }) {
  const server = await serve({ replyTo: () => reply });
  server.fleet.register('calm');
  server.fleet.onAnnounce([
    alertsTold(...ALL),
    { type: 'alertRules', loaded: loadedRules() },
    { type: 'alertsStatus', status: alertsStatus() },
    { type: 'silences', silences: [aSilence(), aSilence({ id: 'gone', endsUnixMs: ALERT_TIME - 1 })] },
  ]);
  vi.stubEnv('PULSELANE_URL', server.url);
  return server;
}

/** Of the second in which the alerts are. */
const clock = new FakeClock(NOW_S * 1000);

async function promptAlerts(reply: AlertReply = { ok: true, message: 'Done.', silenceId: 'new' }) {
  const table = new AlertTable();
  table.apply(alertsTold(...ALL).changes);
  const asked: AlertCommand[] = [];
  const alerts: OperatedAlerts = {
    table,
    silences: [aSilence(), aSilence({ id: 'gone', endsUnixMs: ALERT_TIME - 1 })],
    loadedRules: loadedRules(),
    status: alertsStatus(),
    command: async (command) => {
      asked.push(command);
      return reply;
    },
  };
  const master = await startPromptMaster({}, alerts);
  const context = { ...master.context, clock, live: async () => {}, exit: () => undefined, exitNow: () => {} };
  return { asked, master, type: (line: string) => dispatch(line, context, silentLogger) };
}

/** Ages are by the clock of the machine that answers, which is not that of the alerts. */
const withoutAges = (text: string) => text.replaceAll(/\d+[smhdy](?: \d+[smhdy])?\b/g, 'T');

describe('pulselane alerts', () => {
  it('is a table of what fires or is pending, and why in a few words', async () => {
    await served();
    const { stdout } = await run(['alerts']);
    expect(withoutAges(stdout)).toContain('firing   page      Hot    worker-1');
    expect(stdout).toContain('cpu_usage = 94.5');
    expect(withoutAges(stdout)).toMatch(/w2 .*cpu_usage = 94\.5, no data for T, flapping, silenced/);
    expect(stdout).toMatch(/pending {2}warning {3}Cold/);
    expect(stdout).not.toContain('Stuck');
    expect(stdout).toContain('3 alerts');
  });

  it.each([
    [['--all'], ['Hot', 'Hot', 'Cold', 'Stuck']],
    [['--state', 'resolved'], ['Stuck']],
    [['--severity', 'warning'], ['Cold']],
    [['--filter', 'worker=~"w."'], ['Hot']],
    [['--rule', 'Cold'], ['Cold']],
    [['--limit', '1'], ['Hot']],
  ])('%j', async (flags, rules) => {
    await served();
    const { stdout, stderr } = await run(['alerts', ...flags, '-o', 'json']);
    expect(stderr).toBe('');
    expect((JSON.parse(stdout) as { alerts: { alert: string }[] }).alerts.map(({ alert }) => alert)).toEqual(rules);
  });

  it('tells everything of one alert: the values at each turn, what happened, and where to look', async () => {
    await served();
    const { stdout } = await run(['alerts', '0123456789abcdef']);
    expect(stdout).toMatch(/VALUE +PENDING +FIRING +NOW\n +cpu_usage +91 +93 +94\.5/);
    expect(stdout).toContain('2026-11-23T17:54:25Z  pending → firing');
    expect(stdout).toMatch(/condition +cpu_usage > 90\.0/);
    expect(stdout).toMatch(/summary +worker-1 is hot/);
    expect(stdout).toContain('http://127.0.0.1:8080/#/workers/worker-1?');
  });

  it('tells the same of all alerts of a worker, also those that are over', async () => {
    await served();
    const { stdout } = await run(['alerts', 'worker-1']);
    expect(stdout.match(/^alert .*/gm)).toHaveLength(3);
    expect(stdout).toMatch(/resolved for .*, the worker was removed/);
    expect((await run(['alerts', 'calm'])).stdout).toContain('No such alert.');
    const ghost = await run(['alerts', 'ghost']);
    expect(ghost).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('no alert has the id ghost') });
  });

  it('as CSV has a line for each', async () => {
    await served();
    const { stdout } = await run(['alerts', '-o', 'csv']);
    expect(stdout.split('\n')[0]).toContain('id,alert,state,severity,kind,subject');
    expect(stdout).toContain('0123456789abcdef,Hot,firing,page,worker,worker-1');
  });

  it.each([
    [['--state', 'on'], '--state "on": expected one or several of pending, firing, resolved'],
    [['--filter', 'severity'], '--filter "severity": expected a matcher'],
    [['--limit', '0'], '--limit 0: expected a whole number'],
  ])('%j is refused', async (flags, message) => {
    await served();
    expect(await run(['alerts', ...flags])).toMatchObject({ exitCode: 2, stderr: expect.stringContaining(message) });
  });

  it('says so if nothing fires, or alerts are off', async () => {
    const { fleet, url } = await serve();
    vi.stubEnv('PULSELANE_URL', url);
    expect((await run(['alerts'])).stdout).toContain('The rules were not evaluated yet.');
    fleet.onAnnounce([{ type: 'alertsStatus', status: alertsStatus() }]);
    expect((await run(['alerts'])).stdout).toBe('No alert fires or is pending.\n');
    const off = await serve({ hasAlerts: false });
    vi.stubEnv('PULSELANE_URL', off.url);
    expect(await run(['alerts'])).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('ALERTS=off') });
  });

  it('tests a receiver, and fails if it did not get the trial', async () => {
    const trials = [
      { kind: 'webhook', target: 0, isSent: true, detail: '' },
      { kind: 'log', target: 1, isSent: false, detail: 'the disk is full' },
    ];
    const { commands } = await served({ ok: true, message: 'A trial was sent to hook.', trials });
    expect(await run(['alerts', 'test', 'hook'])).toMatchObject({
      exitCode: 1,
      stdout: 'A trial was sent to hook.\nwebhook: sent\nlog: not sent: the disk is full\n',
    });
    expect(commands).toEqual([{ type: 'alerts', asked: { type: 'test-receiver', receiver: 'hook' } }]);
  });
});

it('pulselane status mentions what fires', async () => {
  await served();
  expect((await run(['status'])).stdout).toContain('alerts      1 firing (1 page), 2 pending; "alerts" says why');
  const { stdout } = await run(['status', '-o', 'json']);
  const alerts = { firing: 1, pending: 2, firing_by_severity: { page: 1 } };
  expect(JSON.parse(stdout)).toMatchObject({ alerts });
});

describe('pulselane silence', () => {
  it('adds one by worker, rule and labels', async () => {
    const { commands } = await served();
    const flags = ['--worker', 'w 1', '--rule', 'Hot', '--for', '2h', '--comment', 'new disk', '--author', 'ada'];
    // The server's clock stands at the time of the alerts, and refuses what ends before.
    const { stdout } = await run(['silence', 'add', ...flags, 'group=~"rack-.*"'], { clock });
    expect(stdout).toBe('Done.\nid: new\n');
    const [asked] = commands;
    expect(asked).toMatchObject({
      asked: {
        silence: {
          matchers: [
            { name: 'worker', value: 'w 1', isRegex: false, isEqual: true },
            { name: 'alertname', value: 'Hot' },
            { name: 'group', value: 'rack-.*', isRegex: true },
          ],
          endsUnixMs: NOW_S * 1000 + 7_200_000,
          createdBy: 'ada',
          comment: 'new disk',
        },
      },
    });
  });

  it.each([
    [['--for', '2h', '--comment', 'x'], 'expected --worker, --rule or a matcher'],
    [['--worker', 'a', '--for', 'soon', '--comment', 'x'], 'expected a duration'],
    [['--worker', 'a', '--comment', 'x'], "'--for <duration>' not specified"],
    [['worker=~"("', '--for', '2h', '--comment', 'x'], 'cannot be used'],
    [['worker=~".*"', '--for', '2h', '--comment', 'x'], 'together they match alerts without any'],
    [['--worker', 'a', '--for', '9y', '--comment', 'x'], 'at most 366 days'],
  ])('add %j is refused', async (flags, message) => {
    const { commands } = await served();
    expect(await run(['silence', 'add', ...flags])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining(message),
    });
    expect(commands).toEqual([]);
  });

  it('lists those that are not over, and ends some', async () => {
    const { commands } = await served();
    const { stdout } = await run(['silence', 'list']);
    expect(stdout).toMatch(/active .* 2026-11-23T18:54:55Z {2}ada +worker="worker-1" +a new disk is being put in/);
    expect(stdout).not.toContain('gone');
    expect((await run(['silence', 'list', '--all'])).stdout).toContain('gone');
    expect((await run(['silence', 'expire', 'a', 'b'])).stdout).toBe('Done.\nDone.\n');
    expect(commands.map((command) => command.type === 'alerts' && command.asked)).toEqual([
      { type: 'expire-silence', silenceId: 'a' },
      { type: 'expire-silence', silenceId: 'b' },
    ]);
  });
});

describe('at the prompt', () => {
  it('alerts shows the same', async () => {
    const { type } = await promptAlerts();
    expect(await type('alerts')).toMatch(/firing {3}page {6}Hot .*30s/);
    expect(await type('alerts')).not.toContain('Stuck');
    expect(await type('alerts all')).toContain('the worker was removed');
    expect(await type('alerts state=pending')).toMatch(/1 alert$/);
    expect(await type('alerts severity=warning rule=Cold')).toMatch(/1 alert$/);
    expect(await type('alerts "worker=~w."')).toMatch(/1 alert$/);
    expect(await type('alerts "rule=~Col."')).toMatch(/1 alert$/);
    expect(await type('alerts 0123456789abcdef')).toContain('pending → firing');
    expect(await type('alerts worker-1')).toContain('cpu_usage');
    expect(await type('alerts ghost')).toContain('ghost');
    expect(await type('alerts state=on')).toContain('expected one of');
    expect(await type('status')).toContain('1 firing (1 page), 2 pending');
  });

  it('silence adds in one line, lists and ends', async () => {
    const { type, asked } = await promptAlerts();
    expect(await type('silence worker-1 severity=page 2h a new disk')).toBe('Done.\nid: new');
    expect(asked).toMatchObject([
      {
        type: 'silence',
        silence: {
          matchers: [
            { name: 'worker', value: 'worker-1' },
            { name: 'severity', value: 'page' },
          ],
          startsUnixMs: NOW_S * 1000,
          endsUnixMs: NOW_S * 1000 + 7_200_000,
          comment: 'a new disk',
        },
      },
    ]);
    expect(await type('silence')).toContain('a new disk is being put in');
    expect(await type('silence')).not.toContain('gone');
    expect(await type('silence all')).toContain('gone');
    expect(await type('silence expire gone')).toBe('Done.');
    expect(asked[1]).toEqual({ type: 'expire-silence', silenceId: 'gone' });
    await type('silence rule=Hot 1h why');
    expect(asked.pop()).toMatchObject({ silence: { matchers: [{ name: 'alertname', value: 'Hot' }] } });
    for (const line of ['silence worker-1', 'silence worker-1 2h', 'silence 2h why', 'silence expire']) {
      expect(await type(line), line).toContain('usage: silence');
    }
    expect(asked).toHaveLength(2);
  });

  it('a refusal is told', async () => {
    const { type } = await promptAlerts({ ok: false, code: 'not_found', message: 'there is no silence gone' });
    expect(await type('silence expire gone')).toBe('there is no silence gone');
  });

  it('with ALERTS=off both say so', async () => {
    const { context } = await startPromptMaster();
    const whole = { ...context, live: async () => {}, exit: () => undefined, exitNow: () => {} };
    for (const line of ['alerts', 'silence', 'silence worker-1 2h why']) {
      expect(await dispatch(line, whole, silentLogger)).toContain('ALERTS=off');
    }
  });
});

describe('pulselane rules list', () => {
  const shown = (settings = {}) => run(['rules', 'list', '-o', 'table'], settings);

  it('shows the rules of the master, and what is wrong with them', async () => {
    const { fleet } = await served();
    expect((await shown()).stdout).toMatch(/^RULE +STATE .*\nHot +firing /);
    const { rules } = alertsStatus();
    const problem = { detail: 'rule Hot fails: w: division by zero', sinceUnixMs: ALERT_TIME };
    const status = alertsStatus({
      rules: rules.map((rule) => ({ ...rule, problem })),
      problems: [{ code: 'rule', ...problem, rule: 'Hot' }],
    });
    fleet.onAnnounce([{ type: 'alertsStatus', status }]);
    const { stdout } = await shown();
    expect(stdout).toMatch(/\nHot +problem /);
    expect(stdout.match(/Alerts are degraded: rule Hot fails: w: division by zero/g)).toHaveLength(1);
    expect((await run(['rules', 'list', '-o', 'csv'])).stdout).toContain('Hot,problem,page,');
    expect((await run(['alerts'])).stdout).toContain('Alerts are degraded: rule Hot fails: w: division by zero');
  });
});
