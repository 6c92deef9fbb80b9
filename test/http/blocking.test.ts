import { describe, expect, it } from 'vitest';
import {
  MAX_VIEWS_PER_CLIENT,
  MAX_WAITING,
  MAX_WAITING_PER_CLIENT,
  POLL_MS,
  VIEW_KEPT_MS,
  WAIT_JITTER,
} from '../../src/http/http-limits.ts';
import { readCriteria } from '../../src/reading/criteria.ts';
import { fieldsOf } from '../../src/reading/fields.ts';
import { ALL, selectionBy } from '../../src/reading/selection.ts';
import { eventually } from '../support/eventually.ts';
import { newApp, newServer, serve } from './support.ts';

const WAIT_MS = 30_000;
const busy = selectionBy(readCriteria({ 'min.cpu_usage': '50' }).criteria);

function newWaits() {
  const { fleet, clock, live, revisions } = newApp();
  for (const id of ['a', 'b']) {
    fleet.register(id);
    fleet.beat(id, { cpuUsage: 0 });
  }
  /** What a list would tell its reader. */
  const index = () => {
    revisions.look();
    return revisions.text;
  };
  const wait = (
    selection = ALL,
    from = index(),
    signal = new AbortController().signal,
    fields = fieldsOf(undefined),
  ) => {
    const state = { isOver: false };
    void live.waitForChange({ selection, fields }, from, WAIT_MS, signal).then(() => {
      state.isOver = true;
    });
    return state;
  };
  /** Lets what was resolved go on. */
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  const look = async (looks = 1) => {
    clock.advance(looks * POLL_MS);
    await settle();
  };
  return { fleet, clock, live, revisions, index, wait, settle, look };
}

