/** What `history`, `tasks`, `events` and `export` ask a master for, and what they print of its answers. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { plainPage } from '../../src/cli/text/page.ts';
import { historyText } from '../../src/cli/views/history-text.ts';
import { historyOf } from '../../src/cli/views/history-view.ts';
import { isAsciiLocale } from '../../src/config/locale-environment.ts';
import { sqlite } from '../../src/history/sqlite/open.ts';
import { batchOf, sampleRun } from '../history/history-data.ts';
import { eventually } from '../support/eventually.ts';
import { run } from './run.ts';

const servers: Server[] = [];
const folders: string[] = [];
afterEach(async () => {
  await Promise.all(
    servers.splice(0).map((server) => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    }),
  );
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
});

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pulselane-'));
  folders.push(folder);
  return folder;
}

async function listening(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A master that answers by path, and remembers the parameters of each request. */
async function serve(answers: Readonly<Record<string, unknown>>) {
  const asked: { path: string; parameters: [string, string][] }[] = [];
  const url = await listening((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://x');
    const body = answers[pathname];
    asked.push({ path: pathname, parameters: [...searchParams] });
    response.writeHead(body === undefined ? 404 : 200, {
      'content-type': 'application/json',
      date: new Date('2026-11-23T17:54:55Z').toUTCString(),
    });
    response.end(JSON.stringify(body ?? { error: 'not found' }));
  });
  return { url, asked };
}

const points = Array.from({ length: 12 }, (_, index) => {
  const value = index === 6 ? 98 : 10 + index;
  const at = new Date(Date.parse('2026-11-23T16:54:55Z') + index * 300_000).toISOString();
  return { at, min: value - 1, max: value, mean: value - 0.5, last: value, count: 60 };
}).filter((_, index) => index < 2 || index > 4);
const gaps = [{ from: '2026-11-23T17:04:55.000Z', to: '2026-11-23T17:19:55.000Z', reason: 'master_down' }];
const RANGE = { from: '2026-11-23T16:54:55.000Z', to: '2026-11-23T17:54:55.000Z' };
const OF_ONE = { worker_id: 'worker-1', ...RANGE, metric: 'cpu_usage', step_ms: 300_000, tier: 'raw', points, gaps };
const { worker_id, from, to, ...SERIES } = OF_ONE;
const OF_TWO = { worker_id, from, to, series: [SERIES, { ...SERIES, metric: 'metrics.frames', step_ms: 300_000 }] };
const PATH = '/api/v1/workers/worker-1/history';

