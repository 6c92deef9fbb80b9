import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CommandOutcome } from '../../src/http/commands.ts';
import type { Command } from '../../src/http/messages.ts';
import type { Alert } from '../../src/model/alert.ts';
import { ALERT_TIME, alertsStatus, alertsTold, anAlert, aSilence, loadedRules } from '../support/alerts.ts';
import { NOW_S, newApp, serve } from './support.ts';

type Json = Record<string, unknown>;

async function getJson(app: ReturnType<typeof newApp>['app'], path: string): Promise<[number, Json]> {
  const answer = await app.request(path);
  return [answer.status, (await answer.json()) as Json];
}

function told(...alerts: readonly Alert[]) {
  const parts = newApp();
  parts.fleet.onAnnounce([alertsTold(...alerts)]);
  return parts.app;
}

async function idsOf(app: ReturnType<typeof newApp>['app'], query: string): Promise<string[]> {
  const [status, { alerts }] = await getJson(app, `/api/v1/alerts?${query}`);
  expect(status).toBe(200);
  return (alerts as { id: string }[]).map(({ id }) => id);
}

describe('GET /api/v1/alerts', () => {
  const firing = anAlert({ id: 'a' });
  const pending = anAlert({ id: 'b', worker: 'w2', state: 'pending', severity: 'info', firingSinceUnixMs: null });
  const resolved = anAlert({ id: 'c', rule: 'Stuck', state: 'resolved', resolvedUnixMs: ALERT_TIME });
  const ofGroup = anAlert({
    id: 'd',
    rule: 'GroupSilent',
    subject: { kind: 'group', name: 'rack-7' },
    labels: { alertname: 'GroupSilent', severity: 'page', group: 'rack-7' },
    firingSinceUnixMs: ALERT_TIME - 90_000,
  });
  const inGroup = anAlert({
    id: 'e',
    worker: 'w3',
    labels: { alertname: 'Hot', severity: 'page', worker: 'w3', group: 'rack-7' },
    firingSinceUnixMs: ALERT_TIME - 10,
  });
  const app = told(resolved, pending, ofGroup, firing, inGroup);

  it.each([
    // Firing ones first, the newest first.
    ['', ['e', 'a', 'd', 'b', 'c']],
    ['state=firing', ['e', 'a', 'd']],
    ['state=resolved,pending', ['b', 'c']],
    ['rule=Stuck', ['c']],
    ['severity=info,none', ['b']],
    ['worker=w2', ['b']],
    ['group=rack-7', ['e', 'd']],
    ['group=', ['a', 'b', 'c']],
    ['filter=group%3D%22rack-7%22', ['e', 'd']],
    ['filter=worker%3D~%22w.%22&filter=severity!%3Dinfo', ['e']],
  ])('%s', async (query, ids) => {
    expect(await idsOf(app, query)).toEqual(ids);
  });

  it('tells why: the values at each turn, the parts of the expression, what happened, and where to look', async () => {
    const [, alert] = await getJson(app, '/api/v1/alerts/a');
    expect(alert).toMatchObject({
      alert: 'Hot',
      state: 'firing',
      subject: { kind: 'worker', name: 'worker-1' },
      firing_since: '2026-11-23T17:54:25.000Z',
      why: {
        expression: 'cpu_usage > 90.0',
        pending: { at: '2026-11-23T17:53:55.000Z', parts: [{ text: 'cpu_usage', value: 91 }] },
        firing: { parts: [{ text: 'cpu_usage', value: 93 }] },
        now: { parts: [{ text: 'cpu_usage', value: 94.5 }] },
        transitions: [{ to: 'pending' }, { from: 'pending', to: 'firing' }],
      },
      link: expect.stringContaining('/#/workers/worker-1?'),
    });
  });

  it('says when rules were evaluated last, and what keeps the list from being true', async () => {
    const { app, fleet } = newApp();
    expect((await getJson(app, '/api/v1/alerts'))[1]).toMatchObject({ alerts: [], evaluated_at: null, problems: [] });
    const problems = [{ code: 'store', detail: 'the disk is full', sinceUnixMs: ALERT_TIME }] as const;
    fleet.onAnnounce([{ type: 'alertsStatus', status: alertsStatus({ problems }) }]);
    expect((await getJson(app, '/api/v1/alerts'))[1]).toMatchObject({
      evaluated_at: '2026-11-23T17:54:55.000Z',
      problems: [{ code: 'store', detail: 'the disk is full' }],
    });
  });

  it.each([
    ['state=fire', 'state: expected one or several of pending, firing, resolved'],
    ['filter=severity', 'filter: expected a matcher such as'],
    ['filter=worker%3D~%22(%22', 'filter: the pattern "(" cannot be used'],
    ['severty=page', 'severty: unknown query parameter; expected one of state, rule'],
    [Array.from({ length: 21 }, () => 'filter=a%3Db').join('&'), 'filter: expected at most 20'],
    ['cursor=WzFd', 'cursor: not a cursor'],
  ])('%s is refused', async (query, detail) => {
    const [status, problem] = await getJson(app, `/api/v1/alerts?${query}`);
    expect(status).toBe(400);
    expect(problem.detail).toContain(detail);
  });

  it('has a cursor for its own list only', async () => {
    const [, { next_cursor }] = await getJson(app, '/api/v1/alerts?limit=1');
    expect((await getJson(app, `/api/v1/alerts?limit=1&state=firing&cursor=${next_cursor}`))[0]).toBe(400);
  });

  it('is 304 until something changes', async () => {
    const { app, fleet } = newApp();
    const tag = async () => (await app.request('/api/v1/alerts')).headers.get('etag') ?? '';
    const first = await tag();
    const again = await app.request('/api/v1/alerts', { headers: { 'If-None-Match': first } });
    expect(again.status).toBe(304);
    fleet.onAnnounce([alertsTold(anAlert())]);
    expect(await tag()).not.toBe(first);
  });

  it('lists each alert once in its pages, whatever their size', async () => {
    const state = fc.constantFrom('firing' as const, 'pending' as const, 'resolved' as const);
    const times = fc.array(fc.tuple(state, fc.integer({ min: 0, max: 3 })), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(times, fc.integer({ min: 1, max: 5 }), async (facts, limit) => {
        const app = told(
          ...facts.map(([state, at], index) => anAlert({ id: `i${index}`, state, firingSinceUnixMs: at })),
        );
        const whole = await idsOf(app, '');
        const pages: string[] = [];
        let cursor = '';
        do {
          const [, page] = await getJson(app, `/api/v1/alerts?limit=${limit}${cursor}`);
          pages.push(...(page.alerts as { id: string }[]).map(({ id }) => id));
          expect(page.total).toBe(facts.length);
          cursor = page.next_cursor === null ? '' : `&cursor=${page.next_cursor}`;
        } while (cursor !== '');
        expect(pages).toEqual(whole);
        expect(new Set(pages).size).toBe(facts.length);
      }),
      { numRuns: 30 },
    );
  });
});

