/** Lines of programs: what is taken, and what is said of those that are not. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseLine, RefusedLine } from '../../../src/agent/hub/line.ts';
import { LineSplitter } from '../../../src/agent/hub/line-splitter.ts';
import { ANY_CHARACTER } from '../../support/any-character.ts';
import { repetitions } from '../../support/repetitions.ts';

function refusalOf(text: string): string {
  try {
    parseLine(text);
  } catch (error) {
    if (error instanceof RefusedLine) return error.message;
    throw error;
  }
  return 'taken';
}

test.each<[string, string]>([
  ['{"task":{"task_id":"a","progress":2}}', 'task.progress is 2; expected a number from 0 to 1'],
  ['{"task":{"task_id":"a","progress":"0.5"}}', 'task.progress is "0.5"; expected a number from 0 to 1'],
  ['{"task":{"progress":0.5}}', 'task.task_id is missing; expected a string that is not empty'],
  ['{"task":{"task_id":""}}', 'task.task_id is ""; expected a string that is not empty'],
  ['{"task":{"task_id":"a","staus":"running"}}', 'task has an unknown member "staus"; did you mean status?'],
  ['{"task":{"task_id":"a","status":7}}', 'task.status is 7; expected a string that is not empty'],
  ['{"task":{"task_id":"\\ud800"}}', 'task.task_id is "\\ud800"; expected valid Unicode'],
  ['{"task":{"task_id":"a","cpu_allocated":1e999}}', 'task.cpu_allocated is Infinity; expected a finite number from 0'],
  ['{"task":{"task_id":"a","cpu_allocated":-1}}', 'task.cpu_allocated is -1; expected a finite number from 0'],
  ['{"task":{"task_id":"a","pid":0}}', 'task.pid is 0; expected a process id'],
  ['{"task":{"task_id":"a","keep":"yes"}}', 'task.keep is "yes"; expected true or false'],
  [
    '{"task":{"task_id":"a","keep":false,"pid":5}}',
    'task.keep is false; expected true, or nothing, beside keep_seconds and pid',
  ],
  [
    '{"task":{"task_id":"a","keep_seconds":0}}',
    'task.keep_seconds is 0; expected a number of seconds above 0 and at most 691200',
  ],
  ['{"metrics":{"a":NaN}}', '"{\\"metrics\\":{\\"a\\":NaN}}" is no JSON; expected {"task":'],
  ['{"metrics":{"a":"1"}}', 'metrics["a"] is "1"; expected a finite number, or null to remove it'],
  ['{"metrics":{"a":1e999}}', 'metrics["a"] is Infinity; expected a finite number'],
  ['{"metrics":{"":1}}', 'a name in metrics is ""; expected a string that is not empty'],
  ['{"metrics":[1]}', 'metrics is [1]; expected an object such as {"queue_depth":3}'],
  ['{}', 'the line is {}; expected {"task":'],
  ['[]', 'the line is []; expected {"task":'],
  ['3', 'the line is 3; expected {"task":'],
  ['{"tasks":{}}', 'the line has an unknown member "tasks"; did you mean task?'],
  ['{"id":{},"metrics":{}}', 'id is {}; expected a number, or a string of at most 64 characters'],
  ['{"keep_seconds":5,"task":{"task_id":"a"}}', 'keep_seconds is of metrics, and there are none; a task has its own'],
  [
    '{"task":{"task_id":"a","exit_code":1}}',
    'task.exit_code is given; expected it only with a status that ends the task: finished, failed',
  ],
  [
    '{"task":{"task_id":"a","status":"failed","keep":true}}',
    'task.keep is given; expected it only of a task that goes on, and not with status failed',
  ],
])('refuses %s', (line, expected) => {
  expect(refusalOf(line)).toContain(expected);
});

test('shows long values shortened', () => {
  const message = refusalOf(JSON.stringify({ metrics: { ['n'.repeat(10_000)]: 1 } }));
  expect(message).toMatch(
    /^a name in metrics is "n+… \(10002 characters\); expected at most 256 bytes, and it has 10000$/,
  );
  expect(refusalOf(`"${'x'.repeat(60_000)}"`).length).toBeLessThan(300);
});

/** Another reading of the same rules, by what a member may be. */
const name = fc.oneof(
  fc.constantFrom('a', '__proto__', 'constructor', '\u0000', '🎬'),
  fc.string({ minLength: 1, maxLength: 12, unit: ANY_CHARACTER }),
);
const junk = fc.oneof(
  fc.constant(null),
  fc.constant(true),
  fc.constant([]),
  fc.constant({}),
  fc.constant(''),
  fc.constant(-1),
  fc.constant('x'.repeat(300)),
);
const amount = fc.double({ min: 0, max: 1e300, noNaN: true });
const members: Record<string, { readonly good: fc.Arbitrary<unknown>; readonly bad: fc.Arbitrary<unknown> }> = {
  progress: {
    good: fc.double({ min: 0, max: 1, noNaN: true }),
    bad: fc.oneof(fc.constantFrom(1.5, -0.1, '0.5', null, [])),
  },
  cpu_allocated: { good: amount, bad: fc.constantFrom(-1, '1', null, {}) },
  memory_allocated: { good: amount, bad: fc.constantFrom(-1, true) },
  gpu_allocated: { good: amount, bad: fc.constantFrom(-1, []) },
  started_at_unix_ms: { good: fc.nat(), bad: fc.constantFrom(0.5, -1, '1', null) },
  status: { good: fc.constantFrom('running', 'paused', 'waiting'), bad: fc.constantFrom('', 3, null, 'x'.repeat(257)) },
  keep: { good: fc.constant(true), bad: fc.constantFrom('true', 1, null) },
  new: { good: fc.boolean(), bad: fc.constantFrom('true', 0, null) },
};

