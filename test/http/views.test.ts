import type { ServerResponse } from 'node:http';
import { expect, it } from 'vitest';
import { MAX_LEFT_REMEMBERED, MAX_VIEWS, POLL_MS, VIEW_KEPT_MS } from '../../src/http/limits.ts';
import { Views } from '../../src/http/live/views.ts';
import { readCriteria } from '../../src/http/query/criteria.ts';
import { fieldsOf } from '../../src/http/query/fields.ts';
import { type Selection, selectionBy } from '../../src/http/query/selection.ts';
import { Follower, HeldResponse } from './stream-follower.ts';
import { newApp } from './support.ts';

const filter = (query: Record<string, string>): Selection => selectionBy(readCriteria(query).criteria);
const busy = filter({ 'min.cpu_usage': '50' });

function newViews() {
  const { fleet, clock, directory, revisions } = newApp();
  return { fleet, clock, revisions, views: new Views(directory, revisions, clock) };
}

it('those who follow the same filter share a view, and find it for a minute after', () => {
  const { clock, views } = newViews();
  const first = views.take(busy);
  expect(views.take(filter({ 'min.cpu_usage': '50' }))).toBe(first);
  views.give(first);
  clock.advance(VIEW_KEPT_MS);
  expect(views.take(busy)).toBe(first);
  views.give(first);
  views.give(first);
  clock.advance(VIEW_KEPT_MS - 1);
  expect(views.take(busy)).toBe(first);
  views.give(first);
  clock.advance(VIEW_KEPT_MS);
  expect(views.size).toBe(0);
  expect(views.take(busy)).not.toBe(first);
});

it('there are so many at most: those that nobody uses give way, those in use do not', () => {
  const { views } = newViews();
  const all = Array.from({ length: MAX_VIEWS }, (_, n) => views.take(filter({ prefix: `p${n}` })));
  expect(() => views.take(busy)).toThrow(expect.objectContaining({ code: 'resource_exhausted' }));
  // What is there already is no further one.
  views.give(views.take(filter({ prefix: 'p7' })));
  views.give(all[3] as (typeof all)[number]);
  views.take(busy);
  expect(views.size).toBe(MAX_VIEWS);
});

it('a view that is not followed any more costs nothing with each look', () => {
  const { fleet, clock, revisions, views } = newViews();
  let asked = 0;
  const view = views.take({ ...busy, matches: () => ++asked > 0 });
  fleet.register('a');
  revisions.look();
  expect(asked).toBe(1);
  views.give(view);
  clock.advance(VIEW_KEPT_MS);
  fleet.beat('a');
  revisions.look();
  expect(asked).toBe(1);
});

it('more may leave a filter than is remembered: who comes back is told all the same', () => {
  const { fleet, clock, live, revisions } = newApp();
  for (const id of ['a', 'b', 'c']) {
    fleet.register(id);
    fleet.beat(id, { cpuUsage: 99 });
  }
  const connect = (follower: Follower) => {
    const response = new HeldResponse(follower);
    const request = { selection: busy, fields: fieldsOf('cpu_usage'), rate: 20, lastEventId: follower.lastEventId };
    live.stream(request, () => response as unknown as ServerResponse);
    response.takeAll();
    return response;
  };
  const away = new Follower();
  connect(away).destroy();
  const there = new Follower();
  const response = connect(there);
  fleet.beat('a', { cpuUsage: 1 });
  for (let n = 0; n < 2 * MAX_LEFT_REMEMBERED + 10; n++) {
    fleet.beat('b', { cpuUsage: n % 2 === 0 ? 1 : 99 });
    fleet.beat('c', { cpuUsage: n % 2 === 0 ? 1 : 99 });
    revisions.look();
  }
  fleet.forget('c');
  clock.advance(POLL_MS);
  response.takeAll();
  connect(away);
  for (const { workers } of [there, away]) expect([...workers.keys()]).toEqual(['b']);
  expect(away.named('reset')).toEqual([]);
});