describe('a blocking query', () => {
  it('ends with the next change', async () => {
    const { fleet, live, clock, wait, look } = newWaits();
    const state = wait();
    await look(100);
    expect([state.isOver, live.waiting]).toEqual([false, 1]);
    fleet.beat('a', { cpuUsage: 1 });
    await look();
    expect([state.isOver, live.waiting]).toEqual([true, 0]);
    clock.advance(VIEW_KEPT_MS);
    expect(clock.pending).toBe(0);
  });

  it('for some fields does not end with a heartbeat that leaves them as they are', async () => {
    const { fleet, index, wait, look } = newWaits();
    const state = wait(ALL, index(), undefined, fieldsOf('state,cpu_usage'));
    fleet.beat('a', { cpuUsage: 0, memoryUsage: 7 });
    await look(2);
    expect(state.isOver).toBe(false);
    fleet.beat('a', { cpuUsage: 1, memoryUsage: 7 });
    await look();
    expect(state.isOver).toBe(true);
  });

  it('ends at once if the change has come already', async () => {
    const { fleet, index, wait, settle } = newWaits();
    const before = index();
    fleet.beat('a', { cpuUsage: 1 });
    const state = wait(ALL, before);
    await settle();
    expect(state.isOver).toBe(true);
  });

  it('ends when its time is over, and a random part of it more', async () => {
    const { clock, wait, settle } = newWaits();
    const states = Array.from({ length: 50 }, () => wait());
    clock.advance(WAIT_MS - 1);
    await settle();
    expect(states.some(({ isOver }) => isOver)).toBe(false);
    clock.advance(1 + (WAIT_MS * WAIT_JITTER) / 2);
    await settle();
    const over = states.filter(({ isOver }) => isOver).length;
    expect(over).toBeGreaterThan(0);
    expect(over).toBeLessThan(50);
    clock.advance((WAIT_MS * WAIT_JITTER) / 2);
    await settle();
    expect(states.every(({ isOver }) => isOver)).toBe(true);
  });

  it.each(['0', 'aaaaaaaa-1', 'epochabc-999', 'nonsense'])(
    'ends at once with the index %s, which this epoch never gave out',
    async (from) => {
      const { wait, settle, clock } = newWaits();
      const state = wait(ALL, from);
      await settle();
      expect(state.isOver).toBe(true);
      clock.advance(VIEW_KEPT_MS);
      expect(clock.pending).toBe(0);
    },
  );

  it('waits for a change of what is selected: enters, changes, leaves, is gone', async () => {
    const { fleet, wait, look } = newWaits();
    const steps: [what: string, step: () => void][] = [
      ['enters', () => fleet.beat('a', { cpuUsage: 60 })],
      ['changes', () => fleet.beat('a', { cpuUsage: 70 })],
      ['leaves', () => fleet.beat('a', { cpuUsage: 10 })],
      ['enters again', () => fleet.beat('a', { cpuUsage: 60 })],
      ['is gone', () => fleet.forget('a')],
    ];
    for (const [what, step] of steps) {
      const state = wait(busy);
      fleet.beat('b', { cpuUsage: 1 });
      await look(10);
      expect(state.isOver, `before it ${what}`).toBe(false);
      step();
      await look();
      expect(state.isOver, what).toBe(true);
    }
  });

  it('is answered exactly if its filter was followed when the index was given, also between two waits', async () => {
    const { fleet, index, wait, settle, look } = newWaits();
    const first = wait(busy);
    fleet.beat('a', { cpuUsage: 60 });
    await look();
    expect(first.isOver).toBe(true);
    const after = index();
    fleet.beat('b', { cpuUsage: 1 });
    const second = wait(busy, after);
    await settle();
    expect(second.isOver).toBe(false);
    fleet.beat('a', { cpuUsage: 1 });
    await look();
    expect(second.isOver).toBe(true);
    const third = index();
    fleet.beat('a', { cpuUsage: 2 });
    expect(wait(busy, third)).toEqual({ isOver: false });
    await look(5);
    // Came and left between two answers, seen by the list's own looks.
    const fourth = index();
    fleet.beat('a', { cpuUsage: 60 });
    index();
    fleet.beat('a', { cpuUsage: 2 });
    const state = wait(busy, fourth);
    await settle();
    expect(state.isOver).toBe(true);
  });

  it('ends at once if it cannot be known what happened since', async () => {
    const { fleet, index, wait, settle } = newWaits();
    const before = index();
    fleet.beat('a', { cpuUsage: 1 });
    const state = wait(busy, before);
    await settle();
    expect(state.isOver).toBe(true);
  });

  it.each(['of what it shows', 'of what it selects'])(
    'ends if a list has told of a change %s that is undone since',
    async (of) => {
      const { fleet, index, wait, settle } = newWaits();
      const suspects = selectionBy(readCriteria({ state: 'suspect' }).criteria);
      const selection = of === 'of what it shows' ? ALL : suspects;
      const fields = fieldsOf('state,cpu_usage');
      // Of a client that comes again and again, so that what it shows is known.
      const leaving = new AbortController();
      wait(selection, index(), leaving.signal, fields);
      await settle();
      leaving.abort();
      await settle();
      const told = index();
      fleet.board.setState(fleet.rowOf('a'), 'suspect', 'silence', 0);
      // Here the list is read.
      if (selection === ALL) fleet.beat('a', { cpuUsage: 0 });
      else fleet.forget('a');
      index();
      const state = wait(selection, told, undefined, fields);
      await settle();
      expect(state.isOver).toBe(true);
    },
  );

  it('ends when its client goes away, and when the server stops', async () => {
    const { live, wait, settle, index, clock } = newWaits();
    const leaving = new AbortController();
    const states = [wait(ALL, index(), leaving.signal), wait()];
    leaving.abort();
    await settle();
    expect(states.map(({ isOver }) => isOver)).toEqual([true, false]);
    live.stop();
    await settle();
    expect(states.map(({ isOver }) => isOver)).toEqual([true, true]);
    expect(clock.pending).toBe(0);
    const gone = wait(ALL, index(), AbortSignal.abort());
    await settle();
    expect(gone.isOver).toBe(true);
  });

  it('is refused if too many wait', async () => {
    const { live, wait, index, settle } = newWaits();
    const all = Array.from({ length: MAX_WAITING }, () => wait());
    expect(live.waiting).toBe(MAX_WAITING);
    const refused = live.waitForChange(
      { selection: ALL, fields: fieldsOf(undefined) },
      index(),
      WAIT_MS,
      new AbortController().signal,
    );
    await expect(refused).rejects.toMatchObject({ code: 'resource_exhausted' });
    live.stop();
    await settle();
    expect(all.every(({ isOver }) => isOver)).toBe(true);
  });
});

