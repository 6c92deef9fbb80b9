/** `pulselane check`: what it says as pure functions, as a command on a real HTTP front, and as the process that Nagios would start. */
import { execFile } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished, test } from 'vitest';
import { isRaised, rangeIn } from '../../src/cli/check/range.ts';
import { type CheckFacts, type CheckSettings, STALE_AFTER_MS, verdictOf } from '../../src/cli/check/verdict.ts';
import { printable } from '../../src/lib/printable.ts';
import type { Alert } from '../../src/model/alert.ts';
import { alertJson } from '../../src/model/alert-json.ts';
import type { WorkerFacts } from '../../src/model/worker-facts.ts';
import { serve } from '../http/support.ts';
import { ALERT_TIME, alertsStatus, alertsTold, anAlert, aRule, loadedRules } from '../support/alerts.ts';
import { ANY_CHARACTER } from '../support/any-character.ts';
import { run } from './run.ts';

const SETTINGS: CheckSettings = {
  criticalSeverities: ['page', 'critical'],
  okSeverities: ['info', 'none'],
  warning: undefined,
  critical: undefined,
  countsQuiet: false,
};

function verdict(alerts: readonly Alert[], settings: Partial<CheckSettings> = {}, facts: Partial<CheckFacts> = {}) {
  return verdictOf(
    {
      alerts: alerts.map(alertJson),
      evaluatedAt: new Date(ALERT_TIME).toISOString(),
      evaluationIntervalMs: 5000,
      problems: [],
      nowMs: ALERT_TIME,
      ...facts,
    },
    { ...SETTINGS, ...settings },
  );
}

const warning = anAlert({ rule: 'Stuck', severity: 'warning' });
const info = anAlert({ rule: 'Anomaly', severity: 'info' });
const pending = anAlert({ rule: 'Cold', state: 'pending', firingSinceUnixMs: null });
const silenced = anAlert({ rule: 'Old', silencedBy: ['s'] });

describe('the verdict', () => {
  it.each([
    ['nothing', [], 'OK'],
    ['a page', [anAlert()], 'CRITICAL'],
    ['a critical one', [anAlert({ severity: 'critical' })], 'CRITICAL'],
    ['a warning', [warning, info], 'WARNING'],
    ['another severity', [anAlert({ severity: 'whatever' })], 'WARNING'],
    ['what is for information', [info], 'OK'],
    ['what is pending', [pending], 'OK'],
    ['what nobody is told of', [silenced, anAlert({ inhibitedBy: ['i'] }), anAlert({ mutedBy: ['m'] })], 'OK'],
  ] as const)('of %s', (_, alerts, status) => {
    expect(verdict(alerts).status).toBe(status);
  });

  it('says it in one line, with performance data, and the details below', () => {
    expect(verdict([warning, anAlert(), pending, silenced]).text).toBe(
      [
        'PULSELANE CRITICAL - 2 alerts firing: Stuck on worker-1, Hot on worker-1 | firing=2;;;0 critical=1;;;0 warning=1;;;0 pending=1;;;0 silent=1;;;0',
        'CRITICAL: Hot on worker-1 (page) for 30s: cpu_usage = 94.5',
        'WARNING: Stuck on worker-1 (warning) for 30s: cpu_usage = 94.5',
        '',
      ].join('\n'),
    );
    expect(verdict([]).text).toBe(
      'PULSELANE OK - no alert fires | firing=0;;;0 critical=0;;;0 warning=0;;;0 pending=0;;;0 silent=0;;;0\n',
    );
  });

  it('counts silenced ones if it is asked to', () => {
    expect(verdict([silenced], { countsQuiet: true }).status).toBe('CRITICAL');
  });

  it('is by the number of alerts if thresholds are given, and these are in the performance data', () => {
    const [one, three] = [rangeIn('1'), rangeIn('~:3')];
    const asked = { warning: one, critical: three };
    expect(verdict([anAlert()], asked).status).toBe('OK');
    expect(verdict([anAlert(), warning], asked).status).toBe('WARNING');
    const worst = verdict([anAlert(), warning, info, anAlert({ rule: 'More' })], asked);
    expect(worst.status).toBe('CRITICAL');
    expect(worst.text).toContain('| firing=4;1;~:3;0 ');
  });

  it('is UNKNOWN if the rules are not evaluated', () => {
    expect(verdict([], {}, { evaluatedAt: null })).toMatchObject({ status: 'UNKNOWN' });
    expect(verdict([anAlert()], {}, { nowMs: ALERT_TIME + STALE_AFTER_MS })).toMatchObject({ status: 'CRITICAL' });
    const stale = verdict([anAlert()], {}, { nowMs: ALERT_TIME + STALE_AFTER_MS + 1 });
    expect(stale).toMatchObject({
      status: 'UNKNOWN',
      text: expect.stringContaining('not evaluated for 2m | firing=1'),
    });
    const evaluationIntervalMs = STALE_AFTER_MS;
    const slow = { evaluationIntervalMs, nowMs: ALERT_TIME + 3 * evaluationIntervalMs };
    expect(verdict([anAlert()], {}, slow).status).toBe('CRITICAL');
    expect(verdict([anAlert()], {}, { ...slow, nowMs: slow.nowMs + 1 }).status).toBe('UNKNOWN');
    const problems = [{ code: 'thread', detail: 'the alerts thread ended', since: '' }];
    expect(verdict([], {}, { problems }).status).toBe('UNKNOWN');
  });

  it('is at least WARNING while alerts are degraded', () => {
    const problems = [{ code: 'store', detail: 'the disk is full', since: '' }];
    expect(verdict([], {}, { problems })).toMatchObject({
      status: 'WARNING',
      text: expect.stringContaining('no alert fires; alerts are degraded: the disk is full |'),
    });
    expect(verdict([anAlert()], {}, { problems }).status).toBe('CRITICAL');
  });

  it('has one line, one separator and at most 8 KB, whatever alerts are called', () => {
    const text = fc.string({ unit: ANY_CHARACTER, maxLength: 400 });
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text), { maxLength: 40 }), (facts) => {
        const alerts = facts.map(([rule, worker]) => anAlert({ rule, worker }));
        const { text } = verdict(alerts);
        const [first = '', ...others] = text.split('\n');
        expect(first.split('|')).toHaveLength(2);
        expect(others.join('')).not.toContain('|');
        expect(others.length).toBeLessThanOrEqual(22);
        const characters = text.replaceAll('\n', '');
        expect(characters).toBe(printable(characters));
        expect(text.length).toBeLessThan(8192);
      }),
      { numRuns: 25 },
    );
  });
});

