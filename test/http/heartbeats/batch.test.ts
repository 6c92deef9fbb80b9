/** Heartbeats as JSON become messages that a lane decodes to just what the JSON said, and no element harms another. */

import { fromBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { WorkerInfoSchema } from '../../../src/gen/pulselane/v1/telemetry_pb.ts';
import { HeartbeatSchema as DescribedHeartbeat } from '../../../src/http/api/heartbeat-schema.ts';
import { type Batch, BatchReader } from '../../../src/http/heartbeats/batch.ts';
import { HEARTBEAT_MEMBERS } from '../../../src/http/heartbeats/heartbeat-json.ts';
import { type DecodedHeartbeat, decodeHeartbeat } from '../../../src/lane/decode.ts';
import { scanHeartbeat } from '../../../src/model/heartbeat-scan.ts';
import { ENDED_TASK_OUTCOMES } from '../../../src/model/telemetry.ts';
import { repetitions } from '../../support/repetitions.ts';

const LIMITS = { maxMessageBytes: 4 * 1024 ** 2, maxElements: 10_000, intervalMs: 0 };
/** One for all tests: nothing of a body may stay for the next. */
const reader = new BatchReader();

function read(body: string | Uint8Array, limits: Partial<typeof LIMITS> = {}): Batch {
  return reader.read(Buffer.from(body as string), { ...LIMITS, ...limits });
}

/** The heartbeats and registrations of a batch. */
function messagesOf({ bytes, ends }: Batch): { heartbeat: Buffer; info: Buffer }[] {
  const messages = [];
  for (let at = 0; at < ends.length; at += 2) {
    const [from, end, infoEnd] = [ends[at - 1] ?? 0, ends[at] as number, ends[at + 1] as number];
    messages.push({
      heartbeat: Buffer.from(bytes.subarray(from, end)),
      info: Buffer.from(bytes.subarray(end, infoEnd)),
    });
  }
  return messages;
}

function decoded(body: string | Uint8Array): DecodedHeartbeat[] {
  return messagesOf(read(body)).map(({ heartbeat }) => decodeHeartbeat(heartbeat));
}

/** What is wrong with the only heartbeat of a body. */
function refusal(body: string): string {
  const { ends, refused, problem } = read(body);
  expect(ends).toEqual([]);
  if (problem !== undefined) return `400 ${problem}`;
  expect(refused.length).toBe(1);
  return refused[0]?.detail as string;
}

// ── what may be sent ─────────────────────────────────────────────────────────────────────────────────────────────

const text = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((s) => s.isWellFormed());
const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.constantFrom(0, -0, 5e-324, 1.7976931348623157e308, 2 ** 53, 0.1, 1e21, 123456789012345680),
);
const count = fc.oneof(fc.nat(), fc.maxSafeNat());
const time = fc.maxSafeInteger();
const id = fc.string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 20 }).filter((s) => s !== '.' && s !== '..');
const some = <T>(members: Record<string, fc.Arbitrary<unknown>>, required: string[] = []) =>
  fc.record(members, { requiredKeys: required }) as fc.Arbitrary<T>;
const names = fc.oneof(text, fc.constantFrom('__proto__', 'constructor', 'toString', 'worker_id', ''));

type Json = Readonly<Record<string, unknown>>;
const runningTask = some<Json>({
  task_id: text,
  cpu_allocated: number,
  memory_allocated: number,
  gpu_allocated: number,
  status: text,
  started_at_unix_ms: time,
  progress: number,
});
const endedTask = some<Json>({
  task_id: text,
  started_at_unix_ms: time,
  ended_at_unix_ms: time,
  outcome: fc.constantFrom(...ENDED_TASK_OUTCOMES),
  exit_code: fc.integer(),
  cpu_seconds: number,
  max_rss_bytes: count,
});
const gpu = some<Json>({
  index: fc.nat(),
  uuid: text,
  name: text,
  utilization_percent: number,
  memory_used_bytes: number,
  memory_total_bytes: number,
  temperature_celsius: number,
  power_watts: number,
  parent_uuid: text,
});
const heartbeat = some<Json>(
  {
    worker_id: id,
    cpu_usage: number,
    memory_usage: number,
    storage_usage: number,
    gpu_usage: number,
    running_tasks: fc.array(runningTask, { maxLength: 4 }),
    ended_tasks: fc.array(endedTask, { maxLength: 3 }),
    gpus: fc.array(gpu, { maxLength: 3 }),
    metrics: fc.dictionary(names, number, { maxKeys: 5, noNullPrototype: true }),
    sequence: count,
    sent_at_unix_ms: time,
    instance_id: fc.stringMatching(/^[a-z\d-]{0,30}$/),
    host_loop_lag_ms: number,
    last_round_trip_ms: number,
    leaving: fc.boolean(),
  },
  ['worker_id'],
);

