import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ApiClient } from '../../src/cli/client/api.ts';
import { recordedSeries } from '../../src/cli/rules/recorded-series.ts';
import { run } from './run.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulselane-rules-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function fileOf(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

describe('pulselane rules lint', () => {
  test('says that a file is right, and what is in it', async () => {
    const file = await fileOf('rules.yaml', 'rules: [{ alert: Hot, when: "cpu_usage > 90" }]');
    const { stdout, exitCode } = await run(['rules', 'lint', file]);
    expect(stdout).toBe(`${file}: ok, 1 rule and 13 shipped, 1 receiver\n`);
    expect(exitCode).toBe(0);
  });

  test('names all problems of all files, with their places, and fails', async () => {
    const first = await fileOf('a.yaml', 'ruls: []\nrules: [{ alert: Hot, when: "cpu_usge > 90" }]');
    const second = await fileOf('b.yaml', 'disable: [Anomaly]');
    const missing = join(folder, 'c.yaml');
    const { stdout, exitCode } = await run(['rules', 'lint', first, second, missing], { columns: 1_000 });
    expect(stdout.split('\n')).toEqual([
      `${first}:1:1: file: unknown field "ruls"; did you mean rules?`,
      `${first}:2:30: rule Hot, when: unknown name cpu_usge; did you mean cpu_usage?`,
      `${first}: 2 problems`,
      `${second}: ok, 0 rules and 12 shipped, 1 receiver`,
      `${missing}: cannot be read: no such file`,
      `${missing}: 1 problem`,
      '',
    ]);
    expect(exitCode).toBe(1);
  });

  test('prints the same for programs', async () => {
    const file = await fileOf('rules.yaml', 'rules: [{ alert: Hot, when: \'avg_over("cpu_usag", "5m") > tasks\' }]');
    const { stdout, exitCode } = await run(['rules', 'lint', '-o', 'json', file]);
    expect(JSON.parse(stdout)).toMatchObject({
      files: [
        {
          file,
          ok: true,
          problems: [],
          warnings: [{ line: 1, column: 39, message: expect.stringContaining('did you mean cpu_usage?') }],
          receivers: ['log'],
        },
      ],
    });
    expect(exitCode).toBe(0);
  });

  test('knows whether commands are on', async () => {
    const file = await fileOf('rules.yaml', 'receivers: [{ name: run, command: { path: /bin/true } }]');
    expect((await run(['rules', 'lint', file])).exitCode).toBe(1);
    expect((await run(['rules', 'lint', '--alert-commands', 'on', file])).exitCode).toBe(0);
  });
});

