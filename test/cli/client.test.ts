import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createServer as createHttp2Server, createSecureServer as createSecureHttp2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { failureOf } from '../../src/cli/exit-codes.ts';
import type { Command, CommandReply } from '../../src/http/messages.ts';
import { hashOfToken } from '../../src/lib/tokens.ts';
import { newServer } from '../http/support.ts';
import { CertificateAuthority } from '../support/certificates.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { INTERNAL_STATE } from '../support/internal-state.ts';
import { run } from './run.ts';

const servers: Server[] = [];
const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  for (const stop of stops.splice(0)) await stop();
  await Promise.all(
    servers.splice(0).map((server) => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    }),
  );
});

const NODE_A = {
  worker_id: 'node-a',
  cpu_usage: 14.9,
  memory_usage: 50,
  gpu_usage: 0,
  running_tasks: [
    { task_id: 'render\u001b[2J', cpu_allocated: 0.5, memory_allocated: 0.25, gpu_allocated: 0, status: 'running' },
  ],
  storage_usage: 70,
  last_update: 1_795_456_495,
  is_active: true,
};
const SLASHED = { ...NODE_A, worker_id: 'a/b c', running_tasks: [], is_active: false };

const ROUTES: Readonly<Record<string, unknown>> = {
  '/health': { status: 'healthy', time: 1_795_456_500, workers: 2, active_workers: 1, active_clients: 0 },
  '/telemetry': { 'node-a': NODE_A, 'a/b c': SLASHED },
  '/telemetry/node-a': NODE_A,
  '/telemetry/a%2Fb%20c': SLASHED,
  '/workers': { 'node-a': { worker_id: 'node-a', is_active: true, running_tasks_count: 1, last_update: 1 } },
  '/api/v1/holds': {
    grace: null,
    brakes: [{ group: '', since: '2026-01-01T00:00:00Z', ends_at: '2026-01-01T00:05:00Z', silent: 3, of: 5 }],
  },
};

/** A master as its HTTP side is seen. @returns its URL, and the paths that were asked for */
async function serve(
  routes: Readonly<Record<string, unknown>> = ROUTES,
  status: number | Record<string, number> = 200,
) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const body = routes[request.url ?? ''];
    const known = typeof status === 'number' ? status : (status[request.url ?? ''] ?? 200);
    response.writeHead(body === undefined ? 404 : known, {
      'content-type': 'application/json',
      date: new Date(1_795_456_500_000).toUTCString(),
    });
    response.end(JSON.stringify(body ?? { error: 'not found' }));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

describe('pulselane workers', () => {
  test('prints a table on a terminal, with ages by the master’s clock', async () => {
    const { url } = await serve();
    const { stdout, exitCode } = await run(['workers', '--url', url]);
    expect(stdout).toBe(
      [
        'ID      STATE        CPU     MEM    GPU  TASKS  LAST',
        'a/b c   inactive  *14.9%  *50.0%  *0.0%     *0    5s',
        'node-a  active     14.9%   50.0%   0.0%      1    5s',
        '* the last value of a worker that is silent now',
        '',
        '2 workers',
        '',
      ].join('\n'),
    );
    expect(exitCode).toBe(0);
  });

  test('prints the API’s JSON elsewhere, or on demand', async () => {
    const { url, asked } = await serve();
    const piped = JSON.parse((await run(['workers', '--url', url], { isTTY: false })).stdout) as unknown;
    expect(piped).toMatchObject({ workers: [{ worker_id: 'a/b c' }, { worker_id: 'node-a' }], total: 2 });
    expect(JSON.parse((await run(['workers', '--url', url, '-o', 'json'])).stdout)).toEqual(piped);
    expect((await run(['workers', '--url', url, '-o', 'table'], { isTTY: false })).stdout).toContain('STATE');
    // A master of the earlier Go system has no list with states, and is shown all the same.
    expect(asked.slice(0, 2)).toEqual([expect.stringMatching(/^\/api\/v1\/workers\?/), '/telemetry']);
  });
});

test('pulselane workers lists those whose ids begin as is asked for', async () => {
  const served = await serve();
  expect((await run(['workers', 'a/', '--url', served.url])).stdout).toMatch(
    /^ID .*\na\/b c .*\n\* the last .*\n\n1 worker whose id begins with "a\/"\n$/,
  );
  expect((await run(['workers', 'x', '--url', served.url])).stdout).toBe('No worker’s id begins with "x".\n');
  const idsOf = async (prefix: string) =>
    (await run(['workers', prefix, '--url', served.url, '-o', 'jsonl'])).stdout
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => (JSON.parse(line) as { worker_id: string }).worker_id);
  expect([await idsOf('a/'), await idsOf('node'), await idsOf('x')]).toEqual([['a/b c'], ['node-a'], []]);
  const { url, fleet, stop } = await newServer();
  stops.push(stop);
  for (const id of ['web-1', 'web-2', 'we&b', 'db-1']) fleet.register(id);
  expect((await run(['workers', 'web-', '--url', url])).stdout).toMatch(
    /\nweb-1 .*\nweb-2 .*\n\n2 workers whose id begins with "web-"\n$/,
  );
  expect((await run(['workers', 'we&', '--url', url])).stdout).toMatch(/^ID .*\nwe&b .*\n\n1 worker whose/);
});

