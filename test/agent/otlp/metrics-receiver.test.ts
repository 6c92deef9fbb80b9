import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MetricsReceiver } from '../../../src/agent/otlp/metrics-receiver.ts';
import { MAX_PARTS, MAX_POINTS, MAX_REQUEST_BYTES } from '../../../src/agent/otlp/otlp-limits.ts';
import { MAX_NAME_BYTES } from '../../../src/model/heartbeat-limits.ts';
import { ANY_CHARACTER } from '../../support/any-character.ts';
import { decodedBy, encodedBy, METRICS_REQUEST, METRICS_RESPONSE } from '../../support/otlp-protos.ts';
import { repetitions } from '../../support/repetitions.ts';

const PROTOBUF = { 'content-type': 'application/x-protobuf' };
const JSON_TYPE = { 'content-type': 'application/json' };
const DELTA = 1;
const CUMULATIVE = 2;

const requestOf = (...metrics: object[]) => ({ resourceMetrics: [{ scopeMetrics: [{ metrics }] }] });
const protobufOf = (...metrics: object[]) => encodedBy(METRICS_REQUEST, requestOf(...metrics));
const jsonOf = (...metrics: object[]) => Buffer.from(JSON.stringify(requestOf(...metrics)));
const gauge = (name: string, ...dataPoints: object[]) => ({ name, gauge: { dataPoints } });
const sum = (name: string, aggregationTemporality: number, ...dataPoints: object[]) => ({
  name,
  sum: { aggregationTemporality, isMonotonic: true, dataPoints },
});
const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });

const receive = (body: Buffer, headers: Record<string, string> = PROTOBUF) =>
  new MetricsReceiver().receive(headers, body);
const responseOf = (body: Buffer) => decodedBy(METRICS_RESPONSE, body);