describe('GET /api/v1/rules', () => {
  it('has each rule with its figures, and each receiver with what became of its notifications', async () => {
    const { app, fleet } = newApp();
    fleet.onAnnounce([
      { type: 'alertRules', loaded: loadedRules() },
      { type: 'alertsStatus', status: alertsStatus() },
    ]);
    expect((await getJson(app, '/api/v1/rules'))[1]).toMatchObject({
      path: '/etc/pulselane/alerts.yaml',
      evaluation_ms: 3.25,
      rules: [{ alert: 'Hot', line: 6, column: 5, firing: 1, last_error: { message: 'division by zero' } }],
      receivers: [
        {
          name: 'hook',
          targets: [
            { kind: 'webhook', sent: 12, queued: 2, dead_letters: 1, last_error: { detail: 'no answer within 10 s' } },
            { kind: 'log', dead_letters: 0 },
          ],
        },
      ],
    });
  });

  it('gives no rule the figures of another load', async () => {
    const { app, fleet } = newApp();
    fleet.onAnnounce([
      { type: 'alertRules', loaded: loadedRules({ load: 2 }) },
      { type: 'alertsStatus', status: alertsStatus({ load: 1 }) },
    ]);
    const [, { rules }] = await getJson(app, '/api/v1/rules');
    expect(rules).toMatchObject([{ evaluated_at: null, firing: 0, last_error: null }]);
  });
});