test('what is printed fits a terminal, and programs get whole lines', async () => {
  const { url } = await serve();
  const lengths = async (options: { isTTY: boolean; columns: number }) =>
    (await run(['status', 'node-a', '--url', url, '-o', 'table'], options)).stdout
      .split('\n')
      .map((line) => line.length);
  const inTerminal = await lengths({ isTTY: true, columns: 40 });
  expect(Math.max(...inTerminal)).toBeLessThanOrEqual(40);
  expect(Math.max(...(await lengths({ isTTY: false, columns: 40 })))).toBeGreaterThan(60);
});

describe('pulselane status', () => {
  test('shows the fleet', async () => {
    const { url } = await serve();
    const { stdout } = await run(['status', '--url', url]);
    expect(stdout).toContain('master      healthy\nworkers     2, 1 active, 1 inactive\n');
    expect(JSON.parse((await run(['status', '--url', url, '-o', 'json'])).stdout)).toEqual({
      status: 'healthy',
      workers: { total: 2, by_state: { active: 1, inactive: 1 } },
      usage: { cpu_usage: 14.9, memory_usage: 50, storage_usage: 70, gpu_usage: 0 },
      running_tasks: 1,
      grace: null,
      alerts: null,
      brakes: [],
      lanes: null,
    });
  });

  test('shows a master that is stuck as it says it is', async () => {
    const { url } = await serve({ ...ROUTES, '/health': { status: 'unhealthy' } }, { '/health': 503 });
    expect((await run(['status', '--url', url, '-o', 'json'])).stdout).toContain('"unhealthy"');
  });

  test('shows one worker, whatever is in its id, and nothing that moves the cursor', async () => {
    const { url, asked } = await serve();
    expect((await run(['status', 'a/b c', '--url', url])).stdout).toContain(
      'worker          a/b c\nstate           inactive',
    );
    expect((await run(['status', 'node-a', '--url', url])).stdout).toContain('render\\x1b[2J  running');
    // A master of the earlier Go system has no such detail, and is shown all the same.
    expect(asked).toEqual([
      '/api/v1/workers/a%2Fb%20c',
      '/telemetry/a%2Fb%20c',
      '/api/v1/workers/node-a',
      '/telemetry/node-a',
    ]);
  });

  test('tells what a master knows beyond a legacy one', async () => {
    const { last_update, ...record } = NODE_A;
    const detail = {
      worker_id: 'node-a',
      is_active: true,
      last_update_at: new Date(last_update * 1000).toISOString(),
      has_gpu: false,
      record,
      state: 'suspect',
      cause: 'silence',
      since: new Date(1_795_456_496_000).toISOString(),
      stuck: null,
      flapping: true,
      id_conflict: false,
      interval_ms: 5000,
      skew_ms: 250,
      restarts: 2,
      heartbeats: { missed: 3, late: 0, duplicate: 1 },
    };
    const { url } = await serve({ ...ROUTES, '/api/v1/workers/node-a': detail });
    const { stdout } = await run(['status', 'node-a', '--url', url]);
    expect(stdout).toContain('suspect for 4s (silence), flapping');
    // What a silent worker's state does not tell.
    expect(stdout).toContain('3 of 5 workers of no group or a small one fell silent at once');
    expect(stdout).toContain('250 ms ahead of the master’s');
    expect(stdout).toMatch(/^usage +CPU 14.9%, memory 50.0%, GPU –, storage 70.0%$/m);
  });

  test('tells of a worker without a record what the prompt tells: nothing that was never received', async () => {
    const at = (seconds: number) => new Date((1_795_456_500 - seconds) * 1000).toISOString();
    const detail = {
      worker_id: 'p1',
      is_active: false,
      last_update_at: at(9),
      state: 'active',
      cause: 'heartbeat',
      since: at(9),
      stuck: null,
      flapping: false,
      id_conflict: false,
      interval_ms: 5000,
      skew_ms: null,
      restarts: 0,
      registered_at: at(9),
      lane: { number: 4, kind: 'penalty', state: 'quarantined', restarts: 3 },
      heartbeats: {
        accepted: 3,
        missed: 0,
        late: 0,
        duplicate: 0,
        applied: 0,
        rejected: 2,
        replaced: 0,
        replaced_by_reason: {},
        lost: 1,
        lost_by_cause: { crash: 1 },
      },
      last_rejection: { cause: 'invalid', reason: 'cpu_usage is not a number', at: at(7) },
      record_bytes: 0,
      record_room_bytes: 4096,
      last_fault: { cause: 'crash', reason: 'it broke', at: at(6) },
      facts: null,
      record: null,
    };
    const { url } = await serve({ ...ROUTES, '/api/v1/workers/p1': detail });
    const { stdout } = await run(['status', 'p1', '--url', url]);
    expect(stdout).toMatch(/^usage +–$/m);
    expect(stdout).toMatch(/^heartbeats +3 accepted: 0 applied, 2 rejected, 0 replaced, 1 lost \(1 crash\)$/m);
    expect(stdout).toMatch(/^last rejection +cpu_usage is not a number \(7s ago\)$/m);
    expect(stdout).toMatch(/^lane +4.*penalty/m);
    expect(stdout).toMatch(/^last failure +crash: it broke \(6s ago\)$/m);
    expect(stdout).toMatch(/^quarantined +"release p1" tries it again now$/m);
  });

  test('of an unknown worker fails with its name', async () => {
    const { url } = await serve();
    expect(await run(['status', 'x\u001b[2J', '--url', url])).toMatchObject({ exitCode: 2 });
    expect(await run(['status', 'nobody', '--url', url])).toEqual({
      stdout: '',
      stderr: 'pulselane: no worker is called nobody\n',
      exitCode: 1,
    });
  });
});