describe('what data points become', () => {
  test('a gauge and a cumulative sum: their values, of both types of number', () => {
    const answer = receive(
      protobufOf(
        gauge('queue.length', { asDouble: 2.5 }),
        gauge('temperature', { asInt: '-40' }),
        sum('jobs', CUMULATIVE, { asInt: '9007199254740993' }),
      ),
    );
    expect(answer).toMatchObject({ status: 200, rejected: 0, problem: undefined });
    expect([...answer.metrics]).toEqual([
      ['queue.length', 2.5],
      ['temperature', -40],
      ['jobs', 9007199254740992],
    ]);
    expect(answer.body).toHaveLength(0);
    expect(answer.headers['content-type']).toBe('application/x-protobuf');
  });

  test('deltas: their total since the start, each series for itself', () => {
    const receiver = new MetricsReceiver();
    const send = (value: number, queue: string) =>
      receiver.receive(
        PROTOBUF,
        protobufOf(sum('jobs', DELTA, { asDouble: value, attributes: [text('queue', queue)] })),
      );
    send(2, 'a');
    send(5, 'b');
    expect([...send(3, 'a').metrics]).toEqual([['jobs{queue=a}', 5]]);
    expect([...send(-1, 'b').metrics]).toEqual([['jobs{queue=b}', 4]]);
  });

  test('several deltas of one series in one request are all added', () => {
    const answer = receive(protobufOf(sum('jobs', DELTA, { asDouble: 2 }, { asDouble: 3 })));
    expect([...answer.metrics]).toEqual([['jobs', 5]]);
  });

  test('histograms of both kinds and summaries: count and sum', () => {
    const answer = receive(
      protobufOf(
        {
          name: 'wait',
          histogram: {
            aggregationTemporality: CUMULATIVE,
            dataPoints: [
              { count: 3, sum: 1.5, bucketCounts: [1, 2], explicitBounds: [0.5], attributes: [text('q', 'a')] },
            ],
          },
        },
        {
          name: 'size',
          exponentialHistogram: { aggregationTemporality: DELTA, dataPoints: [{ count: 7, scale: 2 }] },
        },
        { name: 'old', summary: { dataPoints: [{ count: 2, sum: 9, quantileValues: [{ quantile: 0.5, value: 4 }] }] } },
      ),
    );
    expect([...answer.metrics]).toEqual([
      ['wait.count{q=a}', 3],
      ['wait.sum{q=a}', 1.5],
      ['size.count', 7],
      ['old.count', 2],
      ['old.sum', 9],
    ]);
  });

  test('a point without a recorded value ends its metric, and its total', () => {
    const receiver = new MetricsReceiver();
    receiver.receive(PROTOBUF, protobufOf(sum('jobs', DELTA, { asDouble: 2 })));
    const ended = receiver.receive(PROTOBUF, protobufOf(sum('jobs', DELTA, { flags: 1 })));
    expect(ended).toMatchObject({ status: 200, rejected: 0, ended: ['jobs'] });
    expect(ended.metrics.size).toBe(0);
    const again = receiver.receive(PROTOBUF, protobufOf(sum('jobs', DELTA, { asDouble: 3 })));
    expect([...again.metrics]).toEqual([['jobs', 3]]);
  });

  test('attributes stand in the name, sorted; their values as text', () => {
    const attributes = [
      text('route', '/a,b'),
      { key: 'gpu', value: { intValue: '3' } },
      { key: 'ok', value: { boolValue: true } },
      { key: 'at', value: { doubleValue: 0.5 } },
      text('', ''),
    ];
    for (const [body, headers] of [
      [protobufOf(gauge('g', { asDouble: 1, attributes })), PROTOBUF],
      [jsonOf(gauge('g', { asDouble: 1, attributes })), JSON_TYPE],
    ] as const) {
      expect([...receive(body, headers).metrics.keys()]).toEqual(['g{""="",at=0.5,gpu=3,ok=true,route="/a,b"}']);
    }
  });

  test('different attributes have different names', () => {
    const attributes = fc.dictionary(
      fc.string({ maxLength: 8, unit: ANY_CHARACTER }),
      fc.string({ maxLength: 8, unit: ANY_CHARACTER }),
      {
        maxKeys: 3,
      },
    );
    const nameOf = (set: Record<string, string>) => {
      const point = { asDouble: 1, attributes: Object.entries(set).map(([key, value]) => text(key, value)) };
      return [...receive(jsonOf(gauge('m', point)), JSON_TYPE).metrics.keys()][0];
    };
    fc.assert(
      fc.property(attributes, attributes, (a, b) => {
        const isSame = JSON.stringify(Object.entries(a).sort()) === JSON.stringify(Object.entries(b).sort());
        expect(nameOf(a) === nameOf(b)).toBe(isSame);
      }),
      { numRuns: repetitions(50, 5000) },
    );
  });
});

