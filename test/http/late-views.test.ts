/** Views that cannot look at all changes at once: they are late, and nobody is told less for it. */
import type { ServerResponse } from 'node:http';
import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { JsonText } from '../../src/http/bodies/json-text.ts';
import {
  MAX_VIEW_LATE_MS,
  POLL_MS,
  SERVE_SLICE_MS,
  VIEW_KEPT_MS,
  VIEW_REST_SHARE,
  VIEW_SLICE_MS,
  VIEW_STALL_MS,
  VIEW_TURN_MS,
} from '../../src/http/http-limits.ts';
import { LiveStreams } from '../../src/http/live/streams.ts';
import { Views } from '../../src/http/live/views.ts';
import { putItem } from '../../src/http/query/item.ts';
import { readCriteria } from '../../src/reading/criteria.ts';
import { Directory, type WorkerEntry } from '../../src/reading/directory.ts';
import { fieldsOf } from '../../src/reading/fields.ts';
import { Revisions } from '../../src/reading/revisions.ts';
import { selectionBy } from '../../src/reading/selection.ts';
import { BoardReader } from '../../src/store/board.ts';
import { repetitions } from '../support/repetitions.ts';
import { BusyClock } from './busy-clock.ts';
import { changeOf, make } from './fleet-changes.ts';
import { Follower, HeldResponse } from './stream-follower.ts';
import { newFleet } from './support.ts';

const filter = (query: Record<string, string>) => selectionBy(readCriteria(query).criteria);

function newViews(workers: number, costMs: number) {
  const { clock, fleet } = newFleet(workers, new BusyClock(0));
  const directory = new Directory(new BoardReader(fleet.memory));
  fleet.onAnnounce = (items) => {
    for (const item of items) directory.apply(item);
  };
  const revisions = new Revisions(directory, 'epoch234');
  const ids = Array.from({ length: workers }, (_, n) => `w${n}`);
  for (const id of ids) {
    fleet.register(id);
    fleet.beat(id, { metrics: new Map([['load', 1]]) });
  }
  revisions.look();
  const views = new Views(directory, revisions, clock);
  (clock as BusyClock).costMs = costMs;
  return { clock: clock as BusyClock, fleet, directory, revisions, views, ids };
}

it('a filter over many workers is made in slices, and tells nobody anything before it is complete', () => {
  const { clock, views, ids } = newViews(400, VIEW_TURN_MS);
  let looked = 0;
  const all = filter({});
  const view = views.take({ ...all, matches: () => ++looked > 0 }, fieldsOf('cpu_usage'));
  const first = looked;
  expect(view.isComplete).toBe(false);
  expect(first).toBeLessThan(20);
  clock.advance(VIEW_SLICE_MS * VIEW_REST_SHARE);
  expect(looked).toBe(2 * first);
  clock.advance(10_000);
  expect([view.isComplete, looked]).toEqual([true, 400]);
  expect(ids.every((id) => view.shows(id))).toBe(true);
  views.give(view);
  clock.advance(VIEW_KEPT_MS);
  expect(clock.pending).toBe(0);
});

it('a filter that costs little keeps up while others are late', () => {
  const { clock, fleet, revisions, views, ids } = newViews(64, 0);
  let dearMs = 0;
  /** A filter of which looking at a worker takes so long. */
  const costing = (prefix: string, costMs: () => number) => {
    const selection = filter({ prefix });
    const matches = () => {
      clock.costMs = costMs();
      return true;
    };
    return views.take({ ...selection, matches }, fieldsOf('cpu_usage'));
  };
  const late = costing('w', () => dearMs);
  const plain = costing('w1', () => 0);
  dearMs = 3;
  for (let look = 0; look < 10; look++) {
    for (const id of ids) fleet.beat(id, { cpuUsage: look });
    revisions.look();
    clock.costMs = 0;
    clock.advance(POLL_MS);
    if (look > 0) expect([look, plain.isBehind, late.isBehind]).toEqual([look, false, true]);
  }
});

it('further filters are refused while one is late, unless it is one that nobody uses', () => {
  const { clock, fleet, revisions, views } = newViews(64, 0);
  const used = views.take(filter({ prefix: 'w1' }), fieldsOf('cpu_usage'));
  const all = Array.from({ length: 64 }, (_, n) => `w${n}`);
  for (const id of all) fleet.beat(id);
  // Slices run, and do not keep up.
  clock.costMs = VIEW_STALL_MS / 2;
  revisions.look();
  clock.advance(MAX_VIEW_LATE_MS);
  expect(used.isBehind).toBe(true);
  expect(() => views.take(filter({ prefix: 'w2' }), fieldsOf('cpu_usage'))).toThrow(
    expect.objectContaining({ code: 'resource_exhausted' }),
  );
  // The same is no further one.
  expect(views.take(filter({ prefix: 'w1' }), fieldsOf('cpu_usage'))).toBe(used);
  views.give(used);
  views.give(used);
  clock.costMs = 0;
  views.take(filter({ prefix: 'w2' }), fieldsOf('cpu_usage'));
});