describe('a client of a master of ours', () => {
  async function ours(options: Parameters<typeof newServer>[0] = {}) {
    const server = await newServer(options);
    stops.push(server.stop);
    return server;
  }

  test('lists workers with their states, on however many pages, and who waits', async () => {
    const { url, fleet, clock } = await ours({ rows: 1200 });
    for (let i = 0; i < 1100; i++) fleet.register(`node-${String(i).padStart(4, '0')}`);
    fleet.beat('node-0000', { cpuUsage: 12 });
    fleet.onAnnounce([
      {
        type: 'pending',
        pending: [{ workerId: 'stranger', firstSeenUnixMs: 0, lastSeenUnixMs: clock.wallMs(), attempts: 2 }],
      },
    ]);
    const { stdout, exitCode } = await run(['workers', '--url', url], { clock });
    expect(exitCode).toBe(0);
    const lines = stdout.split('\n');
    expect(lines[0]).toMatch(/^ID +STATE +CPU +MEM +GPU +TASKS +LAST +FOR +LANE +WHY$/);
    expect(lines[1]).toMatch(/^node-0000 +active +12\.0% /);
    expect(lines[2]).toMatch(/^node-0001 +registered +–/);
    expect(lines[1100]).toMatch(/^node-1099 +registered /);
    expect(stdout).toMatch(/Waiting for approval[^\n]*\n.*\n +?stranger/s);
  });

  test('counts workers by the states that the list tells', async () => {
    const { url, fleet, clock } = await ours();
    fleet.register('new');
    expect((await run(['status', '--url', url], { clock })).stdout).toContain(
      'workers     1, 1 registered\nmean usage  – (no active worker)\ntasks       0\n',
    );
    fleet.register('beating');
    fleet.beat('beating', { cpuUsage: 12 });
    const { stdout } = await run(['status', '--url', url], { clock });
    expect(stdout).toContain('workers     2, 1 active, 1 registered\nmean usage  CPU 12.0%, ');
    expect(stdout).not.toContain('lanes');
    const limit = { dedicated: 64, limitedBy: 'cores', setting: 'MAX_DEDICATED_LANES', isMemoryShort: false } as const;
    fleet.onAnnounce([{ type: 'laneLimit', limit }]);
    fleet.board.setLane(0, { number: 1, kind: 'dedicated', state: 'ready', restarts: 0 });
    fleet.board.setLane(1, { number: 2, kind: 'shared', state: 'restarting', restarts: 2 });
    expect((await run(['status', '--url', url], { clock })).stdout).toContain(
      'lanes       1 dedicated (at most 64, as many as the cores run well; MAX_DEDICATED_LANES changes it), 1 shared, ' +
        '1 restarting, 2 restarts\n',
    );
  });

  test.each([
    ['approve', { type: 'approve', workerId: 'a/b' }],
    ['release', { type: 'release', workerId: 'a/b' }],
    ['unregister', { type: 'unregister', workerId: 'a/b' }],
  ])('has it %s a worker, and prints what it says', async (order, command) => {
    const { url, commands } = await ours({ replyTo: () => ({ ok: true, message: 'done\u001b[2J' }) });
    expect(await run([order, 'a/b', '--url', url])).toEqual({ stdout: 'done\\x1b[2J\n', stderr: '', exitCode: 0 });
    expect(commands).toEqual([command]);
  });

  test('has it isolate a worker, and takes no other word for a lane', async () => {
    const { url, commands } = await ours({ replyTo: () => ({ ok: true, message: 'done' }) });
    expect((await run(['isolate', 'a/b', 'dedicated', '--url', url])).stdout).toBe('done\n');
    expect(await run(['isolate', 'a/b', 'alone', '--url', url])).toEqual({
      stdout: '',
      stderr: 'pulselane: lane "alone": expected one of auto, dedicated, shared\n',
      exitCode: 2,
    });
    expect(commands).toEqual([{ type: 'isolate', workerId: 'a/b', isolation: 'dedicated' }]);
  });

  test('is told why it was not done', async () => {
    const { url } = await ours({ replyTo: () => ({ ok: false, code: 'not_found', message: 'no worker is called x' }) });
    expect(await run(['unregister', 'x', '--url', url])).toEqual({
      stdout: '',
      stderr: 'pulselane: no worker is called x\n',
      exitCode: 1,
    });
    expect(await run(['approve', '..', '--url', url])).toMatchObject({ exitCode: 2 });
  });

  test('shows and releases brakes', async () => {
    const { url, fleet, commands } = await ours({ replyTo: () => ({ ok: true, message: 'released' }) });
    expect((await run(['brake', '--url', url])).stdout).toBe('No brake is active.\n');
    const brakes = [{ group: 'rack', sinceUnixMs: 0, endsUnixMs: 300_000, silent: 3, watched: 4 }];
    fleet.onAnnounce([{ type: 'holds', holds: { graceEndsUnixMs: 60_000, brakes } }]);
    const { stdout } = await run(['brake', '--url', url]);
    expect(stdout).toMatch(
      /^grace after the restart until .*\nbrake since .*: 3 of 4 workers of group rack fell silent/,
    );
    expect((await run(['brake', 'release', '--url', url])).stdout).toBe('released\n');
    expect((await run(['brake', 'release', 'rack', '--url', url])).stdout).toBe('released\n');
    expect(commands).toEqual([
      { type: 'release-brakes', group: undefined },
      { type: 'release-brakes', group: 'rack' },
    ]);
    expect(await run(['brake', 'now', '--url', url])).toMatchObject({
      exitCode: 2,
      stderr: 'pulselane: brake now: expected "release" or nothing\n',
    });
  });
});

