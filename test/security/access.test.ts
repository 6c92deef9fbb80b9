/** Attacks on the locked door: no token, wrong ones, and those of somebody else, on everything that can be asked. */
import { createHmac, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingHttpHeaders, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { MasterWorker } from '../../src/gen/cluster/master_worker_pb.ts';
import { RefusalCode, TelemetryService } from '../../src/gen/pulselane/v1/telemetry_pb.ts';
import { apiTokenLine, hashOfToken, newToken } from '../../src/lib/tokens.ts';
import { workerTokenLine } from '../../src/model/identity.ts';
import { newApp } from '../http/support.ts';
import { eventually } from '../support/eventually.ts';
import { bearer, heartbeatBytes, WorkerClient } from '../support/grpc-client.ts';
import { ATTACKER, Siege, WELL_BEHAVED } from './siege.ts';

const tokens = {
  healthy: newToken(),
  evil: newToken(),
  rack: newToken(),
  reader: newToken(),
  operator: newToken(),
};

let folder: string;
let siege: Siege;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pulselane-access-'));
  const workers = [
    ...WELL_BEHAVED.map((id) => workerTokenLine({ kind: 'worker', id }, hashOfToken(tokens.healthy))),
    workerTokenLine({ kind: 'worker', id: 'evil' }, hashOfToken(tokens.evil)),
    workerTokenLine({ kind: 'group', id: 'rack' }, hashOfToken(tokens.rack)),
  ];
  const api = [
    apiTokenLine({ name: 'reader', scopes: ['read'], hash: hashOfToken(tokens.reader) }),
    apiTokenLine({ name: 'operator', scopes: ['operate'], hash: hashOfToken(tokens.operator) }),
  ];
  writeFileSync(join(folder, 'workers'), workers.join('\n'));
  writeFileSync(join(folder, 'api'), api.join('\n'));
  siege = await Siege.start(
    { WORKER_TOKENS_FILE: join(folder, 'workers'), API_TOKENS_FILE: join(folder, 'api') },
    { workers: tokens.healthy, api: tokens.operator },
  );
});
afterAll(async () => {
  await siege?.close();
  rmSync(folder, { recursive: true, force: true });
});

// ── HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What anybody may ask for: whether the master lives, and the way in. */
const PUBLIC = new Set(['/health', '/livez', '/readyz', '/login']);
/** What workers call, with tokens of workers: no token of the API opens it. */
const FOR_WORKERS = ['/api/v1/heartbeats', '/api/v1/workers/own-0/leave'];

interface Operation {
  readonly method: string;
  readonly path: string;
}

function isForWorkers({ method, path }: Operation): boolean {
  return method === 'POST' && FOR_WORKERS.includes(path);
}

/** Everything that can be asked, by the app's own account, so that a new route is one of them. */
function operations(): Operation[] {
  const { app } = newApp();
  const seen = new Map<string, Operation>();
  for (const { method, path } of app.routes) {
    if (path === '/*') continue;
    const asked = path.replaceAll(/:\w+(\{[^}]*\})?/g, 'own-0');
    for (const each of method === 'ALL' ? ['PUT', 'DELETE'] : [method]) {
      seen.set(`${each} ${asked}`, { method: each, path: asked });
    }
  }
  return [...seen.values()];
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
}

/** From elsewhere than the healthy workers; of an answer that does not end, its beginning. */
function ask({ method, path }: Operation, headers: Readonly<Record<string, string>>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', localAddress: ATTACKER, port: siege.httpPort, method, path, headers });
    asked.once('response', ({ statusCode, headers: answered }) => {
      resolve({ status: statusCode, headers: answered });
      asked.destroy();
    });
    asked.once('upgrade', ({ statusCode, headers: answered }, socket) => {
      socket.destroy();
      resolve({ status: statusCode, headers: answered });
    });
    asked.once('error', reject);
    asked.end();
  });
}

