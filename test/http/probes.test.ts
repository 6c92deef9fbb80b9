import { expect, test } from 'vitest';
import { newApp } from './support.ts';

async function probe(app: ReturnType<typeof newApp>['app'], path: string) {
  const response = await app.request(path);
  return [response.status, await response.json(), response.headers.get('retry-after')];
}

test('/readyz tells what main told, and /livez does not care', async () => {
  const { app, fleet } = newApp();
  expect(await probe(app, '/readyz')).toEqual([
    503,
    { status: 'not ready', reasons: [{ code: 'starting', detail: 'the master is starting' }] },
    '1',
  ]);
  fleet.onAnnounce([
    { type: 'readiness', readiness: { phase: 'serving', membersFileFails: false, threadsFail: false } },
  ]);
  expect(await probe(app, '/readyz')).toEqual([200, { status: 'ready', reasons: [] }, null]);
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
  expect(await probe(app, '/readyz')).toEqual([503, { status: 'not ready', reasons }, '1']);
  fleet.stampBeat();
  expect(await probe(app, '/livez')).toEqual([200, { status: 'ok' }, null]);
  expect(await probe(app, '/readyz')).toEqual([200, { status: 'ready', reasons: [] }, null]);
});