describe('commands', () => {
  async function served(reply: CommandOutcome) {
    const server = await serve({ replyTo: (_: Command) => reply });
    server.fleet.onAnnounce([{ type: 'alertRules', loaded: loadedRules() }]);
    const ask = async (method: string, path: string, body?: unknown): Promise<[number, Json]> => {
      const answer = await fetch(`${server.url}${path}`, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
      });
      return [answer.status, (await answer.json()) as Json];
    };
    return { ...server, ask };
  }

  it('a reload of a file with problems is 422, with the place of each', async () => {
    const problems = [{ message: 'unknown field "wen"; expected when', line: 3, column: 7 }, { message: 'empty' }];
    const { ask } = await served({
      ok: false,
      code: 'invalid_rules',
      message: '2 problems; nothing changed',
      problems,
    });
    const [status, problem] = await ask('POST', '/api/v1/rules/reload');
    expect(status).toBe(422);
    expect(problem).toMatchObject({
      type: 'urn:pulselane:error:invalid_rules',
      detail: '2 problems; nothing changed',
      errors: [
        { in: 'file', name: '/etc/pulselane/alerts.yaml', detail: problems[0]?.message, line: 3, column: 7 },
        { in: 'file', detail: 'empty' },
      ],
    });
  });

  it('a silence is made as it was asked for; it starts now unless it says otherwise', async () => {
    const { ask, commands } = await served({ ok: true, message: 'silenced', silenceId: 'new' });
    const body = {
      matchers: [{ name: 'worker', value: 'rack-.*', isRegex: true }],
      endsAt: '2026-11-23T19:54:55+01:00',
      createdBy: 'ada',
      comment: 'new disks',
    };
    expect(await ask('POST', '/api/v1/silences', body)).toEqual([200, { silenceID: 'new', message: 'silenced' }]);
    const matchers = [{ name: 'worker', value: 'rack-.*', isRegex: true, isEqual: true }];
    const [startsUnixMs, endsUnixMs] = [NOW_S * 1000, NOW_S * 1000 + 3_600_000];
    const silence = { matchers, startsUnixMs, endsUnixMs, createdBy: 'ada', comment: 'new disks' };
    expect(commands).toEqual([{ type: 'alerts', asked: { type: 'silence', silence } }]);
  });

  it.each([
    [{ endsAt: '2026-11-23T17:00:00Z' }, 'endsAt: expected a time after startsAt'],
    [{ matchers: [] }, 'matchers: expected 1 to 20 matchers, got 0'],
    [
      { matchers: [{ name: 'worker', value: '.*', isRegex: true }] },
      'matchers: together they match alerts without any',
    ],
    [
      { matchers: [{ name: 'worker', value: 'a', isEqual: false }] },
      'matchers: together they match alerts without any',
    ],
    [{ matchers: [{ name: 'worker', value: '(', isRegex: true }] }, 'matchers: the pattern "(" cannot be used'],
    [{ comment: ' ' }, 'comment: expected a text of 1 to 1024 characters'],
    [{ createdBy: 'a'.repeat(257) }, 'createdBy: expected a text'],
    [{ endsAt: '2099-01-01T00:00:00Z' }, 'endsAt: expected at most 366 days'],
    [{ endsAt: 'tomorrow' }, 'endsAt: expected a time in RFC 3339'],
    [{ duration: '2h' }, 'duration: unknown member; expected only id, matchers'],
  ])('the silence %j is refused, and main not asked', async (wrong, detail) => {
    const { ask, commands } = await served({ ok: true, message: '' });
    const matchers = [{ name: 'worker', value: 'a' }];
    const right = { matchers, endsAt: '2026-11-23T19:54:55Z', createdBy: 'ada', comment: 'disks' };
    const [status, problem] = await ask('POST', '/api/v1/silences', { ...right, ...wrong });
    expect(status).toBe(400);
    expect(problem.detail).toContain(detail);
    expect(commands).toEqual([]);
  });

  it('a silence is ended by its id; a trial tells what each target made of it', async () => {
    const { ask, commands } = await served({
      ok: true,
      message: 'done',
      trials: [{ kind: 'webhook', target: 0, isSent: false, detail: '401' }],
    });
    expect((await ask('DELETE', '/api/v1/silences/s-1'))[0]).toBe(200);
    const trials = [{ kind: 'webhook', sent: false, detail: '401' }];
    expect(await ask('POST', '/api/v1/receivers/a%2Fb/test')).toEqual([200, { message: 'done', trials }]);
    expect(commands).toEqual([
      { type: 'alerts', asked: { type: 'expire-silence', silenceId: 's-1' } },
      { type: 'alerts', asked: { type: 'test-receiver', receiver: 'a/b' } },
    ]);
  });
});

describe('GET /api/v1/silences', () => {
  it('has the newest first, with its state by the clock', async () => {
    const { app, fleet, clock } = newApp();
    const later = aSilence({ id: 'later', startsUnixMs: ALERT_TIME + 60_000, updatedUnixMs: ALERT_TIME });
    fleet.onAnnounce([{ type: 'silences', silences: [aSilence({ id: 'now' }), later] }]);
    const states = async (query = '') => {
      const [, { silences }] = await getJson(app, `/api/v1/silences${query}`);
      return (silences as { id: string; status: { state: string } }[]).map(({ id, status }) => `${id} ${status.state}`);
    };
    expect(await states()).toEqual(['later pending', 'now active']);
    clock.advance(60_000);
    expect(await states('?state=active')).toEqual(['later active', 'now active']);
    clock.advance(3_600_000);
    expect(await states('?state=expired')).toEqual(['later expired', 'now expired']);
  });
});

it.each([
  ['GET', '/api/v1/alerts'],
  ['GET', '/api/v1/alerts/a'],
  ['GET', '/api/v1/rules'],
  ['GET', '/api/v1/silences'],
  ['POST', '/api/v1/rules/reload'],
  ['POST', '/api/v1/receivers/a/test'],
  ['DELETE', '/api/v1/silences/a'],
])('with ALERTS=off, %s %s says so', async (method, path) => {
  const { url } = await serve({ hasAlerts: false });
  const answer = await fetch(`${url}${path}`, { method });
  expect(answer.status).toBe(409);
  expect(await answer.json()).toMatchObject({ detail: expect.stringContaining('ALERTS=off') });
});