describe('rejected points', () => {
  test.each([
    ['NaN', gauge('g', { asDouble: Number.NaN }), 'metric "g": its value is NaN; expected a finite number'],
    ['no value', gauge('g', {}), 'metric "g": a data point has no value'],
    ['no name', gauge('', { asDouble: 1 }), 'metric "": its name is empty'],
    ['no temporality', sum('s', 0, { asDouble: 1 }), 'metric "s": its aggregation temporality is not specified'],
    [
      'an array as attribute',
      gauge('g', { asDouble: 1, attributes: [{ key: 'a', value: { arrayValue: { values: [] } } }] }),
      'metric "g": attribute "a" is an array, a map or bytes; expected a text, a number or a boolean',
    ],
    [
      'an attribute twice',
      gauge('g', { asDouble: 1, attributes: [text('a', '1'), text('a', '2')] }),
      'metric "g": attribute "a" is there twice',
    ],
    [
      'a name that is too long',
      gauge('g', { asDouble: 1, attributes: [text('a', 'x'.repeat(MAX_NAME_BYTES))] }),
      `metric "g": its name with attributes has ${MAX_NAME_BYTES + 5} bytes, more than ${MAX_NAME_BYTES}`,
    ],
  ])('%s: the others are taken, and the answer says why', (_, bad, errorMessage) => {
    const answer = receive(protobufOf(gauge('before', { asDouble: 1 }), bad, gauge('after', { asDouble: 2 })));
    expect(answer).toMatchObject({ status: 200, rejected: 1, problem: errorMessage });
    expect([...answer.metrics.keys()]).toEqual(['before', 'after']);
    expect(responseOf(answer.body)).toEqual({ partialSuccess: { rejectedDataPoints: '1', errorMessage } });
  });

  test('the same in JSON, where 64-bit numbers are strings', () => {
    const answer = receive(jsonOf(gauge('g', { asDouble: 'NaN' })), JSON_TYPE);
    expect(answer.headers['content-type']).toBe('application/json');
    expect(JSON.parse(String(answer.body))).toEqual({
      partialSuccess: {
        rejectedDataPoints: '1',
        errorMessage: 'metric "g": its value is NaN; expected a finite number',
      },
    });
  });

  test('a rejected delta changes no total', () => {
    const receiver = new MetricsReceiver();
    receiver.receive(PROTOBUF, protobufOf(sum('s', DELTA, { asDouble: 1 })));
    receiver.receive(PROTOBUF, protobufOf(sum('s', DELTA, { asDouble: 10 })), () => 'no');
    const { metrics } = receiver.receive(PROTOBUF, protobufOf(sum('s', DELTA, { asDouble: 2 })));
    expect([...metrics]).toEqual([['s', 3]]);
  });

  test('what the agent does not take is told as well', () => {
    const refusal = ([name]: readonly string[]) => (name === 'b' ? 'the agent has 10000 metrics already' : undefined);
    const answer = new MetricsReceiver().receive(
      JSON_TYPE,
      jsonOf(gauge('a', { asDouble: 1 }), gauge('b', { asDouble: 2 })),
      refusal,
    );
    expect([...answer.metrics.keys()]).toEqual(['a']);
    expect(JSON.parse(String(answer.body)).partialSuccess).toEqual({
      rejectedDataPoints: '1',
      errorMessage: 'metric "b": the agent has 10000 metrics already',
    });
  });

  test('points above the limit are not read, and counted', () => {
    const points = Array.from({ length: MAX_POINTS + 7 }, (_, n) => ({ asInt: n }));
    for (const answer of [
      receive(protobufOf(gauge('g', ...points))),
      receive(jsonOf(gauge('g', ...points)), JSON_TYPE),
    ]) {
      expect(answer.rejected).toBe(7);
      expect([...answer.metrics]).toEqual([['g', MAX_POINTS - 1]]);
    }
  });

  test('only the first reasons are told', () => {
    const bad = Array.from({ length: 100 }, (_, n) => gauge(`g${n}`, {}));
    const { problem, rejected } = receive(protobufOf(...bad));
    expect(rejected).toBe(100);
    expect(problem).toMatch(/^metric "g0".*; and 95 more$/);
  });
});