describe('pulselane history', () => {
  test('shows figures, a line that draws each metric, and the gaps with their reasons', async () => {
    const { url } = await serve({ [PATH]: OF_TWO });
    const { stdout, exitCode } = await run(['history', 'worker-1', '--url', url], { columns: 66 });
    expect(stdout.split('\n')).toEqual([
      'worker-1: 2026-11-23T16:54:55Z to 2026-11-23T17:54:55Z, samples in',
      'steps of 5m',
      '',
      'METRIC           MIN     MEAN    MAX   LAST  SAMPLES',
      'cpu_usage       9.0%    24.9%  98.0%  21.0%      540',
      'metrics.frames     9  24.9444     98     21      540',
      '',
      expect.stringMatching(/^cpu_usage {7}[▁▂█·]{50}$/),
      expect.stringMatching(/^metrics\.frames {2}[▁▂█·]{50}$/),
      '                2026-11-23T16:54:55Z          2026-11-23T17:54:55Z',
      'each character: the highest value of its time; · no sample',
      '',
      'Gaps',
      '  FROM                  FOR  REASON',
      '  2026-11-23T17:04:55Z  15m  no master kept history',
      '',
    ]);
    expect(exitCode).toBe(0);
  });

  test('prints the API’s JSON elsewhere, and a line for each point as CSV and JSON lines', async () => {
    const { url } = await serve({ [PATH]: OF_ONE });
    const json = await run(['history', 'worker-1', '--url', url], { isTTY: false });
    expect(JSON.parse(json.stdout)).toEqual(OF_ONE);
    const csv = (await run(['history', 'worker-1', '--url', url, '-o', 'csv'])).stdout.split('\n');
    expect(csv[0]).toBe('worker_id,metric,tier,step_ms,at,min,max,mean,last,count');
    expect(csv[1]).toBe('worker-1,cpu_usage,raw,300000,2026-11-23T16:54:55.000Z,9,10,9.5,10,60');
    expect(csv).toHaveLength(points.length + 2);
    const jsonl = (await run(['history', 'worker-1', '--url', url, '-o', 'jsonl'])).stdout.trim().split('\n');
    expect(JSON.parse(jsonl[0] ?? '')).toEqual({
      worker_id: 'worker-1',
      ...{ metric: 'cpu_usage', tier: 'raw', step_ms: 300_000 },
      ...points[0],
    });
  });

  test('asks for the range and the metrics that were given, else for all that are kept, and names the others', async () => {
    const { url, asked } = await serve({
      [PATH]: OF_TWO,
      '/api/v1/workers/worker-1': { history_left_out: { metrics: 11, names: ['metrics.a', 'gpus.7.power_watts'] } },
    });
    const { stderr, exitCode } = await run(['history', 'worker-1', '--url', url]);
    expect([stderr, exitCode]).toEqual([
      'pulselane: 11 metrics of worker-1 not kept, beyond HISTORY_METRICS or for lack of memory: metrics.a, gpus.7.power_watts and 9 more\n',
      0,
    ]);
    await run([
      ...['history', 'worker-1', '--url', url, '--from', '-2h', '--to', '-1h', '--step', '5m', '--points', '100'],
      ...['--metric', 'cpu_usage', '--metric', 'frames'],
    ]);
    const of = (metrics: readonly string[]) => metrics.map((name) => ['metric', name]);
    expect(asked.filter(({ path }) => path === PATH).map(({ parameters }) => parameters)).toEqual([
      [['from', '-1h'], ...of(['all'])],
      [['from', '-2h'], ['to', '-1h'], ['step', '5m'], ['points', '100'], ...of(['cpu_usage', 'frames'])],
    ]);
  });

  test.each([
    [['worker-1', '--last', 'soon'], /--last soon: expected a duration such as/],
    [['worker-1', '--last', '1h', '--from', '-2h'], /--last and --from: give one of them/],
    [['worker-1', '--last', '1h', '--to', '-5m'], /--last ends now/],
    [['worker-1', '--from', 'yesterday'], /--from yesterday: expected a time such as 2026-11-23T17:54:55Z/],
    [['worker-1', '--from', '-1h', '--to', '-2h'], /--from -1h: expected a time before --to -2h/],
    [['worker-1', '--step', '0s'], /--step 0s: expected more than 0/],
    [['worker-1', '--points', 'many'], /--points many: expected a whole number/],
    [['--last', '1h'], /--last: name a worker/],
    [['worker-1', 'worker-2'], /too many arguments/],
  ])('refuses %j before it asks', async (args, message) => {
    const { url, asked } = await serve({});
    const { stderr, exitCode } = await run(['history', '--url', url, ...args]);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect([exitCode, asked]).toEqual([2, []]);
  });

  test('says what a master says of a metric that there is not', async () => {
    const problem = {
      type: 'urn:pulselane:error:invalid_argument',
      detail: 'metric: unknown metric "cpu"; expected one of …',
    };
    const url = await listening((_, response) => {
      response.writeHead(400, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem));
    });
    const { stderr, exitCode } = await run(['history', 'worker-1', '--url', url, '--metric', 'cpu']);
    expect([stderr, exitCode]).toEqual([`pulselane: ${problem.detail}\n`, 2]);
  });

  test('says so where there are no samples, and where the database does not answer', () => {
    const view = historyOf({
      atUnixMs: 0,
      body: { ...OF_ONE, points: [], degraded: { code: 'away', detail: 'the database is away' } },
    });
    const text = historyText(view, plainPage(80));
    expect(text).toContain('\nIncomplete: the database is away\n\nNo samples in this time.\n\nGaps\n');
  });

  test('draws a worker that is newer than most of the range since its first sample', () => {
    const at = ['2026-11-23T17:54:35.000Z', '2026-11-23T17:54:45.000Z'];
    const two = points.slice(0, 2).map((point, index) => ({ ...point, at: at[index] }));
    const text = historyText(historyOf({ atUnixMs: 0, body: { ...OF_ONE, points: two, gaps: [] } }), plainPage(61));
    expect(text.split('\n').slice(-3)).toEqual([
      `cpu_usage  ${'▁'.repeat(25)}${'█'.repeat(25)}`,
      '           2026-11-23T17:54:35Z          2026-11-23T17:54:55Z',
      'each character: the highest value of its time',
    ]);
  });

  test('draws in ASCII where the locale has nothing else', () => {
    const view = historyOf({ atUnixMs: 0, body: OF_ONE });
    expect(historyText(view, { ...plainPage(60), isAscii: true })).toMatch(/\ncpu_usage {2}[_\-=+*%#@.]{49}\n/);
    expect(isAsciiLocale({ LC_ALL: 'C', LANG: 'en_US.UTF-8' })).toBe(true);
    expect(isAsciiLocale({ LANG: 'de_DE.utf8' })).toBe(false);
    expect(isAsciiLocale({ LC_CTYPE: 'C.UTF-8', LANG: 'C' })).toBe(false);
    expect(isAsciiLocale({})).toBe(false);
  });
});

describe('pulselane history, without a worker', () => {
  const STATUS = {
    state: 'degraded',
    backend: 'postgres',
    place: 'db.example:5432/fleet',
    problem: { code: 'away', detail: 'connection refused', since: '2026-11-23T17:44:55.000Z' },
    durable_until: '2026-11-23T17:44:50.000Z',
    samples: 12_345,
    samples_waiting: 720,
    samples_per_second: 0,
    spool: { bytes: 20_480, max_bytes: 1024 ** 3 },
    lost: { overwritten: 3, refused: 0 },
    bytes: 3 * 1024 ** 3,
    max_bytes: null,
    tiers: [
      { tier: 'raw', keep_ms: 86_400_000, oldest_at: '2026-11-22T17:54:55.000Z' },
      { tier: '1m', keep_ms: 30 * 86_400_000, oldest_at: null },
      { tier: '1h', keep_ms: 730 * 86_400_000, oldest_at: null },
    ],
  };

  test('tells the state of history', async () => {
    const { url } = await serve({ '/api/v1/history': STATUS });
    expect((await run(['history', '--url', url])).stdout.split('\n')).toEqual(
      [
        'state                     degraded',
        'problem                   connection refused (away), for 10m',
        'database                  PostgreSQL: db.example:5432/fleet',
        'stored until              2026-11-23T17:44:50.000Z, 10m 5s ago',
        'stored                    12,345 samples since the start, 0/s now',
        'waiting in memory         720 samples',
        'size                      3.0 GiB',
        'samples                   since 2026-11-22T17:54:55Z, kept for 24h',
        '1-minute rollups          nothing yet, kept for 30 days',
        '1-hour rollups            nothing yet, kept for 730 days',
        'spool                     20.0 KiB of 1.0 GiB',
        'samples lost: overwritten  3',
        '',
      ].map((line) =>
        expect.stringMatching(new RegExp(`^${line.replaceAll(/[().]/g, '\\$&').replaceAll(/ {2,}/g, ' +')}$`)),
      ),
    );
    expect(JSON.parse((await run(['history', '--url', url], { isTTY: false })).stdout)).toEqual(STATUS);
  });
});

const TASK = {
  task_id: 'frame-17',
  worker_id: 'worker-1',
  status: 'running',
  outcome: 'failed',
  exit_code: 3,
  first_seen_at: '2026-11-23T17:00:00.000Z',
  last_seen_at: '2026-11-23T17:10:00.000Z',
  started_at: '2026-11-23T17:00:00.500Z',
  ended_at: '2026-11-23T17:10:01.500Z',
  cpu_seconds: 480.5,
  max_rss_bytes: 3 * 1024 ** 3,
  cpu_allocated: 4,
  memory_allocated: 8,
  gpu_allocated: 0,
};
const RUNNING = {
  ...TASK,
  ...{ task_id: 'frame-18', outcome: 'running', exit_code: null, last_seen_at: null, started_at: null, ended_at: null },
  ...{ first_seen_at: '2026-11-23T17:24:55.000Z', cpu_seconds: null, max_rss_bytes: null },
};

describe('pulselane tasks', () => {
  test('shows what ran where, for how long, and how it ended', async () => {
    const { url, asked } = await serve({ '/api/v1/tasks': { tasks: [RUNNING, TASK], next_cursor: null } });
    const { stdout } = await run(['tasks', '--url', url, '--task', 'frame-17', '--status', 'running']);
    expect(stdout.split('\n')).toEqual([
      'TASK      WORKER    OUTCOME  STARTED                  FOR  EXIT      CPU      MEM  STATUS',
      'frame-18  worker-1  running  2026-11-23T17:24:55Z     30m     –        –        –  running',
      'frame-17  worker-1  failed   2026-11-23T17:00:00Z  10m 1s     3  480.5 s  3.0 GiB  running',
      '',
      '2 tasks',
      '',
    ]);
    expect(asked[0]?.parameters).toEqual([
      ['from', '-24h'],
      ['status', 'running'],
      ['task', 'frame-17'],
      ['limit', '100'],
    ]);
  });

  test('goes from page to page, up to its limit', async () => {
    const asked: string[] = [];
    const url = await listening((request, response) => {
      asked.push(new URL(request.url ?? '', 'http://x').searchParams.get('limit') ?? '');
      const tasks = Array.from({ length: 1000 }, () => TASK);
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ tasks, next_cursor: 'next' }));
    });
    const { stdout } = await run(['tasks', 'worker-1', '--url', url, '--limit', '1500', '-o', 'jsonl']);
    expect(asked).toEqual(['1000', '500']);
    expect(stdout.split('\n')).toHaveLength(2001);
    const table = await run(['tasks', '--url', url, '--limit', '1000']);
    expect(table.stdout).toMatch(/1,000 tasks, the newest; --limit shows more\n$/);
  });

  test.each([
    [['--limit', '0'], /--limit 0: expected a whole number, 1 to 100000/],
    [['--last', '1'], /--last 1: expected a duration such as 30s/],
  ])('refuses %j', async (args, message) => {
    const { url } = await serve({ '/api/v1/tasks': { tasks: [], next_cursor: null } });
    const { stderr, exitCode } = await run(['tasks', '--url', url, ...args]);
    expect([stderr, exitCode]).toEqual([expect.stringMatching(message), 2]);
  });
});

