/** Filters, fields, sorts and cursors of the list, as functions over a fleet in real shared memory. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SelectionQuery, selectionOf } from '../../src/http/api/selection-query.ts';
import { JsonText } from '../../src/http/bodies/json-text.ts';
import { cursorOf, positionIn } from '../../src/http/query/cursor.ts';
import { putItem } from '../../src/http/query/item.ts';
import { WORKER_STATES } from '../../src/model/liveness.ts';
import { metricsTextIn, recordJsonHead } from '../../src/model/record-json.ts';
import { readCriteria } from '../../src/reading/criteria.ts';
import { Directory, type WorkerEntry } from '../../src/reading/directory.ts';
import { FIELD_NAMES, fieldsOf } from '../../src/reading/fields.ts';
import { ALL } from '../../src/reading/selection.ts';
import { type SortPosition, sortOf } from '../../src/reading/sort.ts';
import { BoardReader } from '../../src/store/board.ts';
import { PeerScoresWriter } from '../../src/store/peer-scores.ts';
import { NOW_S, newFleet } from './support.ts';

/** What a test knows of a worker without asking shared memory. */
interface Known {
  readonly id: string;
  readonly state: (typeof WORKER_STATES)[number];
  readonly group: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly hasRegistered: boolean;
  /** Undefined: it never sent. */
  readonly beat: { readonly cpu: number; readonly metrics: ReadonlyMap<string, number> } | undefined;
  readonly restarts: number;
}

const NUMBER = fc.oneof(fc.integer({ min: 0, max: 4 }), fc.double({ min: 0, max: 1e6, noNaN: true }));
const NAME = fc.oneof(fc.constantFrom('q', '__proto__', 'a,"b', 'gpus":[', 'é'), fc.string({ maxLength: 4 }));
const KNOWN: fc.Arbitrary<Known> = fc.record({
  id: fc.string({ minLength: 1, maxLength: 6, unit: fc.constantFrom('a', 'b', '"', '\\', 'é', '/') }),
  state: fc.constantFrom(...WORKER_STATES),
  group: fc.constantFrom('', 'rack', 'rack-2'),
  labels: fc.dictionary(fc.constantFrom('zone', 'tier'), fc.constantFrom('', 'a', 'b')),
  hasRegistered: fc.boolean(),
  beat: fc.option(fc.record({ cpu: NUMBER, metrics: fc.array(fc.tuple(NAME, NUMBER)).map((list) => new Map(list)) }), {
    nil: undefined,
  }),
  restarts: fc.integer({ min: 0, max: 3 }),
});
const FLEET = fc.uniqueArray(KNOWN, { selector: ({ id }) => id, maxLength: 12 });

function fleetOf(all: readonly Known[]) {
  const { fleet } = newFleet();
  const directory = new Directory(new BoardReader(fleet.memory));
  fleet.onAnnounce = (items) => {
    for (const item of items) directory.apply(item);
  };
  for (const { id, state, group, labels, hasRegistered, beat, restarts } of all) {
    fleet.register(id);
    if (hasRegistered) {
      const facts = { group, labels, totalCpu: 0, totalMemoryGib: 0, totalStorageGib: 0, totalGpu: 0 };
      const texts = { ip: '', ephemeral: false, instanceId: '', agentVersion: '' };
      fleet.onAnnounce([{ type: 'workerFacts', workerId: id, facts: { ...facts, ...texts } }]);
    }
    if (beat !== undefined) fleet.beat(id, { cpuUsage: beat.cpu, metrics: beat.metrics });
    const { row } = directory.get(id) as WorkerEntry;
    fleet.board.setState(row, state, 'heartbeat', 0);
    fleet.board.setRestarts(row, restarts);
  }
  return { fleet, directory };
}

function matching(directory: Directory, parameters: Record<string, string>): string[] {
  const selection = selectionOf(SelectionQuery.parse(parameters));
  return [...directory.all()].filter((entry) => selection.matches(entry, directory)).map(({ workerId }) => workerId);
}