describe('GET /api/v1/workers with an index', () => {
  async function withServer(work: (served: Awaited<ReturnType<typeof newServer>>) => Promise<void>): Promise<void> {
    const served = await newServer();
    try {
      await work(served);
    } finally {
      await served.stop();
    }
  }

  it('answers when something changed, with the change and the next index', () =>
    withServer(async ({ fleet, url, clock, server }) => {
      fleet.register('a');
      const index = (await fetch(`${url}/api/v1/workers?index=0`)).headers.get('x-pulselane-index') as string;
      const answer = fetch(`${url}/api/v1/workers?index=${index}&wait=5m`);
      await eventually(() => server.live.waiting === 1);
      fleet.beat('a', { cpuUsage: 66 });
      clock.advance(POLL_MS);
      const response = await answer;
      expect(await response.json()).toMatchObject({ workers: [{ worker_id: 'a', cpu_usage: 66 }] });
      expect(response.headers.get('x-pulselane-index')).not.toBe(index);
    }));

  it('answers with the same when its time is over', () =>
    withServer(async ({ fleet, url, clock, server }) => {
      fleet.register('a');
      const { revision } = (await (await fetch(`${url}/api/v1/workers`)).json()) as { revision: string };
      const tag = { 'If-None-Match': `W/"${revision}"` };
      const answer = fetch(`${url}/api/v1/workers?index=${revision}&wait=2s`, { headers: tag });
      await eventually(() => server.live.waiting === 1);
      clock.advance(2_000 * (1 + WAIT_JITTER));
      expect((await answer).status).toBe(304);
    }));

  it('waits for nobody who is gone', () =>
    withServer(async ({ url, server }) => {
      const index = (await fetch(`${url}/api/v1/workers`)).headers.get('x-pulselane-index');
      const leaving = new AbortController();
      const answer = fetch(`${url}/api/v1/workers?index=${index}`, { signal: leaving.signal }).catch(() => 'gone');
      await eventually(() => server.live.waiting === 1);
      leaving.abort();
      expect(await answer).toBe('gone');
      await eventually(() => server.live.waiting === 0);
    }));

  it('leads to further pages that wait for nothing', () =>
    withServer(async ({ fleet, url }) => {
      for (const id of ['a', 'b']) fleet.register(id);
      const response = await fetch(`${url}/api/v1/workers?index=0&wait=30s&limit=1`);
      expect(response.headers.get('link')).toMatch(/^<\?limit=1&cursor=[^&>]+>; rel="next"$/);
    }));

  it.each([
    ['index=yesterday', 'index'],
    ['index=0&wait=11m', 'wait'],
    ['index=0&wait=30', 'wait'],
  ])('refuses %s', (query, name) =>
    withServer(async ({ url }) => {
      const response = await fetch(`${url}/api/v1/workers?${query}`);
      expect(response.status).toBe(400);
      expect(await response.json()).toMatchObject({ errors: [{ in: 'query', name }] });
    }),
  );
});

describe('the share of a client', () => {
  it('leaves room for others: one too many is 429, and counted', async () => {
    const { url, server } = await serve({ limits: { maxConnectionsPerPeer: 1_000 } });
    const index = async () => (await fetch(`${url}/api/v1/workers`)).headers.get('x-pulselane-index') ?? '';
    const held = await index();
    const controller = new AbortController();
    const wait = () => fetch(`${url}/api/v1/workers?index=${held}&wait=5m`, { signal: controller.signal });
    const waits = Array.from({ length: MAX_WAITING_PER_CLIENT }, () => wait().catch(() => undefined));
    await eventually(() => server.live.waiting === MAX_WAITING_PER_CLIENT);
    const refused = await wait();
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
    expect(refused.headers.get('content-type')).toBe('application/problem+json');
    const limits = (await (await fetch(`${url}/api/v1/limits`)).json()) as { refused: Record<string, number> };
    expect(limits.refused.waiting_per_client).toBe(1);
    controller.abort();
    await Promise.all(waits);
    await eventually(() => server.live.waiting === 0);
  });

  it('of filters is that of streams, too: the next one is 429, and all workers may be followed', async () => {
    const { url } = await serve({ limits: { maxConnectionsPerPeer: 1_000 } });
    const controller = new AbortController();
    const get = (path: string) => fetch(`${url}/api/v1/${path}`, { signal: controller.signal });
    const index = (await get('workers')).headers.get('x-pulselane-index');
    const streams = Array.from({ length: MAX_VIEWS_PER_CLIENT }, (_, n) => get(`stream?prefix=p${n}`));
    expect(new Set((await Promise.all(streams)).map(({ status }) => status))).toEqual(new Set([200]));
    const others = ['stream?prefix=other', `workers?prefix=other&index=${index}`, 'stream', 'stream?prefix=p7'];
    const answers = await Promise.all(others.map(get));
    expect(answers.map(({ status }) => status)).toEqual([429, 429, 200, 200]);
    expect(answers.slice(0, 2).every(({ headers }) => headers.has('retry-after'))).toBe(true);
    const limits = (await (await fetch(`${url}/api/v1/limits`)).json()) as { refused: Record<string, number> };
    expect(limits.refused.filters_per_client).toBe(2);
    controller.abort();
  });

  it('is of a token where there is one, and of nobody where the address is not known', async () => {
    const { clock, live, revisions } = newApp();
    const watched = { selection: ALL, fields: fieldsOf(undefined) };
    revisions.look();
    const { signal } = new AbortController();
    const wait = (client?: string) => live.waitForChange(watched, revisions.text, WAIT_MS, signal, client);
    const all = Array.from({ length: MAX_WAITING_PER_CLIENT }, () => wait('token a'));
    await expect(wait('token a')).rejects.toMatchObject({ code: 'rate_limited', reason: 'waiting_per_client' });
    const others = [wait('token b'), wait('address 10.0.0.1'), wait(), wait()];
    expect(live.waiting).toBe(MAX_WAITING_PER_CLIENT + 4);
    clock.advance(2 * WAIT_MS);
    await Promise.all([...all, ...others]);
    const after = wait('token a');
    expect(live.waiting).toBe(1);
    clock.advance(2 * WAIT_MS);
    await after;
  });
});