describe('a look inside a master', () => {
  test('liveness tells since when and why, for people and for programs', async () => {
    const { url, stop, fleet, clock } = await newServer();
    stops.push(stop);
    for (const id of ['web-1', 'web-2', 'db-1']) {
      fleet.register(id);
      fleet.beat(id);
    }
    clock.advance(61_000);
    const { stdout, exitCode } = await run(['liveness', 'web-', '--url', url]);
    expect(exitCode).toBe(0);
    expect(stdout.split('\n')[0]?.split(/ {2,}/)).toEqual([
      'ID',
      'STATE',
      'FOR',
      'WHY',
      'EVERY',
      'SKEW',
      'MISSED',
      'LATE',
      'DUPLICATE',
      'RESTARTS',
    ]);
    expect(stdout).toMatch(/^web-1 {2}active .*\nweb-2 {2}active /m);
    expect(stdout).toContain('2 workers whose id begins with "web-"');
    const { workers } = JSON.parse((await run(['liveness', 'db', '--url', url, '-o', 'json'])).stdout);
    expect(workers).toEqual([
      expect.objectContaining({ worker_id: 'db-1', state: 'active', late: 0, duplicate: 0, missed: 0, skew_ms: null }),
    ]);
    expect((await run(['liveness', '--url', url, '-o', 'csv'])).stdout.split('\n')).toHaveLength(5);
    const chosen = await run(['liveness', '--state', 'active', '--sort', '-worker_id', '--limit', '1', '--url', url]);
    expect(chosen.stdout).toMatch(/^web-2 {2}active /m);
    expect(chosen.stdout).toMatch(/\n\n1 of 3 matching workers\n$/);
  });

  test('internal-state shows what the prompt does, with the workers of each lane', async () => {
    const replyTo = (command: Command): CommandReply =>
      command.type === 'internal-state'
        ? { ok: true, message: '', state: INTERNAL_STATE }
        : { ok: false, code: 'internal', message: '' };
    const { url, stop, fleet } = await newServer({ replyTo });
    stops.push(stop);
    for (const [row, id] of ['a', 'b', 'c'].entries()) {
      fleet.register(id);
      fleet.board.setLane(row, { number: row === 0 ? 1 : 2, kind: 'shared', state: 'ready', restarts: 0 });
    }
    const { stdout, exitCode } = await run(['internal-state', '--url', url]);
    expect(exitCode).toBe(0);
    expect(stdout).toContain('boot id          0123456789abcdef0123456789abcdef\n');
    expect(stdout).toContain('gRPC             1 connection, 3 streams\n');
    expect(stdout).toMatch(/2 {2}shared {5}ready {8}2 {9}3 {2}it ended {6}b, c\n$/);
    expect(JSON.parse((await run(['internal-state', '--url', url, '-o', 'json'])).stdout)).toMatchObject({
      lanes: [{ worker_ids: ['a'] }, { worker_ids: ['b', 'c'], last_error: 'it ended' }],
    });
  });

  test('a master that does not tell is no reason for a stack trace', async () => {
    const { url } = await serve();
    for (const [command, text] of [
      ['liveness', 'has no /api/v1 and does not tell of liveness'],
      ['internal-state', 'does not tell of its inside: it is too old'],
    ] as const) {
      expect(await run([command, '--url', url])).toMatchObject({
        exitCode: 1,
        stderr: `pulselane: the master at ${url} ${text}\n`,
      });
    }
  });
});

