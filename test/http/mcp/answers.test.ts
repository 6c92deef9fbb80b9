/** What the tools of `POST /mcp` make of the API's answers. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_MCP_ANSWER_BYTES } from '../../../src/http/http-limits.ts';
import { fewer, fits, shortened } from '../../../src/http/mcp/answer-size.ts';
import { type EventJson, risesOf, summaryOf } from '../../../src/http/mcp/changes.ts';
import type { Json, JsonObject } from '../../../src/http/mcp/mcp-tool.ts';
import { compact, unitOf } from '../../../src/http/mcp/units.ts';
import { WORKER_STATES } from '../../../src/model/liveness.ts';

const bytesOf = (value: Json): number => Buffer.byteLength(JSON.stringify(value));

describe('the size of an answer', () => {
  const text = fc.oneof(fc.string(), fc.constantFrom('\0'.repeat(5000), '😱'.repeat(3000), 'x'.repeat(20_000)));
  const { value } = fc.letrec<{ value: Json }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.integer(),
      text,
      fc.array(tie('value'), { maxLength: 30 }),
      fc.dictionary(fc.string(), tie('value'), { maxKeys: 30 }),
    ),
  }));
  const answers = fc.record({ worker_id: fc.string({ maxLength: 1024 }), a: value, b: value, c: value });

  test('never exceeds the limit; what fits stays as it is, what is cut is named', () => {
    fc.assert(
      fc.property(answers, (answer) => {
        const short = shortened(answer);
        expect(bytesOf(short)).toBeLessThanOrEqual(MAX_MCP_ANSWER_BYTES);
        expect(short.worker_id).toBe(answer.worker_id);
        if (fits(answer)) expect(short).toBe(answer);
        else expect((short.cut as string[]).length).toBeGreaterThan(0);
      }),
    );
  });

  test('a cursor is never cut: half as many are asked for instead', async () => {
    const asked: number[] = [];
    const answer = await fewer(50, async (limit) => {
      asked.push(limit);
      return { list: Array.from({ length: limit }, () => 'x'.repeat(2000)), next_cursor: 'c'.repeat(900) };
    });
    expect(asked).toEqual([50, 25, 12, 6]);
    expect((answer.list as Json[]).length).toBe(6);
    const large = { list: Array.from({ length: 20 }, () => 'x'.repeat(5000)), next_cursor: 'c'.repeat(900) };
    expect(shortened(await fewer(8, async () => large)).next_cursor).toBe(large.next_cursor);
  });
});

test('names say units, except those that workers gave', () => {
  const answer = {
    cpu_usage: 12.3456789,
    skew_ms: null,
    flapping: false,
    group: '',
    gpus: [],
    counts: { a: 0, b: 0 },
    left: { total: 0 },
    labels: { cpu_usage: '', a: 'b' },
    metrics: { skew_ms: 0, 'a b': 1 / 3 },
    running_tasks: [{ cpu_allocated: 2 }],
  };
  expect(compact(answer)).toEqual({
    cpu_usage_percent: 12.3457,
    left: { total: 0 },
    labels: { cpu_usage: '', a: 'b' },
    metrics: { skew_ms: 0, 'a b': 0.333333 },
    running_tasks: [{ cpu_allocated_cores: 2 }],
  });
});

test.each([
  ['cpu_usage', 'percent'],
  ['gpus.0.utilization_percent', 'percent'],
  ['gpus.0.memory_used_bytes', 'bytes'],
  ['gpus.0.power_watts', 'watts'],
  ['running_tasks', 'tasks'],
  ['metrics.cpu_usage', 'as the worker sends it'],
])('the unit of %s is %s', (metric, unit) => expect(unitOf(metric)).toBe(unit));

describe('what changed', () => {
  const states = fc.constantFrom(...WORKER_STATES);
  /** A worker's changes, each from the state that the one before it led to. */
  const lives = fc.array(
    fc.record({
      worker_id: fc.constantFrom('a', 'b', 'c', '__proto__'),
      to: fc.oneof({ weight: 8, arbitrary: states }, fc.constant('gone' as const)),
    }),
    { maxLength: 40 },
  );

  test('each worker with a change stands in exactly one list, with its first state and its last one', () => {
    fc.assert(
      fc.property(lives, (changes) => {
        const last = new Map<string, EventJson['from']>();
        const events = changes.map(({ worker_id, to }, id): EventJson => {
          const from = last.get(worker_id) ?? null;
          last.set(worker_id, to === 'gone' ? null : to);
          const at = new Date(id * 1000).toISOString();
          return { id, at, type: 'state', worker_id, from, to, cause: 'silence', text: '' };
        });
        const summary = summaryOf(events, 100) as Record<string, { total: number; shown: { worker_id: string }[] }>;
        const lists = ['joined', 'left', 'changed_state', 'changed_and_returned'].flatMap(
          (name) => summary[name]?.shown ?? [],
        );
        const names = lists.map(({ worker_id }) => worker_id).sort();
        expect(names).toEqual([...new Set(changes.map(({ worker_id }) => worker_id))].sort());
        for (const { worker_id, from, to } of (summary.changed_state?.shown ?? []) as unknown as EventJson[]) {
          const own = events.filter((event) => event.worker_id === worker_id);
          expect([from, to]).toEqual([own[0]?.from, own.at(-1)?.to]);
        }
      }),
    );
  });

  test('workers that are down come first, and lists say how many there are', () => {
    const event = (id: number, worker_id: string, to: EventJson['to']): EventJson => ({
      ...{ id, at: new Date(id).toISOString(), type: 'state', worker_id, from: 'suspect', to, cause: null, text: '' },
    });
    const summary = summaryOf(
      [event(1, 'down', 'inactive'), event(2, 'up', 'active'), event(3, 'later', 'inactive')],
      2,
    );
    expect(summary.changed_state).toMatchObject({ total: 3, shown: [{ worker_id: 'later' }, { worker_id: 'down' }] });
  });

  test('usages rose if they have become high, or by a fifth of what there is', () => {
    const of = (worker_id: string, before: number | undefined, after: number | undefined) => ({
      ...{ worker_id, metric: 'cpu_usage_percent', before, after },
    });
    const values = [of('high', 85, 91), of('was', 95, 99), of('rose', 10, 30), of('little', 10, 29), of('fell', 90, 1)];
    const more = [of('new', undefined, 92), of('new and low', undefined, 50), of('silent', 5, undefined)];
    const { total, shown } = risesOf([...values, ...more], 10) as { total: number; shown: JsonObject[] };
    expect([total, shown.map(({ worker_id }) => worker_id)]).toEqual([3, ['new', 'rose', 'high']]);
  });
});