function itemOf(directory: Directory, id: string, fields?: string) {
  const text = new JsonText();
  expect(putItem(text, directory.get(id) as WorkerEntry, directory, fieldsOf(fields))).toBe(true);
  return JSON.parse(text.bytes().toString());
}

describe('filters', () => {
  const FILTERS = fc.record(
    {
      state: fc.uniqueArray(fc.constantFrom(...WORKER_STATES), { minLength: 1, maxLength: 4 }),
      group: fc.constantFrom('', 'rack'),
      zone: fc.constantFrom('', 'a'),
      prefix: fc.constantFrom('', 'a', 'é'),
      leastCpu: NUMBER,
      mostRestarts: fc.integer({ min: 0, max: 3 }),
      mostMetric: fc.record({ name: NAME.filter((name) => name !== ''), most: NUMBER }),
    },
    { requiredKeys: [] },
  );

  test('let through those workers that a naive reading of them lets through', () => {
    fc.assert(
      fc.property(FLEET, FILTERS, (all, filters) => {
        const { directory } = fleetOf(all);
        const { state, group, zone, prefix, leastCpu, mostRestarts, mostMetric } = filters;
        const expected = all.filter(
          (known) =>
            (state === undefined || state.includes(known.state)) &&
            (group === undefined || (known.hasRegistered ? known.group : '') === group) &&
            (zone === undefined || (known.hasRegistered && known.labels.zone === zone)) &&
            (prefix === undefined || known.id.startsWith(prefix)) &&
            (leastCpu === undefined || (known.beat !== undefined && known.beat.cpu >= leastCpu)) &&
            (mostRestarts === undefined || known.restarts <= mostRestarts) &&
            (mostMetric === undefined ||
              (known.beat?.metrics.get(mostMetric.name) ?? Number.POSITIVE_INFINITY) <= mostMetric.most),
        );
        const parameters = {
          ...(state === undefined ? {} : { state: state.join(',') }),
          ...(group === undefined ? {} : { group }),
          ...(zone === undefined ? {} : { 'label.zone': zone }),
          ...(prefix === undefined ? {} : { prefix }),
          ...(leastCpu === undefined ? {} : { 'min.cpu_usage': String(leastCpu) }),
          ...(mostRestarts === undefined ? {} : { 'max.restarts': String(mostRestarts) }),
          ...(mostMetric === undefined ? {} : { [`max.metrics.${mostMetric.name}`]: String(mostMetric.most) }),
        };
        expect(matching(directory, parameters).toSorted()).toEqual(expected.map(({ id }) => id).toSorted());
      }),
    );
  });

  test('have one key however they are written, and another when they mean something else', () => {
    const keyOf = (query: string) => selectionOf(Object.fromEntries(new URLSearchParams(query))).key;
    expect(keyOf('')).toBe('');
    expect(keyOf('prefix=')).toBe('');
    expect(ALL.key).toBe('');
    expect(keyOf('state=suspect,active,active&group=a')).toBe(keyOf('group=a&state=active,suspect'));
    expect(keyOf('min.missed=1&max.missed=2.0')).toBe(keyOf('max.missed=2&min.missed=1e0'));
    expect(keyOf('min.skew_ms=-0')).toBe(keyOf('min.skew_ms=0'));
    expect(keyOf('label.a=1&label.b=2')).toBe(keyOf('label.b=2&label.a=1'));
    const different = ['', 'group=', 'group=a', 'prefix=a', 'label.a=b', 'label.b=a', 'min.missed=1', 'max.missed=1'];
    expect(new Set(different.map(keyOf)).size).toBe(different.length);
  });

  test.each([
    ['state=dead', 'state', 'unknown value "dead"; expected one of registered, active'],
    ['state=', 'state', 'unknown value ""'],
    ['isolation=own', 'isolation', 'unknown value "own"; expected one of dedicated'],
    ['min.cpu=1', 'min.cpu', 'unknown field "cpu"; expected one of cpu_usage'],
    ['min.metrics.=1', 'min.metrics.', 'unknown field "metrics."'],
    ['min.cpu_usage=high', 'min.cpu_usage', 'expected a number, got "high"'],
    ['max.missed=', 'max.missed', 'expected a number'],
    ['max.missed=1e999', 'max.missed', 'expected a number'],
    ['max.missed=0x10', 'max.missed', 'expected a number'],
    ['fields=nothing', 'fields', 'unknown field "nothing"; expected one of worker_id'],
    ['stat=active', 'stat', 'unknown query parameter; expected one of state'],
    ['label.=x', 'label.', 'unknown query parameter'],
    ['constructor=x', 'constructor', 'unknown query parameter'],
  ])('%s is an error that names what was wrong', (query, name, detail) => {
    const { error } = SelectionQuery.safeParse(Object.fromEntries(new URLSearchParams(query)));
    expect(error?.issues.map(({ path }) => path.join('.'))).toEqual([name]);
    expect(error?.issues[0]?.message).toContain(detail);
  });

  test('are given once each, and not by the hundred', () => {
    const twice = SelectionQuery.safeParse({ state: ['active', 'active'], 'label.a': ['x', 'y'] });
    expect(twice.error?.issues.map(({ message }) => message)).toContain('given more than once');
    expect(readCriteria({ 'label.a': ['x', 'y'] }).mistakes).toEqual([
      { name: 'label.a', detail: 'given more than once' },
    ]);
    const many = Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`label.l${i}`, 'x']));
    expect(readCriteria(many).mistakes).toEqual([{ name: 'label.l32', detail: 'too many filters: at most 32' }]);
  });
});

