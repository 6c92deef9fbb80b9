import type { ServerResponse } from 'node:http';
import { expect, it } from 'vitest';
import {
  MAX_LEFT_REMEMBERED,
  MAX_VIEWS,
  MAX_VIEWS_PER_CLIENT,
  POLL_MS,
  VIEW_KEPT_MS,
} from '../../src/http/http-limits.ts';
import { Views } from '../../src/http/live/views.ts';
import { readCriteria } from '../../src/reading/criteria.ts';
import { fieldsOf } from '../../src/reading/fields.ts';
import { ALL, NO_CRITERIA, type Selection, selectionBy } from '../../src/reading/selection.ts';
import { Follower, HeldResponse } from './stream-follower.ts';
import { newApp } from './support.ts';

const filter = (query: Record<string, string>): Selection => selectionBy(readCriteria(query).criteria);
const busy = filter({ 'min.cpu_usage': '50' });

function newViews() {
  const { fleet, clock, directory, revisions } = newApp();
  const all = new Views(directory, revisions, clock);
  const take = (selection: Selection, fields?: string, client?: string) =>
    all.take(selection, fieldsOf(fields), client);
  return { fleet, clock, revisions, views: { take, give: all.give.bind(all), size: () => all.size } };
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
  expect(views.size()).toBe(0);
  expect(views.take(busy)).not.toBe(first);
});

it('fields that tell the last heartbeat share a view; others have their own', () => {
  const { views } = newViews();
  const usual = views.take(busy);
  expect(views.take(busy, 'telemetry')).toBe(usual);
  expect(views.take(busy, 'state,last_update_at')).toBe(usual);
  const states = views.take(busy, 'state');
  expect(states).not.toBe(usual);
  expect(views.take(busy, 'worker_id,state')).toBe(states);
});

/** One worker, and two clients of the same fields; `events` are those of the first. */
function newFollowers(fields: string) {
  const { fleet, clock, live, directory } = newApp();
  fleet.register('a');
  const connect = (follower: Follower, lastEventId = follower.lastEventId) => {
    const response = new HeldResponse(follower);
    const request = { selection: selectionBy(NO_CRITERIA), fields: fieldsOf(fields), rate: 20, lastEventId };
    live.stream(request, () => response as unknown as ServerResponse);
    response.takeAll();
    return response;
  };
  return { fleet, clock, directory, connect };
}

it('who asked for some fields is told of a worker only when one of them changes', () => {
  const { fleet, clock, connect } = newFollowers('cpu_usage');
  const follower = new Follower();
  fleet.beat('a', { cpuUsage: 1 });
  const response = connect(follower);
  const look = () => {
    clock.advance(POLL_MS);
    response.takeAll();
    return follower.named('delta').map(({ data }) => data.updated?.map(({ cpu_usage }) => cpu_usage));
  };
  fleet.beat('a', { cpuUsage: 1, memoryUsage: 1 });
  expect(look()).toEqual([]);
  fleet.beat('a', { cpuUsage: 2, memoryUsage: 1 });
  expect(look()).toEqual([[2]]);
  fleet.beat('a', { cpuUsage: 2, memoryUsage: 2 });
  expect(look()).toEqual([[2]]);
  // Another that comes back from before the change is told of it, however many heartbeats came after it.
  const late = new Follower();
  connect(late, follower.events[0]?.id);
  expect(late.events.map(({ event, data }) => [event, data.updated])).toEqual([
    ['delta', [{ worker_id: 'a', cpu_usage: 2 }]],
  ]);
  const early = new Follower();
  connect(early, follower.lastEventId);
  expect(early.events).toEqual([]);
});

