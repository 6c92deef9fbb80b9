import { expect, test } from 'vitest';
import { EXPORT_PROBLEMS } from '../../src/model/export-status.ts';
import { HISTORY_PROBLEMS } from '../../src/model/history-status.ts';
import { historyStatus } from '../support/history-status.ts';
import { receiverStatus } from '../support/receiver-status.ts';
import { newApp } from './support.ts';

async function probe(app: ReturnType<typeof newApp>['app'], path: string) {
  const response = await app.request(path);
  return [response.status, await response.json(), response.headers.get('retry-after')];
}

test('/readyz tells what main told, and /livez does not care', async () => {
  const { app, fleet } = newApp();
  expect(await probe(app, '/readyz')).toEqual([
    503,
    { status: 'not ready', reasons: [{ code: 'starting', detail: 'the master is starting' }], degraded: [] },
    '1',
  ]);
  fleet.onAnnounce([
    { type: 'readiness', readiness: { phase: 'serving', membersFileFails: false, threadsFail: false } },
  ]);
  expect(await probe(app, '/readyz')).toEqual([200, { status: 'ready', reasons: [], degraded: [] }, null]);
  fleet.onAnnounce([
    { type: 'readiness', readiness: { phase: 'serving', membersFileFails: true, threadsFail: false } },
  ]);
  expect(await probe(app, '/readyz')).toMatchObject([503, { reasons: [{ code: 'members_file' }] }, '1']);
  expect(await probe(app, '/livez')).toEqual([200, { status: 'ok' }, null]);
});

test('a main thread that is stuck is neither alive nor ready, until it moves again', async () => {
  const { app, fleet, clock } = newApp();
  fleet.onAnnounce([
    { type: 'readiness', readiness: { phase: 'serving', membersFileFails: false, threadsFail: false } },
  ]);
  clock.advance(10_010);
  const reasons = [{ code: 'main_stuck', detail: expect.stringContaining('10 s') }];
  expect(await probe(app, '/livez')).toEqual([503, { status: 'stuck', reasons }, '1']);
  expect(await probe(app, '/readyz')).toEqual([503, { status: 'not ready', reasons, degraded: [] }, '1']);
  fleet.stampBeat();
  expect(await probe(app, '/livez')).toEqual([200, { status: 'ok' }, null]);
  expect(await probe(app, '/readyz')).toEqual([200, { status: 'ready', reasons: [], degraded: [] }, null]);
});

test.each(HISTORY_PROBLEMS)(
  'a master without history (%s) is ready, and says that it is degraded, without names',
  async (code) => {
    const { app, fleet } = newApp();
    fleet.onAnnounce([
      { type: 'readiness', readiness: { phase: 'serving', membersFileFails: false, threadsFail: false } },
    ]);
    const problem = { code, detail: 'PostgreSQL at db.internal:5432/x: gone', sinceUnixMs: 1795456495001 };
    fleet.onAnnounce([{ type: 'history', status: historyStatus({ state: 'degraded', problem }) }]);
    const [status, body] = await probe(app, '/readyz');
    expect([status, body]).toEqual([
      200,
      {
        status: 'ready',
        reasons: [],
        degraded: [
          {
            code: 'history',
            detail: expect.stringMatching(/^history is not written: .*; retrying$/),
            since: '2026-11-23T17:54:55.001Z',
          },
        ],
      },
    ]);
    expect(JSON.stringify(body)).not.toContain('db.internal');
    fleet.onAnnounce([{ type: 'history', status: historyStatus() }]);
    expect(await probe(app, '/readyz')).toEqual([200, { status: 'ready', reasons: [], degraded: [] }, null]);
  },
);

test.each(EXPORT_PROBLEMS)(
  'a master whose receiver of metrics fails (%s) is ready, and says so, without names',
  async (code) => {
    const { app, fleet } = newApp();
    const problem = { code, detail: 'http://mimir.internal:9009/push: gone', sinceUnixMs: 1795456495001 };
    fleet.onAnnounce([
      { type: 'readiness', readiness: { phase: 'serving', membersFileFails: false, threadsFail: false } },
      { type: 'exports', receivers: [receiverStatus(), receiverStatus({ kind: 'otlp', state: 'degraded', problem })] },
    ]);
    const [status, body] = await probe(app, '/readyz');
    const detail = expect.stringMatching(/^OTLP export does not work: its .*; retrying$/);
    const degraded = [{ code: 'export', detail, since: '2026-11-23T17:54:55.001Z' }];
    expect([status, body]).toEqual([200, { status: 'ready', reasons: [], degraded }]);
    expect(JSON.stringify(body)).not.toContain('mimir.internal');
  },
);