interface Member {
  readonly value: unknown;
  readonly isGood: boolean;
}

/** Mostly right. */
function memberOf(good: fc.Arbitrary<unknown>, bad: fc.Arbitrary<unknown>): fc.Arbitrary<Member> {
  return fc.oneof(
    { weight: 6, arbitrary: good.map((value) => ({ value, isGood: true })) },
    { weight: 1, arbitrary: bad.map((value) => ({ value, isGood: false })) },
  );
}

test('takes exactly the lines whose members are all right', () => {
  const model = Object.fromEntries(Object.entries(members).map(([key, { good, bad }]) => [key, memberOf(good, bad)]));
  const task = fc.record(model, { requiredKeys: [] }) as fc.Arbitrary<Record<string, Member>>;
  const taskId = memberOf(
    name,
    junk.filter((value) => typeof value !== 'string' || value === '' || value.length > 256),
  );
  const value = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(null));
  const metrics = fc.array(fc.tuple(name, memberOf(value, fc.constantFrom('1', true, [], {}))), { maxLength: 5 });
  fc.assert(
    fc.property(taskId, task, metrics, (id, rest, pairs) => {
      const sent = JSON.stringify({
        task: Object.fromEntries([
          ['task_id', id.value],
          ...Object.entries(rest).map(([key, { value }]) => [key, value]),
        ]),
        metrics: Object.fromEntries(pairs.map(([key, { value }]) => [key, value])),
      });
      // Of two values with one name JSON has the last.
      const last = new Map(pairs);
      const isGood = id.isGood && [...Object.values(rest), ...last.values()].every((member) => member.isGood);
      const refusal = refusalOf(sent);
      expect(refusal === 'taken', `${sent}: ${refusal}`).toBe(isGood);
      if (!isGood) return;
      const line = parseLine(sent);
      expect(line.task?.taskId).toBe(id.value);
      expect(line.task?.progress).toBe(rest.progress?.value);
      expect(new Map(line.metrics)).toEqual(
        new Map([...last].map(([key, { value }]) => [key, value === 0 ? JSON.parse(JSON.stringify(value)) : value])),
      );
    }),
    { numRuns: repetitions(300, 20_000) },
  );
});

test('whatever text comes, it is taken or refused', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: ANY_CHARACTER }), fc.json()), (text) => {
      refusalOf(text);
    }),
    { numRuns: repetitions(300, 20_000) },
  );
});

describe('splitting', () => {
  test('gives the same lines however the bytes are cut', () => {
    const piece = fc.oneof(fc.constant(10), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 200 }), fc.array(fc.integer({ min: 1, max: 40 })), (bytes, cuts) => {
        const splitter = new LineSplitter(16);
        const seen: (string | number)[] = [];
        const take = (line: ReturnType<LineSplitter['next']>) => {
          if (line !== undefined) seen.push('bytes' in line ? line.bytes.toString('latin1') : line.tooLongBytes);
          return line !== undefined;
        };
        let rest = Buffer.from(bytes);
        for (const cut of [...cuts, rest.length]) {
          splitter.push(rest.subarray(0, cut));
          rest = rest.subarray(cut);
          while (take(splitter.next()));
        }
        take(splitter.rest());
        const lines = Buffer.from(bytes).toString('latin1').split('\n');
        if (lines.at(-1) === '') lines.pop();
        expect(seen).toEqual(lines.map((line) => (line.length > 16 ? line.length : line)));
      }),
      { numRuns: repetitions(300, 20_000) },
    );
  });
});