it('a value that was told before a look saw it is taken back when it is back to what it was', () => {
  const { fleet, clock, connect } = newFollowers('cpu_usage');
  fleet.beat('a', { cpuUsage: 5 });
  const first = new Follower();
  const response = connect(first);
  fleet.beat('a', { cpuUsage: 1 });
  clock.advance(POLL_MS);
  // The second client comes between two looks: it is told what is there now.
  fleet.beat('a', { cpuUsage: 2 });
  const second = new Follower();
  const other = connect(second);
  expect(second.workers.get('a')).toMatchObject({ cpu_usage: 2 });
  fleet.beat('a', { cpuUsage: 1 });
  clock.advance(POLL_MS);
  for (const held of [response, other]) held.takeAll();
  for (const { workers } of [first, second]) expect(workers.get('a')).toMatchObject({ cpu_usage: 1 });
});

it('what a list may have told between two looks counts as changed, though all is as it was, or gone', () => {
  const { fleet, revisions, views } = newViews();
  fleet.register('a');
  fleet.publish('a', { cpuUsage: 1 });
  revisions.look();
  const view = views.take(selectionBy(NO_CRITERIA), 'cpu_usage');
  const high = views.take(busy, 'cpu_usage');
  // One heartbeat that leaves it as it was is none.
  const index = revisions.counter;
  fleet.publish('a', { cpuUsage: 1, memoryUsage: 5 });
  revisions.look();
  expect([view.changedAt, high.changedAt].map((at) => at > index)).toEqual([false, false]);
  // A list reads the first one; the look behind it finds the second.
  fleet.publish('a', { cpuUsage: 60 });
  fleet.publish('a', { cpuUsage: 1 });
  revisions.look();
  expect([view.changedAt, high.changedAt].map((at) => at > index)).toEqual([true, true]);
  const next = revisions.counter;
  fleet.publish('a', { cpuUsage: 60 });
  fleet.forget('a');
  revisions.look();
  expect([view.changedAt, high.changedAt].map((at) => at > next)).toEqual([true, true]);
});

it('there are so many at most: those that nobody uses give way, those in use do not', () => {
  const { views } = newViews();
  const all = Array.from({ length: MAX_VIEWS }, (_, n) => views.take(filter({ prefix: `p${n}` })));
  expect(() => views.take(busy)).toThrow(expect.objectContaining({ code: 'resource_exhausted' }));
  // What is there already is no further one.
  views.give(views.take(filter({ prefix: 'p7' })));
  views.give(all[3] as (typeof all)[number]);
  views.take(busy);
  expect(views.size()).toBe(MAX_VIEWS);
});

it('a client uses a share of them at most, whoever made them; the view of all workers is refused to nobody', () => {
  const { clock, views } = newViews();
  const ofOthers = views.take(filter({ prefix: 'x' }));
  const takeAs = (client: string, prefix: string) => views.take(filter({ prefix }), undefined, client);
  const clients = ['a', 'b', 'c', 'd'];
  const held = clients.map((client) =>
    Array.from({ length: MAX_VIEWS_PER_CLIENT }, (_, n) =>
      takeAs(client, client === 'a' && n === 0 ? 'x' : client + n),
    ),
  );
  const refused = { code: 'rate_limited', reason: 'filters_per_client' };
  for (const prefix of ['other', 'b1']) expect(() => takeAs('a', prefix)).toThrow(expect.objectContaining(refused));
  // What it uses already is no further one, and is given back once for each time.
  views.give(takeAs('a', 'x'), 'a');
  expect(() => takeAs('a', 'other')).toThrow(expect.objectContaining(refused));
  expect(views.size()).toBe(MAX_VIEWS);
  takeAs('e', 'x');
  expect(() => takeAs('e', 'other')).toThrow(expect.objectContaining({ reason: 'filters' }));
  for (const client of [...clients, 'e', undefined]) views.give(views.take(ALL, undefined, client), client);
  for (const view of held[0] ?? []) views.give(view, 'a');
  views.give(ofOthers);
  takeAs('a', 'other');
  takeAs('e', 'other');
  clock.advance(VIEW_KEPT_MS);
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