test('pulselane events reaches back as far as is asked for', async () => {
  const events = [{ at: '2026-11-20T00:00:00.000Z', worker_id: 'a', text: 'worker has left' }];
  const { url, asked } = await serve({ '/api/v1/events': { events } });
  const { stdout } = await run(['events', '--last', '7d', '--worker', 'a', '--url', url]);
  expect(stdout).toContain('2026-11-20T00:00:00Z  a       worker has left');
  await run(['events', '5', '--url', url]);
  expect(asked.map(({ parameters }) => parameters)).toEqual([
    [
      ['limit', '1000'],
      ['from', '-7d'],
      ['worker', 'a'],
    ],
    [['limit', '5']],
  ]);
});

describe('pulselane export', () => {
  const CSV = 'worker_id,at\na,1\n';

  /** @param cutWhen breaks off then */
  async function exporting(end: 'whole' | 'missing' = 'whole', cutWhen?: () => Promise<unknown>) {
    const asked: URLSearchParams[] = [];
    const url = await listening((request, response) => {
      asked.push(new URL(request.url ?? '', 'http://x').searchParams);
      response.writeHead(200, { 'content-type': 'text/csv', trailer: 'Pulselane-Missing' });
      response.write(CSV);
      if (end === 'missing') response.addTrailers({ 'Pulselane-Missing': '1 part is damaged: worker a' });
      if (cutWhen === undefined) response.end();
      else void cutWhen().then(() => response.destroy());
    });
    return { url, asked };
  }

  test('writes to stdout, or to a file in the format of its name', async () => {
    const { url, asked } = await exporting();
    const whole = await run(['export', '-', '--url', url], { isTTY: false });
    expect([whole.stdout, whole.exitCode]).toEqual([CSV, 0]);
    const folder = await newFolder();
    const file = join(folder, 'history.parquet');
    const args = ['--from', '-7d', '--tier', '1m', '--metric', 'cpu_usage', '--label', 'zone=a', '--prefix', 'web-'];
    expect(await run(['export', file, '--url', url, ...args])).toEqual({ stdout: '', stderr: '', exitCode: 0 });
    expect([await readdir(folder), await readFile(file, 'utf8')]).toEqual([['history.parquet'], CSV]);
    expect(asked.map((parameters) => Object.fromEntries(parameters))).toEqual([
      { from: '-24h', format: 'csv' },
      {
        ...{ from: '-7d', format: 'parquet', tier: '1m', metric: 'cpu_usage' },
        ...{ 'label.zone': 'a', prefix: 'web-' },
      },
    ]);
  });

  test('fails if the master breaks off, and does not pass a part off as the whole', async () => {
    const folder = await newFolder();
    const file = join(folder, 'history.csv');
    const hasCome = () => eventually(async () => (await readFile(`${file}.partial`, 'utf8').catch(() => '')) === CSV);
    const { url } = await exporting('whole', hasCome);
    const cut = await run(['export', file, '--url', url]);
    expect(cut.stderr).toMatch(
      /^pulselane: the master ended the export early \(.*\); its log says why; what came is in .*history\.csv\.partial\n$/,
    );
    expect([cut.exitCode, await readdir(folder)]).toEqual([1, ['history.csv.partial']]);
    expect((await run(['export', '--url', url], { isTTY: false })).exitCode).toBe(1);
  });

  test('fails and says what is missing if the master could not read everything', async () => {
    const { url } = await exporting('missing');
    const { stdout, stderr, exitCode } = await run(['export', '--url', url], { isTTY: false });
    expect([stdout, exitCode]).toEqual([CSV, 1]);
    expect(stderr).toBe('pulselane: the export is incomplete: 1 part is damaged: worker a\n');
  });

  test.each([
    [['--format', 'parquet'], /--format parquet: no text for a terminal/],
    [['--format', 'xml'], /Allowed choices are csv, jsonl, parquet/],
    [['--tier', '5m'], /Allowed choices are raw, 1m, 1h/],
    [['--worker', 'a', '--prefix', 'b'], /--worker names the only one/],
    [['--min', 'cpu=1'], /--min cpu=1: /],
  ])('refuses %j before it asks', async (args, message) => {
    const { url, asked } = await exporting();
    const { stderr, exitCode } = await run(['export', '--url', url, ...args]);
    expect([stderr, exitCode, asked]).toEqual([expect.stringMatching(message), 2, []]);
  });

  test('names a file that cannot be written', async () => {
    const { url } = await exporting();
    const { stderr, exitCode } = await run(['export', '/nowhere/history.csv', '--url', url]);
    expect(stderr).toMatch(/^pulselane: \/nowhere\/history\.csv cannot be written: ENOENT/);
    expect(exitCode).toBe(1);
  });
});