describe('an item', () => {
  test('tells all that is known of a worker', () => {
    const { fleet, directory } = fleetOf([]);
    fleet.register('a"é');
    const before = itemOf(directory, 'a"é');
    expect(before).toEqual({
      worker_id: 'a"é',
      state: 'registered',
      cause: 'registration',
      since: new Date(NOW_S * 1000).toISOString(),
      is_active: false,
      stuck: null,
      flapping: false,
      id_conflict: false,
      group: null,
      labels: {},
      isolation: 'dedicated',
      lane: 0,
      lane_state: 'starting',
      interval_ms: 0,
      skew_ms: null,
      restarts: 0,
      missed: 0,
      registered_at: new Date(NOW_S * 1000).toISOString(),
      last_update_at: new Date(NOW_S * 1000).toISOString(),
      cpu_usage: null,
      memory_usage: null,
      storage_usage: null,
      gpu_usage: null,
      has_gpu: false,
      running_tasks_count: null,
      anomaly_score: null,
    });
    fleet.beat('a"é', { cpuUsage: 14.999999999997726, metrics: new Map([['q', 2]]) });
    fleet.board.setStuck(0, 'tasks');
    fleet.board.setFlag(0, 'flapping', true);
    fleet.board.setSkew(0, -5);
    const item = itemOf(directory, 'a"é', FIELD_NAMES.join(','));
    expect(item).toMatchObject({ cpu_usage: 14.999999999997726, running_tasks_count: 0, metrics: { q: 2 } });
    expect(item).toMatchObject({ stuck: 'tasks', flapping: true, id_conflict: false, skew_ms: -5, is_active: true });
    expect(item.telemetry).toMatchObject({ worker_id: 'a"é', running_tasks: [], last_update: NOW_S });
    expect(Object.keys(item)).toEqual([...FIELD_NAMES]);
  });

  test('has the larger score of its own samples and of its group, by which lists are filtered and sorted', () => {
    const { fleet, directory } = fleetOf([]);
    for (const id of ['silent', 'usual', 'odd', 'gone']) fleet.register(id);
    for (const id of ['usual', 'odd', 'gone']) fleet.beat(id);
    const scores = new PeerScoresWriter(fleet.memory.peerScores);
    const [odd, gone] = ['odd', 'gone'].map((id) => directory.get(id) as WorkerEntry) as [WorkerEntry, WorkerEntry];
    scores.set(odd.row, odd.occupant, 0.8, undefined, NOW_S * 1000);
    // Of the worker that had the row before.
    scores.set(gone.row, gone.occupant - 1, 0.9, undefined, NOW_S * 1000);
    expect(
      ['silent', 'usual', 'odd', 'gone'].map((id) => itemOf(directory, id, 'anomaly_score').anomaly_score),
    ).toEqual([null, 0, 0.8, 0]);
    expect(matching(directory, { 'min.anomaly_score': '0.5' })).toEqual(['odd']);
    const { compare, positionOf } = sortOf('-anomaly_score,worker_id');
    const sorted = [...directory.all()]
      .map((entry) => positionOf(entry, directory))
      .sort(compare)
      .map(({ workerId }) => workerId);
    expect(sorted).toEqual(['odd', 'gone', 'usual', 'silent']);
  });

  test('has the fields that were asked for, in one order, and always the id', () => {
    const { fleet, directory } = fleetOf([]);
    fleet.register('a');
    expect(Object.keys(itemOf(directory, 'a', 'telemetry,state'))).toEqual(['worker_id', 'state', 'telemetry']);
    expect(itemOf(directory, 'a', 'metrics')).toEqual({ worker_id: 'a', metrics: null });
    expect(fieldsOf('state,cause').key).toBe(fieldsOf('cause,state,worker_id').key);
    expect(fieldsOf(undefined).key).toBe('');
    expect(fieldsOf(FIELD_NAMES.slice(0, -4).join(',')).key).toBe('');
  });

  test('is left out when its worker was forgotten and somebody else has its row', () => {
    const { fleet, directory } = fleetOf([]);
    fleet.register('a');
    const entry = directory.get('a') as WorkerEntry;
    fleet.forget('a', { announced: false });
    fleet.register('b');
    const text = new JsonText().ascii('[');
    expect(putItem(text, entry, directory, fieldsOf(undefined))).toBe(false);
    expect(text.bytes().toString()).toBe('[');
  });

  test('has its metrics whatever texts stand around them', () => {
    const texts = fc.oneof(fc.string(), fc.constantFrom(',"metrics":{', '"],"gpus":[', '\\,"metrics":{"a":1}'));
    fc.assert(
      fc.property(texts, texts, fc.array(fc.tuple(fc.oneof(texts, NAME), NUMBER)), (id, status, metrics) => {
        const head = recordJsonHead({
          workerId: id,
          cpuUsage: 0,
          memoryUsage: 0,
          storageUsage: 0,
          gpuUsage: 0,
          runningTasks: [{ taskId: id, cpuAllocated: 0, memoryAllocated: 0, gpuAllocated: 0, status }],
          gpus: [{ index: 0, uuid: id, name: status }],
          metrics: new Map(metrics),
        });
        const whole = JSON.parse(`${head}}`).metrics;
        const text = metricsTextIn(head);
        expect(text === undefined ? undefined : JSON.parse(text)).toEqual(whole);
      }),
    );
  });
});