/** The same JSON, written differently: blanks, escapes, another order of members. */
function rewritten(value: unknown, random: () => number): string {
  const blank = () => [' ', '\n', '\t', '\r\n', ''][Math.floor(random() * 5)] as string;
  if (Array.isArray(value)) return `[${value.map((item) => blank() + rewritten(item, random) + blank()).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).sort(() => random() - 0.5);
    const member = ([name, inner]: [string, unknown]) =>
      `${blank()}${escaped(name, random)}${blank()}:${blank()}${rewritten(inner, random)}`;
    return `{${members.map(member).join(',')}${blank()}}`;
  }
  return typeof value === 'string' ? escaped(value, random) : (JSON.stringify(value) ?? 'null');
}

function escaped(value: string, random: () => number): string {
  const units = value.split('').map((unit) => {
    const code = unit.charCodeAt(0);
    const isPlain = code >= 0x20 && unit !== '"' && unit !== '\\' && (code & 0xf800) !== 0xd800;
    return isPlain && random() < 0.8 ? unit : `\\u${code.toString(16).padStart(4, '0')}`;
  });
  return `"${units.join('')}"`;
}

/** What a lane makes of a heartbeat that JSON.parse has read. */
function expected(json: Json): Json {
  const amount = (value: unknown) => (value as number | undefined) ?? 0;
  const words = (value: unknown) => (value as string | undefined) ?? '';
  const list = (value: unknown) => (value ?? []) as Json[];
  const when = (name: string, value: unknown) => (value === undefined || value === 0 ? {} : { [name]: value });
  const given = (name: string, value: unknown) => (value === undefined ? {} : { [name]: value });
  return {
    workerId: json.worker_id,
    cpuUsage: amount(json.cpu_usage),
    memoryUsage: amount(json.memory_usage),
    storageUsage: amount(json.storage_usage),
    gpuUsage: amount(json.gpu_usage),
    runningTasks: list(json.running_tasks).map((task) => ({
      taskId: words(task.task_id),
      cpuAllocated: amount(task.cpu_allocated),
      memoryAllocated: amount(task.memory_allocated),
      gpuAllocated: amount(task.gpu_allocated),
      status: words(task.status),
      ...when('startedAtUnixMs', task.started_at_unix_ms),
      ...given('progress', task.progress),
    })),
    endedTasks: list(json.ended_tasks).map((task) => ({
      taskId: words(task.task_id),
      ...when('startedAtUnixMs', task.started_at_unix_ms),
      ...when('endedAtUnixMs', task.ended_at_unix_ms),
      ...given('outcome', task.outcome),
      ...given('exitCode', task.exit_code),
      ...given('cpuSeconds', task.cpu_seconds),
      ...given('maxRssBytes', task.max_rss_bytes),
    })),
    gpus: list(json.gpus).map((device) => ({
      index: amount(device.index),
      uuid: words(device.uuid),
      name: words(device.name),
      ...given('utilizationPercent', device.utilization_percent),
      ...given('memoryUsedBytes', device.memory_used_bytes),
      ...given('memoryTotalBytes', device.memory_total_bytes),
      ...given('temperatureCelsius', device.temperature_celsius),
      ...given('powerWatts', device.power_watts),
      ...(words(device.parent_uuid) === '' ? {} : { parentUuid: device.parent_uuid }),
    })),
    metrics: new Map(Object.entries((json.metrics ?? {}) as Record<string, number>)),
    sequence: amount(json.sequence),
    sentAtUnixMs: amount(json.sent_at_unix_ms),
    hostLoopLagMs: amount(json.host_loop_lag_ms),
    lastRoundTripMs: amount(json.last_round_trip_ms),
  };
}

// ── properties ───────────────────────────────────────────────────────────────────────────────────────────────────

test('what a lane decodes is what the JSON said, however it is written', () => {
  fc.assert(
    fc.property(
      fc.array(heartbeat, { maxLength: 4 }),
      fc.infiniteStream(fc.double({ min: 0, max: 1 - 2 ** -20, noNaN: true })),
      (sent, stream) => {
        const body = rewritten(sent, () => stream.next().value as number);
        const parsed = JSON.parse(body) as Json[];
        const batch = read(body);
        expect([batch.refused, batch.problem, batch.elements]).toEqual([[], undefined, sent.length]);
        const messages = messagesOf(batch);
        expect(messages.map((message) => decodeHeartbeat(message.heartbeat))).toEqual(parsed.map(expected));
        for (const [index, message] of messages.entries()) {
          const head = scanHeartbeat(message.heartbeat);
          const json = parsed[index] as Json;
          expect(head).toMatchObject({
            workerId: json.worker_id,
            sequence: json.sequence ?? 0,
            instanceId: json.instance_id ?? '',
            leaving: json.leaving ?? false,
          });
        }
        // One alone needs no list.
        if (parsed.length > 0) expect(decoded(JSON.stringify(parsed[0]))).toEqual([expected(parsed[0] as Json)]);
      },
    ),
    { numRuns: repetitions(150, 5000) },
  );
});

/** Elements that are wrong, each in its own way, and whose end can be found. */
const WRONG = [
  '{"worker_id":"w","cpu_usage":NaN}',
  '{"cpu_usage":-Infinity,"worker_id":"w"}',
  '{"worker_id":"w","cpu_usage":nan}',
  '{"worker_id":"w","cpu_usage":1e999}',
  '{"worker_id":"w","cpu_usage":"1"}',
  '{"worker_id":"w","cpu_usage":01}',
  '{"worker_id":"w","cpu_usage":+1}',
  '{"worker_id":"w","cpu_usage":.5}',
  '{"worker_id":"w","cpu_usage":1.}',
  '{"worker_id":"w","cpu_usage":1e}',
  '{"worker_id":"w","cpu_usage":0x10}',
  '{"worker_id":"w","cpu_usage":1_000}',
  '{"worker_id":"w","sequence":-1}',
  '{"worker_id":"w","sequence":9007199254740992}',
  '{"worker_id":"w","sequence":0.5}',
  '{"worker_id":"w","leaving":1}',
  '{"worker_id":"w","leaving":True}',
  '{"worker_id":"w","worker_id":"x"}',
  '{"worker_id":"w","running_tasks":{}}',
  '{"worker_id":"w","running_tasks":[1]}',
  '{"worker_id":"w","running_tasks":[{"task_id":"a"},{"task":"b"}]}',
  '{"worker_id":"w","ended_tasks":[{"task_id":"a","outcome":"good"}]}',
  '{"worker_id":"w","gpus":[{"index":-1}]}',
  '{"worker_id":"w","metrics":[]}',
  '{"worker_id":"w","metrics":{"a":[]}}',
  '{"worker_id":"w","metrics":{"a":None}}',
  '{"worker_id":"w","worker":{"labels":{"a":1}}}',
  '{"worker_id":"w","__proto__":{"cpu_usage":1}}',
  '{"worker_id":"w","constructor":1}',
  '{"worker_id":"w","instance_id":"\\ud800"}',
  '{"worker_id":"w","instance_id":"\\x"}',
  '{"worker_id":"w","instance_id":"a\tb"}',
  '{"worker_id":5}',
  '{"cpu_usage":1}',
  '{}',
  '[]',
  '[[{"worker_id":"good-9"}]]',
  '17',
  'null',
  '"worker_id"',
  'undefined',
  `{"worker_id":"w","x":${'['.repeat(5000)}${']'.repeat(5000)}}`,
  `{"worker_id":"w","x":${'{"worker_id":'.repeat(500)}1${'}'.repeat(500)}}`,
];

test('a wrong element is refused alone, whatever stands beside it', () => {
  const element = fc.oneof(
    { weight: 1, arbitrary: fc.constantFrom(...WRONG).map((json) => ({ json, isGood: false })) },
    { weight: 1, arbitrary: heartbeat.map((sent) => ({ json: JSON.stringify(sent), isGood: true })) },
  );
  fc.assert(
    fc.property(fc.array(element, { maxLength: 12 }), (elements) => {
      const batch = read(`[${elements.map(({ json }) => json).join(',')}]`);
      const indices = (isGood: boolean) => elements.flatMap((one, index) => (one.isGood === isGood ? index : []));
      expect(batch.indices).toEqual(indices(true));
      expect(batch.refused.map(({ index }) => index)).toEqual(indices(false));
      const good = elements.filter(({ isGood }) => isGood).map(({ json }) => expected(JSON.parse(json) as Json));
      expect(messagesOf(batch).map((message) => decodeHeartbeat(message.heartbeat))).toEqual(good);
    }),
    { numRuns: repetitions(150, 5000) },
  );
});

test.each(WRONG)('%s is refused', (json) => {
  const { ends, refused } = read(`[${json}]`);
  expect(ends).toEqual([]);
  expect(refused).toHaveLength(1);
  expect(refused[0]?.detail.length).toBeLessThan(400);
  expect(refused[0]?.workerId).toBe(
    /^\{.*"worker_id":"w/.test(json) && !json.includes('"x"}') ? 'w' : (refused[0]?.workerId ?? ''),
  );
});

test('whatever is no JSON is no batch either, and bytes at random never do more than be refused', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc.tuple(heartbeat, fc.nat(), fc.nat({ max: 255 })).map(([sent, at, byte]) => {
      const body = Buffer.from(JSON.stringify([sent, { worker_id: 'last' }]));
      body[at % body.length] = byte;
      return new Uint8Array(body);
    }),
    fc
      .string({ unit: fc.constantFrom(...'[]{},:"\\ \n0123456789.eE+-truefalsnulN_worker_id'), maxLength: 40 })
      .map((s) => Buffer.from(s)),
  );
  fc.assert(
    fc.property(bytes, (body) => {
      const batch = read(body);
      const isJson = parses(Buffer.from(body).toString());
      for (const { heartbeat: message } of messagesOf(batch)) decodeHeartbeat(message);
      expect(batch.indices.length + batch.refused.length).toBe(batch.elements);
      if (isJson) expect([undefined, EXPECTED]).toContain(batch.problem);
      else expect(batch.problem === undefined && batch.refused.length === 0).toBe(false);
    }),
    { numRuns: repetitions(1500, 50_000) },
  );
});
const EXPECTED = 'the body is neither an object nor a list; expected a heartbeat as JSON, or a list of them';

function parses(body: string): boolean {
  try {
    JSON.parse(body);
    return true;
  } catch {
    return false;
  }
}

// ── bodies ───────────────────────────────────────────────────────────────────────────────────────────────────────

describe('a body', () => {
  test.each([
    ['', '400 the body is empty; expected a heartbeat or a list of them'],
    [' \n', '400 the body is empty; expected a heartbeat or a list of them'],
    ['worker_id=a', `400 ${EXPECTED}`],
    [
      '{"worker_id":"a","cpu_usage":NaN}',
      '400 cpu_usage is NaN (at byte 29), which JSON does not have; leave out what could not be measured',
    ],
    [
      '[{"worker_id":"a"',
      '400 the body ends at byte 17, expected "," or "}"; its end cannot be found, so the rest of the body was not read',
    ],
    ['{"worker_id":"a","cpu_usge":1}', 'unknown member cpu_usge; did you mean cpu_usage?'],
    ['{"worker_id":"a","cpuUsage":1}', 'unknown member cpuUsage; did you mean cpu_usage?'],
    [
      '{"worker_id":"a","running_tasks":[{"task_id":"t","cpu_alocated":1}]}',
      'unknown member running_tasks[0].cpu_alocated; did you mean cpu_allocated?',
    ],
    ['{"worker_id":"a","metrics":{"fps":"24"}}', 'metrics.fps is a text, expected a number'],
    ['{"worker_id":"a","worker":{"labels":{"zone":1}}}', 'worker.labels.zone is 1, expected a text'],
    ['{"worker_id":"a","gpus":[{},{"power_watts":"5"}]}', 'gpus[1].power_watts is a text, expected a number'],
    ['{"worker_id":"a","leaving":"yes"}', 'leaving is a text, expected true or false'],
    ['{"worker_id":"a","sequence":1.5}', 'sequence is 1.5, expected a whole number from 0 to 2^53 - 1'],
    ['{"cpu_usage":1}', 'worker_id is missing'],
    ['{"worker_id":null}', 'worker_id is missing'],
  ])('%j: %s', (body, detail) => {
    expect(refusal(body)).toBe(detail);
  });

  test('that is cut off gives what was whole', () => {
    const batch = read('[{"worker_id":"a"},{"worker_id":"b","cpu_us');
    expect(batch.indices).toEqual([0]);
    expect(batch.refused).toEqual([
      {
        index: 1,
        workerId: 'b',
        code: 'invalid_argument',
        detail:
          'a text that begins at byte 36 does not end; its end cannot be found, so the rest of the body was not read',
      },
    ]);
  });

  test('with several heartbeats must be a list', () => {
    const batch = read('{"worker_id":"a"}\n{"worker_id":"b"}\n');
    expect(batch.indices).toEqual([0]);
    expect(batch.refused).toMatchObject([{ index: 1, detail: expect.stringContaining('must be elements of a list') }]);
  });

  test('an empty list is nothing to complain about', () => {
    expect(read('[]')).toMatchObject({ ends: [], refused: [], problem: undefined, elements: 0 });
  });

  test('a byte order mark is passed, as editors and shells of Windows write it', () => {
    expect(decoded('\ufeff{"worker_id":"a"}')).toMatchObject([{ workerId: 'a' }]);
  });

  test('bytes that are not UTF-8 refuse their own element', () => {
    const body = Buffer.concat([
      Buffer.from('[{"worker_id":"a'),
      Buffer.from([0xff]),
      Buffer.from('"},{"worker_id":"é"}]'),
    ]);
    const batch = read(body);
    expect(batch.refused).toMatchObject([{ index: 0, detail: 'it is not valid UTF-8' }]);
    expect(batch.indices).toEqual([1]);
  });

  test('an element above MAX_MESSAGE_SIZE is refused by itself, and nothing is written far beyond it', () => {
    const metrics = Object.fromEntries(Array.from({ length: 2000 }, (_, index) => [`m${index}`, index]));
    const batch = read(JSON.stringify([{ worker_id: 'a', metrics }, { worker_id: 'b' }]), { maxMessageBytes: 1024 });
    expect(batch.indices).toEqual([1]);
    expect(batch.refused).toMatchObject([{ index: 0, workerId: 'a', code: 'too_large' }]);
    expect(batch.refused[0]?.detail).toMatch(
      /^the heartbeat takes \d+ bytes; at most 1024 are allowed \(MAX_MESSAGE_SIZE\)$/,
    );
  });

  test('more elements than allowed are not read', () => {
    const batch = read(JSON.stringify(Array.from({ length: 5 }, (_, index) => ({ worker_id: `w${index}` }))), {
      maxElements: 3,
    });
    expect(batch.indices).toEqual([0, 1, 2]);
    expect(batch.refused).toMatchObject([
      { index: 3, code: 'too_large', detail: expect.stringContaining('may have 3 heartbeats') },
    ]);
  });

  test('null is the same as nothing', () => {
    const all = Object.fromEntries(HEARTBEAT_MEMBERS.map((name) => [name, null]));
    expect(decoded(JSON.stringify({ ...all, worker_id: 'a', metrics: { x: null, y: 1 } }))).toEqual([
      { ...expected({ worker_id: 'a' }), metrics: new Map([['y', 1]]) },
    ]);
  });

  test('times with fractions are rounded', () => {
    expect(decoded('{"worker_id":"a","sent_at_unix_ms":1795456495123.6}')).toMatchObject([
      { sentAtUnixMs: 1795456495124 },
    ]);
  });
});

test('a registration has what the worker said, its id, its instance and the interval of the request', () => {
  const worker = {
    worker_ip: '10.0.0.1',
    total_cpu: 8,
    labels: { zone: 'a', rack: null, é: '"' },
    group: 'g',
    ephemeral: true,
  };
  const body = JSON.stringify([
    { worker, worker_id: 'a\u00e9', instance_id: 'run-1', cpu_usage: 1 },
    { worker_id: 'b' },
  ]);
  const [first, second] = messagesOf(read(body, { intervalMs: 600_000 }));
  expect(fromBinary(WorkerInfoSchema, first?.info as Buffer)).toMatchObject({
    workerId: 'a\u00e9',
    workerIp: '10.0.0.1',
    totalCpu: 8,
    labels: { zone: 'a', é: '"' },
    group: 'g',
    ephemeral: true,
    instanceId: 'run-1',
    intervalMs: 600_000,
  });
  expect(second?.info).toHaveLength(0);
});

test('the description names the members that are read', () => {
  expect(Object.keys(DescribedHeartbeat.shape).sort()).toEqual([...HEARTBEAT_MEMBERS].sort());
});

test('one that is too large before its worker_id is named is too large, and names its worker', () => {
  const metrics = Object.fromEntries(Array.from({ length: 100 }, (_, n) => [`m${n}`, n]));
  const { refused } = read(JSON.stringify([{ metrics, worker_id: 'a' }]), { maxMessageBytes: 500 });
  expect(refused).toMatchObject([{ workerId: 'a', code: 'too_large' }]);
});
