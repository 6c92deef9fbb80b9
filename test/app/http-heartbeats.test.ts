/** A whole master that takes heartbeats over HTTP: with tokens and certificates that change, and across a restart. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startMaster } from '../../src/app/master.ts';
import type { RunningMaster } from '../../src/app/running-master.ts';
import { masterConfig } from '../../src/config/resolve.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { silentLogger } from '../../src/lib/logging.ts';
import { hashOfToken } from '../../src/lib/tokens.ts';
import { workerTokenLine } from '../../src/model/identity.ts';
import { CertificateAuthority } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';

let folder: string;
let master: RunningMaster | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulselane-http-heartbeats-'));
});
afterEach(async () => {
  await master?.stop();
  master = undefined;
  await rm(folder, { recursive: true, force: true });
});

async function start(settings: Record<string, string> = {}): Promise<string> {
  const environment = {
    GRPC_PORT: '127.0.0.1:0',
    HTTP_PORT: '127.0.0.1:0',
    ALERTS: 'off',
    DATA_DIR: join(folder, 'data'),
    MAX_DEDICATED_LANES: '0',
    HISTORY: 'off',
    ...settings,
  };
  const config = masterConfig({ flags: {}, environment, dotenv: {} });
  master = await startMaster(config, { logger: silentLogger, clock: systemClock });
  return `${settings.TLS_CERT === undefined ? 'http' : 'https'}://127.0.0.1:${master.httpAddress?.port}`;
}

async function post(url: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, answer: (await response.json()) as Record<string, unknown> };
}

test('a heartbeat is shown, a large request is read elsewhere, and an interval survives a restart', async () => {
  let url = await start();
  const sent = { worker_id: 'cron', cpu_usage: 12.5, worker: { group: 'jobs', labels: { zone: 'a' } } };
  expect(await post(`${url}/api/v1/heartbeats?interval=10m`, sent)).toEqual({
    status: 200,
    answer: { accepted: 1, refused: [] },
  });
  // Above half a MiB, in a thread of the pool.
  const many = Array.from({ length: 40 }, (_, index) => ({
    worker_id: `w${index}`,
    metrics: { [`${index}`.padEnd(15_000, 'm')]: index },
  }));
  const { answer } = await post(`${url}/api/v1/heartbeats`, [...many, { worker_id: 'w', cpu: 1 }]);
  expect(answer).toMatchObject({ accepted: 40, refused: [{ index: 40, worker_id: 'w' }] });
  const shown = async () => (await (await fetch(`${url}/api/v1/workers/cron`)).json()) as Record<string, unknown>;
  // The interval is shown from the master's next look at its workers on.
  await eventually(async () => (await shown()).interval_ms === 600_000);
  expect(await shown()).toMatchObject({ state: 'active', heartbeats: { accepted: 1 } });
  await master?.stop();
  url = await start();
  await eventually(async () => (await shown()).interval_ms === 600_000);
  expect(await shown()).toMatchObject({ is_active: true });
  expect(JSON.stringify(await shown())).toContain('"group":"jobs"');
  expect(await post(`${url}/api/v1/workers/cron/leave`, {})).toMatchObject({
    status: 200,
    answer: { message: 'cron has left.' },
  });
});

test('a token that is removed from its file no longer speaks for its worker', async () => {
  const file = join(folder, 'tokens');
  const write = (...ids: string[]) =>
    writeFile(file, ids.map((id) => workerTokenLine({ kind: 'worker', id }, hashOfToken(`plt_${id}`))).join('\n'));
  await write('a', 'b');
  const url = await start({ WORKER_TOKENS_FILE: file });
  const send = (id: string) =>
    post(`${url}/api/v1/heartbeats`, { worker_id: 'a' }, { authorization: `Bearer plt_${id}` });
  expect((await send('a')).answer).toEqual({ accepted: 1, refused: [] });
  expect((await send('b')).answer).toMatchObject({
    accepted: 0,
    refused: [{ worker_id: 'a', code: 'permission_denied' }],
  });
  await write('b');
  await master?.reload();
  await eventually(async () => (await send('a')).status === 401);
  await write('a');
  await master?.reload();
  await eventually(async () => (await send('a')).status === 200);
});

test('over TLS a client certificate is the identity of a worker, as over gRPC', async () => {
  const authority = await CertificateAuthority.create();
  try {
    const { cert: TLS_CERT, key: TLS_KEY } = await authority.server();
    const url = await start({ TLS_CERT, TLS_KEY, TLS_CLIENT_CA: authority.path });
    const { certPem: cert, keyPem: key } = await authority.issue({ dns: ['worker-1'] });
    const send = async (workerId: string) => {
      const outgoing = request(`${url}/api/v1/heartbeats`, { method: 'POST', ca: authority.pem, cert, key });
      outgoing.end(JSON.stringify({ worker_id: workerId }));
      const response = await new Promise<import('node:http').IncomingMessage>((resolve, reject) =>
        outgoing.on('response', resolve).on('error', reject),
      );
      return { status: response.statusCode, answer: (await json(response)) as Record<string, unknown> };
    };
    expect(await send('worker-1')).toEqual({ status: 200, answer: { accepted: 1, refused: [] } });
    const { answer } = await send('worker-2');
    expect(answer).toMatchObject({ accepted: 0, refused: [{ code: 'permission_denied' }] });
    expect(JSON.stringify(answer)).toContain('the certificate of worker-1: it may not speak for worker-2');
  } finally {
    await authority.remove();
  }
});