test('every route refuses who shows nothing, and who shows something that is no token', async () => {
  const { operator } = tokens;
  const expires = Math.floor(Date.now() / 1000) + 3600;
  const mac = createHmac('sha256', hashOfToken(operator)).update(`operator~${expires}`).digest('base64url');
  const attempts: [string, Readonly<Record<string, string>>, string?][] = [
    ['nothing', {}],
    ['an empty token', { authorization: 'Bearer ' }],
    ['a token that nobody has', { authorization: `Bearer ${newToken()}` }],
    ['the hash of one', { authorization: `Bearer ${hashOfToken(operator)}` }],
    ['one and more', { authorization: `Bearer ${operator}x` }],
    ['most of one', { authorization: `Bearer ${operator.slice(0, -1)}` }],
    ['one in other letters', { authorization: `Bearer ${operator.toUpperCase()}` }],
    ['two', { authorization: `Bearer ${operator}, Bearer ${operator}` }],
    ['one as a password', { authorization: `Basic ${Buffer.from(`operator:${operator}`).toString('base64')}` }],
    ['one in the query', {}, `?token=${operator}&access_token=${operator}&authorization=Bearer%20${operator}`],
    ['one as a cookie', { cookie: `pulselane_session=${operator}; token=${operator}` }],
    ['a session sealed with its hash', { cookie: `pulselane_session=operator~${expires}~${mac}` }],
    [
      'a session of random bytes',
      { cookie: `pulselane_session=operator~${expires}~${randomBytes(32).toString('base64url')}` },
    ],
    ['a session of a prototype', { cookie: `pulselane_session=__proto__~${expires}~${mac}` }],
    ['the word of a proxy', { 'x-forwarded-for': '127.0.0.1', 'x-real-ip': '127.0.0.1', forwarded: 'for=127.0.0.1' }],
  ];
  await siege.withstands(async () => {
    const all = operations();
    expect(all.length).toBeGreaterThan(30);
    for (const path of FOR_WORKERS) expect(all).toContainEqual({ method: 'POST', path });
    for (const operation of all) {
      if (PUBLIC.has(operation.path)) continue;
      const others: typeof attempts = isForWorkers(operation)
        ? [['a token of the API', { authorization: `Bearer ${operator}` }]]
        : [['a token of a worker', { authorization: `Bearer ${tokens.healthy}` }]];
      for (const [what, headers, query = ''] of [...attempts, ...others]) {
        const asked = { ...operation, path: operation.path + query };
        const upgrade = operation.path.startsWith('/ws/') ? WEBSOCKET : {};
        const { status: answered, headers: told } = await ask(asked, { ...headers, ...upgrade });
        const where = `${operation.method} ${operation.path} with ${what}`;
        // 429: so many wrong ones are guesses.
        expect(answered, where).toBeOneOf('authorization' in headers ? [401, 429] : [401]);
        if (answered === 401) expect(told['www-authenticate'], where).toMatch(/^Bearer/);
        else expect(Number(told['retry-after']), where).toBeGreaterThan(0);
      }
    }
  });
}, 120_000);

const WEBSOCKET = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
} as const;

test('who may read changes nothing, whatever the method', async () => {
  await siege.withstands(async () => {
    for (const operation of operations()) {
      if (operation.method === 'GET' || !operation.path.startsWith('/api/')) continue;
      // Its question is too large for a URL.
      if (operation.path === '/api/v1/history/query') continue;
      const { status: answered } = await ask(operation, { authorization: `Bearer ${tokens.reader}` });
      // Where workers call, it is a wrong token: 429 if there were many.
      const wanted = isForWorkers(operation) ? [401, 429] : [403];
      expect(answered, `${operation.method} ${operation.path}`).toBeOneOf(wanted);
    }
  });
});