describe('a client of a master that asks for tokens', () => {
  const tokens = [{ name: 'reader', scopes: ['read'], hash: hashOfToken('plt_reader') }] as const;

  test('shows the one of its file, or of the environment', async () => {
    const { url, stop } = await newServer({ tokens });
    stops.push(stop);
    const folder = await mkdtemp(join(tmpdir(), 'pulselane-token-'));
    stops.push(() => rm(folder, { recursive: true }));
    const file = join(folder, 'token');
    await writeFile(file, 'plt_reader\n');
    expect(await run(['workers', '--url', url, '-o', 'json', '--token-file', file])).toMatchObject({
      exitCode: 0,
      stderr: '',
    });
    vi.stubEnv('PULSELANE_TOKEN', 'plt_reader');
    expect(await run(['status', '--url', url])).toMatchObject({ exitCode: 0, stderr: '' });
    await writeFile(file, 'plt_other');
    expect((await run(['workers', '--url', url, '--token-file', file])).stderr).toBe(
      `pulselane: the master at ${url} does not know this token: it was taken back, or is of another master, or is a worker’s token\n`,
    );
    vi.stubEnv('PULSELANE_TOKEN', 'plt_secret plt_secret');
    const { stderr, exitCode } = await run(['workers', '--url', url]);
    expect([exitCode, stderr]).toEqual([
      2,
      'pulselane: PULSELANE_TOKEN: expected a token, on one line and without spaces\n',
    ]);
    expect((await run(['workers', '--url', url, '--token-file', `${file}.no`])).stderr).toContain(
      `pulselane: --token-file ${file}.no: cannot be read: no such file`,
    );
  });

  test('is told when its token has expired', async () => {
    const expiresUnixMs = Date.parse('2026-11-01T00:00:00Z');
    const { url, stop } = await newServer({ tokens: [{ ...tokens[0], expiresUnixMs }] });
    stops.push(stop);
    vi.stubEnv('PULSELANE_TOKEN', 'plt_reader');
    for (const command of ['workers', 'status']) {
      expect(await run([command, '--url', url])).toMatchObject({
        exitCode: 1,
        stderr: `pulselane: the master at ${url} says that the token reader expired at 2026-11-01T00:00:00Z\n`,
      });
    }
  });

  test('is told what is missing', async () => {
    const { url, stop } = await newServer({ tokens });
    stops.push(stop);
    expect(await run(['workers', '--url', url])).toEqual({
      stdout: '',
      stderr: `pulselane: the master at ${url} asks for a token: give --token-file <file>, or set PULSELANE_TOKEN\n`,
      exitCode: 1,
    });
  });

  test.each([
    [403, 'does not let this token do that'],
    [421, 'does not go by that name: ALLOWED_HOSTS of the master adds it'],
    [429, 'receives too many requests from this client; try again in 1 s'],
  ])('is told what %i means', async (status, what) => {
    const { url } = await serve(ROUTES, status);
    expect((await run(['workers', '--url', url])).stderr).toBe(`pulselane: the master at ${url} ${what}\n`);
  });
});