it('a thread that stood still is not taken for filters that are late', () => {
  const { clock, fleet, revisions, views } = newViews(64, 0);
  const used = views.take(filter({ prefix: 'w' }), fieldsOf('cpu_usage'));
  const unused = views.take(filter({ prefix: 'w1' }), fieldsOf('cpu_usage'));
  views.give(unused);
  for (let n = 0; n < 64; n++) fleet.beat(`w${n}`, { cpuUsage: 1 });
  clock.costMs = 1;
  revisions.look();
  clock.costMs = 0;
  expect(used.isBehind).toBe(true);
  // Timers that are due do not fire, and a request comes first; or one of them does.
  clock.stand(2 * MAX_VIEW_LATE_MS);
  views.take(filter({ prefix: 'w2' }), fieldsOf('cpu_usage'));
  expect(views.size).toBe(3);
  clock.costMs = 1;
  clock.advance(VIEW_SLICE_MS * VIEW_REST_SHARE);
  clock.costMs = 0;
  expect(used.isBehind).toBe(true);
  views.take(filter({ prefix: 'w3' }), fieldsOf('cpu_usage'));
  expect(views.size).toBe(4);
});

it('what a worker sent is read once for all filters', () => {
  const { fleet, revisions, views } = newViews(4, 0);
  for (let n = 0; n < 32; n++) views.take(filter({ 'min.metrics.load': String(n) }), fieldsOf('state,metrics'));
  fleet.beat('w1', { metrics: new Map([['load', 16]]) });
  const parse = vi.spyOn(JSON, 'parse');
  try {
    revisions.look();
    expect(parse).toHaveBeenCalledTimes(1);
  } finally {
    parse.mockRestore();
  }
});

it('what was read of a worker is not held on to when it is gone, and its texts count', () => {
  const { fleet, directory, revisions, views } = newViews(4, 0);
  const view = views.take(filter({}), fieldsOf('cpu_usage'));
  const entry = directory.get('w1') as WorkerEntry;
  const at = revisions.order.at(entry.row);
  const reading = views.readings.of(entry, at);
  expect(views.readings.of(entry, at)).toBe(reading);
  const before = reading.bytes;
  reading.texts[3] = 'x'.repeat(8_000);
  expect(reading.bytes - before).toBeGreaterThanOrEqual(8_000);
  fleet.forget('w1');
  revisions.look();
  expect(view.isBehind).toBe(false);
  expect(views.readings.of(entry, at)).not.toBe(reading);
});

const IDS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'];
const step = fc.oneof(
  { weight: 6, arbitrary: changeOf(IDS).map((change) => ({ type: 'change', change }) as const) },
  { weight: 2, arbitrary: fc.constant({ type: 'look' } as const) },
  { weight: 2, arbitrary: fc.constantFrom(1, 10, POLL_MS).map((ms) => ({ type: 'pass', ms }) as const) },
);

it('whoever waits for changes and then lists has the newest in the end, however late the filters are', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom({}, { 'min.cpu_usage': '4' }, { state: 'active' }, { group: 'g1' }),
      fc.constantFrom(undefined, 'cpu_usage', 'state'),
      fc.array(step, { minLength: 10, maxLength: 80, size: 'max' }),
      fc.constantFrom(0, VIEW_SLICE_MS),
      async (query, fieldNames, steps, costMs) => {
        const { clock, fleet } = newFleet(IDS.length, new BusyClock(costMs));
        const directory = new Directory(new BoardReader(fleet.memory));
        fleet.onAnnounce = (items) => {
          for (const item of items) directory.apply(item);
        };
        const revisions = new Revisions(directory, 'epoch234');
        const live = new LiveStreams({ directory, revisions, clock, log: () => {}, maxClients: 1 });
        const [selection, fields] = [filter(query), fieldsOf(fieldNames)];
        const list = () => {
          const items = new Map<string, string>();
          for (const entry of directory.all()) {
            if (!selection.matches(entry, directory)) continue;
            const text = new JsonText();
            putItem(text, entry, directory, fields);
            items.set(entry.workerId, text.bytes().toString());
          }
          return items;
        };
        let index = '0';
        let has = new Map<string, string>();
        let isOver = false;
        const follow = async () => {
          while (!isOver) {
            await live.waitForChange({ selection, fields }, index, 600_000, new AbortController().signal);
            revisions.look();
            index = revisions.text;
            has = list();
          }
        };
        const following = follow();
        const settle = () => new Promise((resolve) => setImmediate(resolve));
        const known = new Set<string>();
        for (const step of steps) {
          if (step.type === 'change') make(step.change, fleet, known);
          else if (step.type === 'look') revisions.look();
          else clock.advance(step.ms);
          if (step.type === 'pass') await settle();
        }
        for (let looks = 0; looks < 4; looks++) {
          clock.advance(POLL_MS);
          await settle();
        }
        expect(has).toEqual(list());
        isOver = true;
        live.stop();
        await following;
      },
    ),
    { numRuns: repetitions(150, 3_000) },
  );
});

it('clients that take long to be told are served one after the other, with rests, and all are told', () => {
  const { clock, fleet, revisions, directory } = newViews(4, 0);
  const live = new LiveStreams({ directory, revisions, clock, log: () => {}, maxClients: 5 });
  const followers = Array.from({ length: 5 }, () => {
    const follower = new Follower();
    const response = new HeldResponse(follower);
    const request = { selection: filter({}), fields: fieldsOf('cpu_usage'), rate: 20, lastEventId: undefined };
    live.stream(request, () => response as unknown as ServerResponse);
    return { follower, response };
  });
  const told = () => {
    for (const { response } of followers) response.takeAll();
    return followers.filter(({ follower }) => follower.workers.get('w1')?.cpu_usage === 7).length;
  };
  expect(told()).toBe(0);
  fleet.beat('w1', { cpuUsage: 7 });
  clock.costMs = SERVE_SLICE_MS;
  clock.advance(POLL_MS);
  expect(told()).toBe(1);
  clock.advance(10 * POLL_MS);
  expect(told()).toBe(5);
  live.stop();
});