test('pages of others change nothing and open no WebSocket, whoever’s token their reader has', async () => {
  await siege.withstands(async () => {
    const headers = { authorization: `Bearer ${tokens.operator}`, origin: 'http://evil.example' };
    for (const operation of operations()) {
      const { method, path } = operation;
      const isWebSocket = path.startsWith('/ws/');
      if ((method === 'GET' && !isWebSocket) || PUBLIC.has(path)) continue;
      const { status: answered } = await ask(operation, { ...headers, ...(isWebSocket ? WEBSOCKET : {}) });
      expect(answered, `${method} ${path}`).toBe(403);
    }
    const rebound = await ask({ method: 'GET', path: '/telemetry' }, { ...headers, host: 'evil.example' });
    expect(rebound.status).toBe(421);
  });
});

// ── gRPC ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Names of what the master serves of both services. */
const UNARY = ['RegisterWorker', 'SendHeartbeat', 'Register', 'Deregister'];

function idOnly(workerId: string): Buffer {
  return Buffer.from([0x0a, workerId.length, ...Buffer.from(workerId)]);
}

async function withClient<T>(token: string | undefined, work: (client: WorkerClient) => Promise<T>): Promise<T> {
  const client = new WorkerClient(
    siege.grpcPort,
    { 'grpc.use_local_subchannel_pool': 1 },
    token === undefined ? {} : bearer(token),
  );
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

test('every method refuses who is not known', async () => {
  const served = [...TelemetryService.methods, ...MasterWorker.methods].map(({ name }) => name);
  await siege.withstands(async () => {
    for (const token of [
      undefined,
      '',
      newToken(),
      hashOfToken(tokens.healthy),
      `${tokens.healthy}x`,
      tokens.operator,
    ]) {
      await withClient(token, async (client) => {
        for (const name of served) {
          if (name === TelemetryService.method.streamHeartbeats.name) {
            const stream = client.stream();
            stream.send({ workerId: 'own-0', sequence: 1n });
            await eventually(() => stream.error !== undefined);
            expect(stream.error).toMatchObject({ code: status.UNAUTHENTICATED });
            continue;
          }
          const call = client.call(name, idOnly('own-0'));
          const code = UNARY.includes(name) ? status.UNAUTHENTICATED : status.UNIMPLEMENTED;
          await expect(call, name).rejects.toMatchObject({ code });
        }
      });
    }
  });
});

test('a worker speaks for nobody else: by its own token, and by that of a group', async () => {
  await siege.withstands(async () => {
    for (const token of [tokens.evil, tokens.rack]) {
      await withClient(token, async (client) => {
        for (const name of UNARY) {
          await expect(client.call(name, idOnly('own-0')), name).rejects.toMatchObject({
            code: status.PERMISSION_DENIED,
          });
        }
        // By saying that it belongs to the group.
        const claim = Buffer.concat([idOnly('own-0'), Buffer.from([0x92, 1, 4]), Buffer.from('rack')]);
        await expect(client.call('Register', claim)).rejects.toMatchObject({ code: status.PERMISSION_DENIED });
        const stream = client.stream();
        // By naming two: the last one counts, for main and for the lane.
        stream.call.write(Buffer.concat([heartbeatBytes({ workerId: 'evil' }), idOnly('own-0')]));
        for (let i = 0; i < 500; i++) stream.send({ workerId: 'own-0', sequence: BigInt(i), leaving: true });
        await eventually(() => stream.refusals.length > 0);
        for (const { code } of stream.refusals) expect(code).toBe(RefusalCode.PERMISSION_DENIED);
        expect(stream.acked('own-0')).toBe(0);
        stream.call.cancel();
      });
    }
    const told = (await siege.master.events()).filter(({ type }) => type === 'identity');
    // Each of the two, and not each of what they tried.
    expect(told.length).toBeGreaterThan(0);
    expect(told.length).toBeLessThanOrEqual(4);
  });
});

test('no token is told to anybody who reads', async () => {
  for (const path of ['/api/v1/events', '/api/v1/limits', '/api/v1/cluster', '/api/v1/workers/own-0', '/telemetry']) {
    const text = JSON.stringify(await siege.master.get(path));
    for (const token of Object.values(tokens)) {
      expect(text).not.toContain(token);
      expect(text).not.toContain(hashOfToken(token));
    }
  }
});