describe('a client of a master that speaks TLS', () => {
  async function authority(): Promise<CertificateAuthority> {
    const made = await CertificateAuthority.create();
    stops.push(() => made.remove());
    return made;
  }

  /** @param clients whose certificates are taken; undefined: none is asked for */
  async function speaking(server: CertificateAuthority, clients?: CertificateAuthority) {
    const { certPem: cert, keyPem: key } = await server.server();
    const listening = await newServer({ tls: { cert, key, clientCa: clients?.pem } });
    stops.push(listening.stop);
    return listening;
  }

  test('is told what is wrong with the certificate', async () => {
    const { url, port } = await speaking(await authority());
    expect((await run(['workers', '--url', url])).stderr).toMatch(
      /^pulselane: the certificate at https:\S+ is of no known authority \(\w+\); --tls-ca <ca.pem> names its authority\n$/,
    );
    expect((await run(['workers', '--url', `http://127.0.0.1:${port}`])).stderr).toContain('; is it https:?');
    const plain = await serve();
    expect((await run(['workers', '--url', plain.url.replace('http', 'https')])).stderr).toContain('; is it http:?');
  });

  test('believes the authority that it is given', async () => {
    const known = await authority();
    const { url } = await speaking(known);
    expect(await run(['workers', '--url', url, '--tls-ca', known.path])).toMatchObject({ exitCode: 0, stderr: '' });
    vi.stubEnv('PULSELANE_TLS_CA', (await authority()).path);
    expect((await run(['workers', '--url', url])).stderr).toContain('is of no known authority');
  });

  test('shows its certificate where one is asked for, and is told so if it has none', async () => {
    const known = await authority();
    const { url } = await speaking(known, known);
    const { cert, key } = await known.issue({ commonName: 'operator' });
    const trusting = ['workers', '--url', url, '--tls-ca', known.path];
    expect(await run([...trusting, '--tls-cert', cert, '--tls-key', key])).toMatchObject({ exitCode: 0, stderr: '' });
    expect((await run(trusting)).stderr).toMatch(
      /^pulselane: the master at \S+ asks for a client certificate \(\w+\): give --tls-cert <file.pem> and --tls-key <file.pem>; HTTP_CLIENT_CERT=off /,
    );
    const stranger = await (await authority()).issue({ commonName: 'operator' });
    expect((await run([...trusting, '--tls-cert', stranger.cert, '--tls-key', stranger.key])).stderr).toMatch(
      /^pulselane: the master at \S+ does not take the certificate of --tls-cert \(\w+\)/,
    );
  });

  test('is told that it may be the gRPC port', async () => {
    const known = await authority();
    const { certPem: cert, keyPem: key } = await known.server();
    const server = createSecureHttp2Server({ cert, key });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    stops.push(() => new Promise((resolve) => server.close(() => resolve())));
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect((await run(['status', '--url', url, '--tls-ca', known.path])).stderr).toMatch(
      /^pulselane: what answers at \S+ does not speak HTTP\/1.1 \(\w+\); is it the gRPC port\?/,
    );
  });

  test('is told which file is wrong before anybody is asked', async () => {
    const known = await authority();
    const { cert } = await known.issue({ commonName: 'operator' });
    const { key: otherKey } = await known.issue({ commonName: 'other' });
    const failure = async (...flags: string[]) => {
      const { exitCode, stderr } = await run(['workers', '--url', 'https://127.0.0.1:1', ...flags]);
      expect(exitCode).toBe(2);
      return stderr;
    };
    expect(await failure('--tls-cert', cert)).toBe(`pulselane: --tls-cert ${cert}: expected --tls-key to be set too\n`);
    expect(await failure('--tls-ca', `${cert}.no`)).toContain(`--tls-ca ${cert}.no: cannot be read: no such file`);
    expect(await failure('--tls-ca', otherKey)).toContain('expected certificates in PEM');
    expect(await failure('--tls-cert', cert, '--tls-key', otherKey)).toContain(
      `--tls-key ${otherKey}: cannot be used for TLS: the key does not match the certificate\n`,
    );
  });
});