describe('a request that is none', () => {
  const statusOf = (body: Buffer): string => String(body);

  test.each([
    ['another type', { 'content-type': 'text/plain' }, 'x', 415, 'content-type is "text/plain"; expected'],
    ['no type', {}, 'x', 415, 'content-type is missing'],
    ['another coding', { ...PROTOBUF, 'content-encoding': 'br' }, 'x', 415, 'content-encoding is "br"; expected gzip'],
    ['no protobuf', PROTOBUF, 'hello', 400, 'it is not a protobuf message'],
    ['no JSON', JSON_TYPE, '{', 400, 'it is not JSON'],
    ['no UTF-8', JSON_TYPE, Buffer.from([0x22, 0xff, 0x22]), 400, 'it is not valid UTF-8'],
    ['an array', JSON_TYPE, '[]', 400, 'it is an array; expected an object'],
    [
      'a wrong member',
      JSON_TYPE,
      '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":7}]}]}]}',
      400,
      'resourceMetrics[0].scopeMetrics[0].metrics[0].name is a number; expected a string',
    ],
    ['no gzip', { ...PROTOBUF, 'content-encoding': 'gzip' }, 'x', 400, 'the body cannot be decompressed'],
    ['too large', PROTOBUF, Buffer.alloc(MAX_REQUEST_BYTES + 1), 413, `more than ${MAX_REQUEST_BYTES} bytes`],
    [
      'too large inside',
      { ...JSON_TYPE, 'content-encoding': 'gzip' },
      gzipSync(Buffer.alloc(MAX_REQUEST_BYTES + 1)),
      413,
      'after decompression',
    ],
  ])('%s', (_, headers, body, status, message) => {
    const answer = receive(Buffer.from(body), headers as Record<string, string>);
    expect(answer).toMatchObject({ status, rejected: 0, problem: expect.stringContaining(message) });
    expect(answer.metrics.size).toBe(0);
    expect(statusOf(answer.body)).toContain(
      message.replaceAll('"', answer.headers['content-type'] === 'application/json' ? '\\"' : '"'),
    );
  });

  const many = (part: object, count = MAX_PARTS) => new Array<object>(count).fill(part);
  test.each<[string, object]>([
    ['resources', { resourceMetrics: many({}, MAX_PARTS + 1) }],
    ['scopes', { resourceMetrics: [{ scopeMetrics: many({}) }] }],
    ['metrics', requestOf(...many({}, MAX_PARTS - 1))],
    ['points', requestOf(gauge('g', ...many({}, MAX_PARTS - 2)))],
    ['attributes', requestOf(gauge('g', ...many({ asInt: 1, attributes: many({}, 10) }, 9_200)))],
  ])('more %s than are read: they are not', (_, request) => {
    const protobuf = encodedBy(METRICS_REQUEST, request);
    const json = Buffer.from(JSON.stringify(request));
    for (const answer of [receive(protobuf), receive(json, JSON_TYPE)]) {
      expect(answer).toMatchObject({
        status: 413,
        problem: expect.stringContaining(`the request has more than ${MAX_PARTS} resources, scopes, metrics`),
      });
    }
  });

  test('what it cost to read a request is the size after decompression', () => {
    const body = protobufOf(gauge('g', { asDouble: 1 }));
    const zipped = { ...PROTOBUF, 'content-encoding': 'gzip' };
    expect(receive(body).plainBytes).toBe(body.length);
    expect(receive(gzipSync(body), zipped).plainBytes).toBe(body.length);
    expect(receive(gzipSync(Buffer.alloc(MAX_REQUEST_BYTES + 1)), zipped).plainBytes).toBe(MAX_REQUEST_BYTES);
    expect(receive(Buffer.from('x'), zipped).plainBytes).toBeLessThan(2_000);
  });

  test('the answer has the type of the request, with parameters', () => {
    const answer = receive(Buffer.from('{}'), { 'content-type': 'Application/JSON; charset=utf-8' });
    expect(answer).toMatchObject({
      status: 200,
      headers: { 'content-type': 'application/json', 'content-length': '2' },
    });
    expect(receive(Buffer.from('['), JSON_TYPE).headers['content-type']).toBe('application/json');
    expect(receive(Buffer.from('['), PROTOBUF).headers['content-type']).toBe('application/x-protobuf');
  });

  test('JSON that is nested deeply', () => {
    const depth = 500_000;
    const nested = (member: string) =>
      Buffer.from(
        `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"g","gauge":{"dataPoints":[{"asDouble":1,"${member}":${'['.repeat(depth)}${']'.repeat(depth)}}]}}]}]}]}`,
      );
    expect(receive(nested('unknown'), JSON_TYPE).metrics.get('g')).toBe(1);
    expect(receive(nested('attributes'), JSON_TYPE).status).toBe(400);
  });
});