describe('pulselane rules test', () => {
  const RULES = 'rules: [{ alert: Hot, when: "cpu_usage > 90", for: 10s, severity: page }]';
  const seriesOf = (expected: string) => `
series: [{ worker: w-1, values: { cpu_usage: "50x9 95x9 50x9" } }]
${expected}
`;

  test('says when rules fire over series of a file, and for how long', async () => {
    const rules = await fileOf('rules.yaml', RULES);
    const series = await fileOf('series.yaml', seriesOf(''));
    const { stdout, exitCode } = await run(['rules', 'test', rules, '--series', series, '--rule', 'Hot'], {
      columns: 1_000,
    });
    expect(stdout.split('\n')).toEqual([
      '1 worker, 2027-01-01T00:00:00.000Z to 2027-01-01T00:02:25.000Z',
      'Hot: fired once, for 40s in all',
      '  w-1: 2027-01-01T00:01:00.000Z for 40s, until 2027-01-01T00:01:40.000Z, recovered; cpu_usage 95',
      '',
    ]);
    expect(exitCode).toBe(0);
    const json = JSON.parse((await run(['rules', 'test', rules, '--series', series, '-o', 'json'])).stdout);
    expect(json.rules.find(({ alert }: { alert: string }) => alert === 'Hot')).toMatchObject({
      tested: true,
      firings: [{ name: 'w-1', fired_at: '2027-01-01T00:01:00.000Z', seconds: 40, closed_because: 'recovered' }],
    });
  });

  test('fails if something else fires than the file expects', async () => {
    const rules = await fileOf('rules.yaml', RULES);
    const right = await fileOf('right.yaml', seriesOf('expect: [{ alert: Hot, worker: w-1, at: 60s, until: 100s }]'));
    expect(await run(['rules', 'test', rules, '--series', right])).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('all as expected'),
    });
    const wrong = await fileOf('wrong.yaml', seriesOf('expect: [{ alert: Hot, worker: w-1, at: 55s }]'));
    const { stdout, exitCode } = await run(['rules', 'test', rules, '--series', wrong], { columns: 1_000 });
    expect(exitCode).toBe(1);
    expect(stdout).toContain('FAILED: expected Hot of w-1 to fire at 55s; it fired at 60s\n');
    expect(stdout).toContain('FAILED: Hot of w-1 fired at 60s, which is not expected\n');
  });

  test.each([
    [[], 'expected either --history <duration> or --series <file>'],
    [['--history', '7d', '--series', 'x'], 'expected either --history <duration> or --series <file>'],
    [['--series', 'x', '--worker', 'a'], '--worker: expected --history beside it'],
    [['--series', '/does/not/exist'], '--series /does/not/exist: cannot be read: no such file'],
    [['--history', '7x'], '--history 7x: expected a duration'],
    [['--history', '7d', '--rule', 'Ht'], '--rule Ht: expected one of WorkerInactive'],
  ])('says what is wrong with %j', async (flags, message) => {
    const rules = await fileOf('rules.yaml', RULES);
    const { stderr, exitCode } = await run(['rules', 'test', rules, ...flags]);
    expect(stderr).toContain(message);
    expect(exitCode).toBe(2);
  });

  test('refuses a rule file that is wrong', async () => {
    const rules = await fileOf('rules.yaml', 'ruls: []\nrules: [{ alert: Hot, when: "cpu_usge > 90" }]');
    const { stderr } = await run(['rules', 'test', rules, '--history', '7d']);
    expect(stderr).toContain(`${rules}:1:1: file: unknown field "ruls"; did you mean rules? (1 further problems`);
  });
});

describe('a replay of what is recorded', () => {
  const EMPTY = (async function* () {})();
  const at = (s: number) => new Date(1_000_000_000_000 + s * 1000).toISOString();
  const recordedWith = (workers: readonly object[], events: readonly object[] = []) => {
    const answer = (body: object) => ({ body }) as never;
    const client = {
      export: async () => ({ chunks: () => EMPTY, missing: () => undefined }),
      events: async () => answer({ events }),
      listWorkers: async () => [answer({ workers })],
    } as unknown as ApiClient;
    const nowMs = Date.parse(at(0));
    return recordedSeries({ client, rules: [], last: '1m', nowMs, worker: undefined, prefix: '', onRead: () => {} });
  };

  test('has workers that did nothing in that time, in the state that they have', async () => {
    const dead = { worker_id: 'dead', group: 'g', state: 'inactive', cause: 'silence', since: at(-3600), stuck: null };
    const { source } = await recordedWith([dead, { ...dead, worker_id: 'new', state: 'active', since: at(-10) }]);
    expect(source.workers).toMatchObject([
      {
        workerId: 'dead',
        group: 'g',
        changes: [{ atMs: Date.parse(at(-3600)), value: 'inactive' }, { value: 'silence' }],
      },
      { workerId: 'new', changes: [{ atMs: Date.parse(at(-10)), value: 'active' }, {}] },
    ]);
    expect(source.fromMs).toBe(Date.parse(at(-60)));
  });

  test('knows from the first event what was before', async () => {
    const event = { worker_id: 'w', at: at(-20), text: '' };
    const { source } = await recordedWith(
      [{ worker_id: 'w', state: 'active', since: at(-20), stuck: null }],
      [
        { ...event, type: 'state', from: 'inactive', to: 'active', cause: 'heartbeat' },
        { ...event, type: 'stuck_over' },
      ],
    );
    expect(source.workers[0]?.changes).toEqual([
      { atMs: Date.parse(at(-60)), name: 'state', value: 'inactive' },
      { atMs: Date.parse(at(-60)), name: 'stuck', value: true },
      { atMs: Date.parse(at(-20)), name: 'state', value: 'active' },
      { atMs: Date.parse(at(-20)), name: 'cause', value: 'heartbeat' },
      { atMs: Date.parse(at(-20)), name: 'stuck', value: false },
    ]);
  });
});