describe('pulselane history backup', () => {
  test('copies the database in the data directory, and overwrites nothing', async () => {
    const dataDir = await newFolder();
    const writer = await sqlite.openWriter({ kind: 'sqlite', path: join(dataDir, 'history.db') }, () => {});
    await writer.begin({ bootId: 'aa', startedMs: 1 });
    await writer.write(batchOf('aa', 1, { samples: [sampleRun({ count: 3 })] }));
    const file = join(dataDir, 'copy');
    const done = await run(['history', 'backup', file, '--data-dir', dataDir]);
    expect([done.stderr, done.exitCode]).toEqual(['', 0]);
    expect(done.stdout).toMatch(new RegExp(`^${file}: \\d+\\.\\d MiB\\n$`));
    await writer.close();
    const reader = await sqlite.openReader({ kind: 'sqlite', path: file }, () => {});
    expect((await reader.workers(undefined)).map(({ workerId }) => workerId)).toEqual(['worker-1']);
    await reader.close();
    const again = await run(['history', 'backup', file, '--data-dir', dataDir]);
    expect([again.stderr, again.exitCode]).toEqual([`pulselane: ${file} exists already, and is not overwritten\n`, 1]);
  });

  test('says where there is no history, and what copies PostgreSQL', async () => {
    const dataDir = await newFolder();
    const none = await run(['history', 'backup', join(dataDir, 'copy'), '--data-dir', dataDir]);
    expect([none.stderr, none.exitCode]).toEqual([`pulselane: there is no history at ${dataDir}/history.db\n`, 1]);
    for (const args of [
      ['history', '--last', '1h', 'backup', 'file'],
      ['history', 'backup', '--last', '1h', 'file'],
      ['history', 'backup', 'file', '--url', 'http://other:8080'],
    ]) {
      const refused = await run(args);
      expect([refused.stderr, refused.exitCode]).toEqual([
        expect.stringMatching(/^pulselane: --(last|url): history backup copies the whole database of this machine/),
        2,
      ]);
    }
    expect((await run(['history', 'backup'])).stderr).toMatch(/missing required argument 'file'/);
    vi.stubEnv('DATABASE_URL', 'postgres://me:secret@db.example/fleet');
    const { stderr, exitCode } = await run(['history', 'backup', join(dataDir, 'copy')]);
    vi.unstubAllEnvs();
    expect(stderr).toBe(
      'pulselane: DATABASE_URL is set, so history is in PostgreSQL: copy it with pg_dump --schema=pulselane\n',
    );
    expect(exitCode).toBe(2);
  });
});