describe('threshold ranges', () => {
  it.each([
    ['10', [-1, 11], [0, 5, 10]],
    ['10:', [9, -5], [10, 1e9]],
    ['~:10', [11], [-1e9, 10]],
    ['10:20', [9, 21], [10, 20]],
    ['@10:20', [10, 15, 20], [9, 21]],
    ['0', [1], [0]],
    [':5', [6, -1], [0, 5]],
    ['1.5:2.5', [1, 3], [2]],
  ])('%s', (text, raised, quiet) => {
    const range = rangeIn(text);
    expect(raised.filter((value) => !isRaised(value, range))).toEqual([]);
    expect(quiet.filter((value) => isRaised(value, range))).toEqual([]);
  });

  it.each(['', ':', '~:', '~', '@', 'ten', '20:10', '1:2:3', '10%', '@~'])('%j is refused', (text) => {
    expect(() => rangeIn(text)).toThrow('expected a range of numbers');
  });
});

/** Without a process of its own, which takes most of a second. */
async function check(url: string, ...args: readonly string[]) {
  const { stdout, stderr, exitCode } = await run(['check', `--url=${url}`, ...args], { isTTY: false });
  expect(stderr).toBe('');
  return { code: exitCode, stdout };
}

describe('as a process', () => {
  const BIN = fileURLToPath(new URL('../../bin/pulselane.js', import.meta.url));
  const checkProcess = async (url: string, ...args: readonly string[]) => {
    const env = { ...process.env, PULSELANE_URL: url };
    try {
      const { stdout } = await promisify(execFile)(process.execPath, [BIN, 'check', ...args], { env });
      return { code: 0, stdout };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      expect(stderr).toBe('');
      return { code, stdout };
    }
  };

  test('the exit code is that of the verdict, also of wrong flags', async () => {
    const { url, fleet } = await serve();
    fleet.onAnnounce([
      alertsTold(anAlert()),
      { type: 'alertsStatus', status: alertsStatus({ lastEvaluatedUnixMs: Date.now() }) },
    ]);
    const all = await checkProcess(url);
    expect(all.code).toBe(2);
    expect(all.stdout).toMatch(/^PULSELANE CRITICAL - 1 alert firing: .* \| firing=1;;;0 /);
    const wrong = await checkProcess(url, '--nonsense');
    expect(wrong).toMatchObject({ code: 3, stdout: expect.stringContaining("unknown option '--nonsense'") });
    expect(wrong.stdout.split('\n')).toHaveLength(2);
  });

  test('a master that says nothing is UNKNOWN', async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void silent.close());
    const { port } = silent.address() as { port: number };
    const late = await checkProcess(`http://127.0.0.1:${port}`, '--timeout', '0.2');
    expect(late).toMatchObject({ code: 3, stdout: expect.stringContaining('within 0.2 s') });
  });
});