describe('a client whose master cannot be asked', () => {
  test('names the URL and how to start one', async () => {
    const { url } = await serve();
    const [server] = servers.splice(0);
    await new Promise((resolve) => server?.close(resolve));
    expect(await run(['workers', '--url', url])).toEqual({
      stdout: '',
      stderr: `pulselane: no master answers at ${url} (ECONNREFUSED); "pulselane master" starts one, --url names another\n`,
      exitCode: 1,
    });
  });

  test('asks at any port', async () => {
    // A port that browsers, and fetch with them, refuse to ask; nobody listens there.
    expect((await run(['status', '--url', 'http://127.0.0.1:1'])).stderr).toMatch(
      /^pulselane: no master answers at http:\/\/127.0.0.1:1 \(ECONNREFUSED\)/,
    );
  });

  test('says that it may be the gRPC port', async () => {
    const server = createHttp2Server();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    stops.push(() => new Promise((resolve) => server.close(() => resolve())));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect((await run(['status', '--url', url])).stderr).toMatch(
      /^pulselane: what answers at \S+ does not speak HTTP\/1.1 \(HPE_\w+\); is it the gRPC port\?/,
    );
  });

  test('says that something else answers there', async () => {
    const { url } = await serve({ '/telemetry': ['hello'] });
    expect((await run(['workers', '--url', url])).stderr).toContain('not that of a Pulselane master');
    expect((await run(['status', '--url', url])).stderr).toContain(`${url}/health answers 404`);
    const broken = await serve({ '/telemetry': {} }, 500);
    expect((await run(['workers', '--url', broken.url])).stderr).toContain(`${broken.url}/telemetry answers 500`);
  });

  test('gives up on one that never answers', async () => {
    const clock = new FakeClock();
    const server = createServer(() => clock.advance(5000));
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { stderr, exitCode } = await run(['workers', '--url', url], { clock });
    expect(stderr).toMatch(/^pulselane: \S+\/api\/v1\/workers\S+ did not answer within 5 s; is a master there\?/);
    expect(exitCode).toBe(1);
    expect(clock.pending).toBe(0);
  });
});

describe('used wrongly', () => {
  test.each([
    [['workers', '--frob'], "unknown option '--frob'"],
    [['frob'], "unknown command 'frob'"],
    [['workrs'], "unknown command 'workrs' (Did you mean workers?)"],
    [['frob', '--help'], "unknown command 'frob'"],
    [['help', 'frob'], "unknown command 'frob'"],
    [['token', 'frob', '--help'], "unknown command 'frob'"],
    [['status', 'a', 'b'], "too many arguments for 'status'. Expected 1 argument but got 2"],
    [
      ['workers', '-o', 'xml'],
      "option '-o, --output <format>' argument 'xml' is invalid. Allowed choices are table, wide, json, jsonl, csv.",
    ],
    [['workers', '--url', 'ftp://x'], '--url ftp://x: expected a URL such as http://127.0.0.1:8080'],
    [['status', '..'], 'worker_id ".." cannot be named in a URL'],
    [['config', '--grpc-port', 'off'], '--grpc-port off: expected'],
  ])('%j: one line and exit code 2', async (args, message) => {
    const { stdout, stderr, exitCode } = await run(args);
    expect(stderr).toContain(`pulselane: ${message}`);
    expect(stderr.split('\n')).toHaveLength(2);
    expect(stdout).toBe('');
    expect(exitCode).toBe(2);
  });

  test('every command explains itself, with examples', async () => {
    for (const command of [[], ['master'], ['workers'], ['status'], ['config'], ['token', 'create'], ['help']]) {
      const { stdout, exitCode } = await run([...command, '--help']);
      expect(stdout).toContain('Examples:');
      expect(exitCode).toBe(0);
    }
  });
});