describe('a sort', () => {
  const SORTS = fc
    .uniqueArray(fc.constantFrom('cpu_usage', 'state', 'group', 'restarts', 'metrics.q', 'worker_id'), { maxLength: 4 })
    .chain((names) => fc.tuple(...names.map((name) => fc.constantFrom(name, `-${name}`))))
    .map((steps) => (steps.length === 0 ? undefined : steps.join(',')));

  test('is one order of all workers, nulls last, and a cursor splits it anywhere', () => {
    fc.assert(
      fc.property(FLEET, SORTS, fc.nat(11), (all, text, at) => {
        const { directory } = fleetOf(all);
        const sort = sortOf(text);
        const positions = [...directory.all()].map((entry) => sort.positionOf(entry, directory));
        const sorted = positions.toSorted(sort.compare);
        const expected = all.toSorted((left, right) => naively(text, left, right));
        expect(sorted.map(({ workerId }) => workerId)).toEqual(expected.map(({ id }) => id));
        const split = sorted[at];
        if (split === undefined) return;
        const again = positionIn(cursorOf(split, sort, ALL), sort, ALL);
        expect(again).toEqual(split);
        const behind = positions.filter((position) => sort.compare(position, again) > 0);
        expect(behind.length).toBe(sorted.length - at - 1);
      }),
    );
  });

  function naively(text: string | undefined, left: Known, right: Known): number {
    for (const step of [...(text?.split(',') ?? []), 'worker_id']) {
      const [, minus, name = ''] = /^(-?)(.*)$/.exec(step) as RegExpExecArray;
      const worth = ({ id, state, group, hasRegistered, beat, restarts }: Known) => {
        if (name === 'worker_id') return id;
        if (name === 'state') return WORKER_STATES.indexOf(state);
        if (name === 'group') return hasRegistered && group !== '' ? group : null;
        if (name === 'restarts') return restarts;
        return (name === 'cpu_usage' ? beat?.cpu : beat?.metrics.get('q')) ?? null;
      };
      const [a, b] = [worth(left), worth(right)];
      if (a === b) continue;
      if (a === null || b === null) return a === null ? 1 : -1;
      return a < b === (minus === '') ? -1 : 1;
    }
    return 0;
  }

  test.each([
    ['cpu', 'cannot sort by "cpu"; expected one of worker_id, state, group, last_update_at, cpu_usage'],
    ['', 'cannot sort by ""'],
    ['--missed', 'cannot sort by "-missed"'],
    ['missed,-missed', '"missed" is given twice'],
    [
      'metrics.a,metrics.b,metrics.c,metrics.d,metrics.e,metrics.f,metrics.g,metrics.h,missed',
      'too many fields: at most 8',
    ],
  ])('by %s is an error', (text, message) => {
    expect(() => sortOf(text)).toThrow(message);
  });

  test('of the same meaning has the same key', () => {
    expect(sortOf('worker_id').key).toBe('');
    expect(sortOf('missed,worker_id').key).toBe(sortOf('missed').key);
    expect(sortOf('worker_id,missed').key).toBe('');
    expect(sortOf('-worker_id').key).not.toBe('');
    expect(sortOf('-missed').key).not.toBe(sortOf('missed').key);
  });
});