describe('of a master', () => {
  test('the exit code is that of the worst alert that it was asked for', async () => {
    const { url, fleet } = await serve();
    fleet.register('calm');
    fleet.onAnnounce([
      alertsTold(anAlert(), anAlert({ worker: 'w2', severity: 'warning' })),
      { type: 'alertsStatus', status: alertsStatus({ lastEvaluatedUnixMs: Date.now() }) },
    ]);
    const all = await check(url);
    expect(all.code).toBe(2);
    expect(all.stdout).toMatch(/^PULSELANE CRITICAL - 2 alerts firing: .* \| firing=2;;;0 /);
    expect((await check(url, '--worker', 'w2')).code).toBe(1);
    expect((await check(url, '--worker', 'calm')).code).toBe(0);
    expect((await check(url, '-w', '5')).code).toBe(0);
  });

  test('what cannot be checked is UNKNOWN, with the reason on stdout', async () => {
    const { url } = await serve({ hasAlerts: false });
    const off = await check(url);
    expect(off).toMatchObject({ code: 3, stdout: expect.stringContaining('PULSELANE UNKNOWN - alerts are off') });
    const wrongs = [
      ['--nonsense', "unknown option '--nonsense'"],
      ['--worker', "option '--worker <id>' argument missing"],
      ['-w=many', 'expected a range of numbers'],
      ['--timeout=0', 'expected seconds'],
      ['--url=ftp://x', '--url'],
      ['extra', 'too many arguments'],
    ] as const;
    for (const [flag, reason] of wrongs) {
      const { code, stdout } = await check(url, flag);
      expect({ flag, code, stdout }).toMatchObject({ code: 3, stdout: expect.stringContaining(reason) });
      expect(stdout.split('\n')).toHaveLength(2);
    }
  });

  test('a worker that nobody knows is UNKNOWN', async () => {
    const { url, fleet } = await serve();
    fleet.onAnnounce([{ type: 'alertsStatus', status: alertsStatus() }]);
    const { code, stdout } = await check(url, '--worker', 'ghost');
    expect({ code, stdout }).toEqual({ code: 3, stdout: 'PULSELANE UNKNOWN - no worker is called ghost\n' });
    expect(await check(url, '--group', 'ghosts')).toMatchObject({ code: 3 });
  });

  test('a rule, a severity or a label that does not exist is UNKNOWN, and what exists is OK', async () => {
    const { url, fleet } = await serve();
    fleet.register('w');
    const facts = { group: '', labels: { rack: '7' }, totalGpu: 0 } as unknown as WorkerFacts;
    const rules = [aRule({ labels: { team: 'x' } }), aRule({ name: 'Off', isDisabled: true, severity: 'none' })];
    fleet.onAnnounce([
      { type: 'workerFacts', workerId: 'w', facts },
      { type: 'alertRules', loaded: loadedRules({ rules }) },
      { type: 'alertsStatus', status: alertsStatus({ lastEvaluatedUnixMs: Date.now() }) },
    ]);
    const wrongs = [
      [['--rule', 'Hott'], 'no rule is called Hott; did you mean Hot?'],
      [['--rule', 'Off'], 'the rule file switches off the rule Off'],
      [['--severity', 'page,bogus'], 'no rule has the severity bogus'],
      [['--filter', 'alertname=Hots'], 'no rule is called Hots; did you mean Hot?'],
      [['--filter', 'severity=~"pgae|warn"'], 'no rule has a severity that matches pgae|warn'],
      [['--filter', 'wrker!=w'], 'no alert can have the label wrker; did you mean worker?'],
      [['--critical-severities='], '--critical-severities "": expected severities such as page,critical'],
    ] as const;
    for (const [flags, reason] of wrongs) {
      expect(await check(url, ...flags)).toEqual({
        code: 3,
        stdout: `PULSELANE UNKNOWN - ${reason.replace('|', '¦')}\n`,
      });
    }
    const rights = ['--rule=Hot', '--severity=page', '--filter=rack=7', '--filter=alertname!=Off', '--filter=team=x'];
    for (const flag of rights) expect({ flag, ...(await check(url, flag)) }).toMatchObject({ flag, code: 0 });
  });

  test('a master that is away is UNKNOWN', async () => {
    expect(await check('http://127.0.0.1:1')).toMatchObject({ code: 3, stdout: expect.stringContaining('UNKNOWN') });
  });
});