const attributeValue = fc.oneof(
  fc.record({ stringValue: fc.string({ maxLength: 12, unit: 'grapheme' }) }),
  fc.record({ boolValue: fc.boolean() }),
  fc.record({ intValue: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String) }),
  fc.record({ doubleValue: fc.double({ noNaN: true, noDefaultInfinity: true }) }),
  fc.constant({ arrayValue: { values: [{ stringValue: 'x' }] } }),
);
const attributes = fc.array(fc.record({ key: fc.string({ maxLength: 5 }), value: attributeValue }), { maxLength: 4 });
const value = fc.oneof(
  fc.record({ asDouble: fc.double({ noNaN: true, noDefaultInfinity: true }) }),
  fc.record({ asInt: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String) }),
);
const flags = fc.constantFrom({}, {}, { flags: 1 });
const numberPoint = fc
  .tuple(fc.record({ attributes }), value, flags)
  .map(([a, b, c]) => ({ timeUnixNano: '1', ...a, ...b, ...c }));
const histogramPoint = fc
  .tuple(
    fc.record({ attributes, count: fc.nat().map(String) }),
    fc.option(fc.record({ sum: fc.double({ noNaN: true }) }), { nil: {} }),
    flags,
  )
  .map(([a, b, c]) => ({ ...a, ...b, ...c }));
const name = fc.string({ maxLength: 12 });
const aggregationTemporality = fc.constantFrom(0, 1, 2);
const metric = fc.oneof(
  fc.record({ name, gauge: fc.record({ dataPoints: fc.array(numberPoint, { maxLength: 3 }) }) }),
  fc.record({ name, sum: fc.record({ aggregationTemporality, dataPoints: fc.array(numberPoint, { maxLength: 3 }) }) }),
  fc.record({
    name,
    histogram: fc.record({ aggregationTemporality, dataPoints: fc.array(histogramPoint, { maxLength: 3 }) }),
  }),
  fc.record({
    name,
    exponentialHistogram: fc.record({ aggregationTemporality, dataPoints: fc.array(histogramPoint, { maxLength: 3 }) }),
  }),
);

describe('any request', () => {
  test('is understood the same in protobuf and in JSON, with gzip and without', () => {
    fc.assert(
      fc.property(fc.array(metric, { maxLength: 4 }), (metrics) => {
        const protobuf = protobufOf(...metrics);
        const answers = [
          receive(protobuf),
          receive(gzipSync(protobuf), { ...PROTOBUF, 'content-encoding': 'gzip' }),
          receive(jsonOf(...metrics), JSON_TYPE),
        ];
        const facts = answers.map(({ metrics: taken, ended, rejected, problem }) => ({
          taken: [...taken],
          ended,
          rejected,
          problem,
        }));
        expect(facts[1]).toEqual(facts[0]);
        expect(facts[2]).toEqual(facts[0]);
      }),
      { numRuns: repetitions(150, 5000) },
    );
  });

  test('every point is taken, ends a series, or is rejected; bytes that were changed are answered, too', () => {
    const change = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 });
    fc.assert(
      fc.property(
        fc.array(metric, { maxLength: 4 }),
        change,
        fc.constantFrom(PROTOBUF, JSON_TYPE),
        (metrics, changes, headers) => {
          const body = headers === PROTOBUF ? protobufOf(...metrics) : jsonOf(...metrics);
          for (const [at, byte] of changes) if (body.length > 0) body[at % body.length] = byte;
          const answer = receive(body, headers);
          expect([200, 400]).toContain(answer.status);
          for (const [custom, number] of answer.metrics) {
            expect(Number.isFinite(number)).toBe(true);
            expect(Buffer.byteLength(custom)).toBeLessThanOrEqual(MAX_NAME_BYTES);
          }
        },
      ),
      { numRuns: repetitions(500, 50_000) },
    );
  });

  test('so are bytes of any kind', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect([200, 400]).toContain(receive(Buffer.from(bytes)).status);
      }),
      { numRuns: repetitions(500, 100_000) },
    );
  });
});