describe('pulselane config', () => {
  test('tells where each setting comes from', async () => {
    const { stdout } = await run(['config', '--http-port', '9000']);
    expect(stdout).toMatch(/^HTTP_PORT +9000 +flag +--http-port$/m);
    expect(stdout).toMatch(/^GRPC_PORT +127\.0\.0\.1:50051 +default +--grpc-port$/m);
    const settings = JSON.parse((await run(['config', '-o', 'json'])).stdout) as { env: string; origin: string }[];
    expect(settings.find(({ env }) => env === 'RETENTION')).toEqual({
      env: 'RETENTION',
      flag: '--retention',
      text: '24h',
      origin: 'default',
    });
    expect((await run(['config', 'master', '--http-port', '9000'])).stdout).toBe(stdout);
  });

  test('tells what auto amounts to on this machine, and nothing of what is set', async () => {
    const ask = async (...flags: string[]) => {
      const { stdout } = await run(['config', ...flags, '-o', 'json']);
      const settings = JSON.parse(stdout) as { env: string; text: string; effective?: string }[];
      return Object.fromEntries(settings.map(({ env, text, effective }) => [env, effective ?? text]));
    };
    const auto = await ask();
    for (const env of ['MAX_DEDICATED_LANES', 'SHARED_LANES', 'MAX_RESIDENT']) expect(auto[env]).toMatch(/^\d+$/);
    expect(auto.RECORD_MEMORY).toMatch(/^\d+MiB$/);
    const flags = ['--max-dedicated-lanes', '7', '--record-memory', '80MiB', '--max-resident', '900'];
    expect(await ask(...flags)).toMatchObject({
      MAX_DEDICATED_LANES: '7',
      SHARED_LANES: auto.SHARED_LANES,
      RECORD_MEMORY: '80MiB',
      MAX_RESIDENT: '900',
    });
    expect((await run(['config'])).stdout).toMatch(/^SHARED_LANES +auto \(\d+\) +default/m);
  });

  test('tells the settings of an agent and of a client, each by its own flags, without secrets', async () => {
    vi.stubEnv('WORKER_TOKEN', 'plt_secret');
    vi.stubEnv('PULSELANE_TOKEN', 'plt_secret');
    const agent = await run([
      'config',
      'agent',
      '--master',
      '10.0.0.5:50051',
      '--tls-ca',
      'ca.pem',
      '--log-level',
      'warn',
    ]);
    expect(agent.stdout).toMatch(/^MASTER_ADDRESS +10\.0\.0\.5:50051 +flag/m);
    expect(agent.stdout).toMatch(/^MASTER_TLS_CA +ca\.pem +flag/m);
    // The master has that flag, too.
    expect(agent.stdout).toMatch(/^LOG_LEVEL +warn +flag/m);
    expect(agent.stdout).toMatch(/^WORKER_TOKEN +\*{8} +environment/m);
    const client = await run(['config', 'client', '--tls-ca', 'other.pem']);
    expect(client.stdout).toMatch(/^PULSELANE_TLS_CA +other\.pem +flag/m);
    expect(agent.stdout + client.stdout).not.toContain('plt_secret');
    expect(await run(['config', 'client', '--http-port', '9000'])).toMatchObject({
      exitCode: 2,
      stderr: 'pulselane: config client: --http-port is a flag of the master\n',
    });
    expect(await run(['config', 'worker'])).toMatchObject({
      exitCode: 2,
      stderr: 'pulselane: config worker: expected master, agent or client\n',
    });
  });
});

test('a master tells wrong settings and files that cannot be read in one list', async () => {
  const flags = ['--http-port', 'x', '--tls-cert', '/no/cert.pem', '--tls-key', '/', '--api-tokens-file', '/dev/null'];
  const { stderr, exitCode } = await run(['master', ...flags]);
  expect(stderr.trimEnd().split('\n')).toEqual([
    expect.stringContaining('pulselane: --http-port x: expected'),
    'pulselane: --tls-cert /no/cert.pem: cannot be read: no such file',
    'pulselane: --tls-key /: cannot be read: it is a directory',
  ]);
  expect(exitCode).toBe(2);
});

describe('settings that break a rule', () => {
  test.each([
    [['agent'], /^MASTER_ADDRESS +– +default/m, 'MASTER_ADDRESS is not set'],
    [
      ['--inactivity-timeout', '6s'],
      /^INACTIVITY_TIMEOUT +6s +flag/m,
      '--inactivity-timeout 6s: expected at least twice',
    ],
  ])('%j: shown all the same, and told below', async (args, shown, told) => {
    const { stdout, stderr, exitCode } = await run(['config', ...args]);
    expect(stdout).toMatch(shown);
    expect(stderr).toMatch(/^pulselane: .*\n$/);
    expect(stderr).toContain(told);
    expect(exitCode).toBe(2);
  });

  test('are not shown where one cannot be read', async () => {
    expect(await run(['config', 'agent', '--tls-ca', ''])).toMatchObject({ stdout: '', exitCode: 2 });
  });
});

describe('an error', () => {
  test('of our own making is one line, and its stack only for who asked for it', () => {
    const error = new TypeError('x is\nundefined');
    expect(failureOf(error, false)).toEqual({
      exitCode: 1,
      text: 'pulselane: internal error: x is undefined (LOG_LEVEL=debug shows where)\n',
    });
    expect(failureOf(error, true).text).toContain('client.test.ts');
  });
});

describe('pulselane events', () => {
  const event = { at: '2026-11-24T10:34:55.000Z', worker_id: 'node-a', group: null, text: 'worker is inactive' };
  const answer = { events: [event], last_id: 1 };

  test('lists the newest for people, and prints the API’s JSON for machines', async () => {
    const { url, asked } = await serve({ '/api/v1/events?limit=30': answer, '/api/v1/events?limit=7': answer });
    expect((await run(['events', '--url', url])).stdout).toContain('2026-11-24T10:34:55Z  node-a  worker is inactive');
    expect(JSON.parse((await run(['events', '7', '--url', url, '-o', 'json'])).stdout)).toMatchObject({
      events: [event],
    });
    expect(asked).toEqual(['/api/v1/events?limit=30', '/api/v1/events?limit=7']);
  });

  test('refuses a number that is none', async () => {
    expect(await run(['events', 'many'])).toMatchObject({ exitCode: 2 });
  });
});