describe('a cursor', () => {
  const sort = sortOf('cpu_usage,group');
  const position: SortPosition = { values: [0.1, null], workerId: 'a"é' };

  test('comes back as it was', () => {
    const value = fc.option(fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.string()));
    fc.assert(
      fc.property(fc.string(), value, value, (workerId, first, second) => {
        const given: SortPosition = { workerId, values: [first, second] };
        const again = positionIn(cursorOf(given, sort, ALL), sort, ALL);
        // Minus zero and zero are the same number.
        expect(JSON.stringify(again)).toBe(JSON.stringify(given));
      }),
    );
  });

  test('of another list is an error', () => {
    const cursor = cursorOf(position, sort, ALL);
    expect(() => positionIn(cursor, sortOf('-cpu_usage,group'), ALL)).toThrow('another sort or other filters');
    expect(() => positionIn(cursor, sort, selectionOf({ group: 'a' }))).toThrow('another sort or other filters');
  });

  test('that no list gave is an error, never anything else', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.base64String(), fc.json().map(base64)), (text) => {
        expect(() => positionIn(text, sort, ALL)).toThrow(
          expect.objectContaining({ code: 'invalid_argument' }) as unknown as Error,
        );
      }),
    );
    const [mark] = JSON.parse(Buffer.from(cursorOf(position, sort, ALL), 'base64url').toString());
    for (const parts of [[mark], [mark, 'a'], [mark, 1, 1, 1], [mark, 'a', 1, {}], [mark, 'a', 1, 1, 1]]) {
      expect(() => positionIn(base64(JSON.stringify(parts)), sort, ALL)).toThrow('not a cursor from an earlier page');
    }
  });
});

function base64(text: string): string {
  return Buffer.from(text).toString('base64url');
}
