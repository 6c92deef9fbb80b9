/** What remote write encodes, read by others: the messages by reflection, the compression by another library. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ExportSeries, Point, SourceRound } from '../../../src/metrics/export/exporter.ts';
import { ProtoWriter } from '../../../src/metrics/export/proto-writer.ts';
import { type Batch, MAX_BATCH_BYTES, MAX_BATCH_SAMPLES } from '../../../src/metrics/export/remote-write/batch.ts';
import { MAX_CUSTOM_DESCRIBED } from '../../../src/metrics/export/remote-write/descriptions.ts';
import { RemoteWrite } from '../../../src/metrics/export/remote-write/remote-write.ts';
import type { RemoteWriteSettings } from '../../../src/metrics/export/remote-write/settings.ts';
import { MAX_SNAPPY_HEADER_BYTES, writeSnappyHeader } from '../../../src/metrics/export/remote-write/snappy.ts';
import type { WireSeries } from '../../../src/metrics/export/remote-write/wire-series.ts';
import { encodeV1 } from '../../../src/metrics/export/remote-write/write-v1.ts';
import { encodeV2 } from '../../../src/metrics/export/remote-write/write-v2.ts';
import type { Family, Histogram, Label } from '../../../src/metrics/family.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { repetitions } from '../../support/repetitions.ts';
import { unpacked } from '../../support/snappy.ts';
import {
  bitsOf,
  type ReadRequest,
  type ReadSample,
  readV1,
  readV2,
  STALE_BITS,
  textOf,
} from './remote-write-messages.ts';

const SETTINGS: RemoteWriteSettings = {
  kind: 'remote_write',
  url: 'http://127.0.0.1:9/api/v1/write',
  place: 'http://127.0.0.1:9/api/v1/write',
  protocol: '2.0',
  version: 'auto',
  intervalMs: 15_000,
  authorization: undefined,
  headers: {},
  ca: undefined,
  externalLabels: {},
  families: undefined,
};
const AT = 1_795_456_495_123;

type Kept = readonly WireSeries[];

interface Wanted {
  readonly family: Family;
  readonly labels: readonly Label[];
  readonly value: number | Histogram;
  readonly createdUnixMs?: number;
}

function seriesOf({ family, labels, createdUnixMs }: Wanted): ExportSeries<Kept> {
  return { family, labels, createdUnixMs, kept: undefined };
}

function source(points: readonly Point<Kept>[], ended: readonly ExportSeries<Kept>[] = []): SourceRound<Kept> {
  return { workerId: 'w', worker: undefined, points, ended };
}

function batchesOf(remote: RemoteWrite, sources: readonly SourceRound<Kept>[], atUnixMs = AT): readonly Batch[] {
  return [...remote.encode({ atUnixMs, sources }), ...remote.endRound()];
}

const writer = new ProtoWriter(MAX_SNAPPY_HEADER_BYTES);

const inV1 = (batch: Batch): ReadRequest => readV1(unpacked(encodeV1(batch, writer)));
const inV2 = (batch: Batch): ReadRequest => readV2(unpacked(encodeV2(batch, writer)));

test('what is packed is unpacked by another library, of any length', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 400 }),
        fc
          .constantFrom(0, 59, 60, 61, 255, 256, 257, 65_535, 65_536, 65_537)
          .map((length) => new Uint8Array(length).fill(7)),
      ),
      (content) => {
        writer.begin();
        writer.reserve(content.length);
        writer.raw(content);
        const block = writer.take(writeSnappyHeader);
        expect(Buffer.compare(unpacked(block), content)).toBe(0);
        expect(block.length).toBeLessThanOrEqual(content.length + 10);
      },
    ),
    { numRuns: repetitions(100, 5000) },
  );
});

const text = fc.oneof(
  fc.constantFrom('', 'worker', 'state', '__name__', 'le', 'a.b', '\u{1F600}', '\uFF61', '1x', 'x"\n\\'),
  fc.string({ unit: 'grapheme', maxLength: 8 }),
);
const value = fc.oneof(fc.double(), fc.constantFrom(0, -0, Number.NaN, Number.POSITIVE_INFINITY, 1e-320, 2 ** 60));
const histogram = fc
  .tuple(fc.uniqueArray(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { maxLength: 3 }), fc.nat(9), fc.double())
  .map(
    ([bounds, count, sum]): Histogram => ({
      upperBounds: bounds.toSorted((a, b) => a - b),
      cumulativeCounts: bounds.map((_, n) => n),
      count: count + bounds.length,
      sum,
    }),
  );
const wanted = fc.record({
  family: fc.record(
    {
      name: fc.constantFrom('pulselane_a', 'pulselane_b_seconds', 'pulselane_custom_x'),
      type: fc.constantFrom('counter', 'gauge', 'info', 'stateset'),
      help: text,
    },
    { requiredKeys: ['name', 'type', 'help'] },
  ),
  labels: fc.uniqueArray(fc.tuple(text, text), { selector: ([name]) => name, maxLength: 4 }),
  value: fc.oneof({ weight: 5, arbitrary: value }, { weight: 1, arbitrary: histogram }),
  createdUnixMs: fc.option(fc.integer({ min: 1, max: 2 ** 45 }), { nil: undefined }),
});

function check(request: ReadRequest, all: readonly Wanted[]): void {
  const numbers = all.flatMap(({ value: one }) =>
    typeof one === 'number' ? [one] : [...one.cumulativeCounts, one.count, one.sum, one.count],
  );
  expect(request.samples.map(({ bits }) => bits)).toEqual(numbers.map(bitsOf));
  for (const { labels, timestamp } of request.samples) {
    expect(timestamp).toBe(AT);
    const names = labels.map(([name]) => name);
    expect(names).toEqual(names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[a-zA-Z_][a-zA-Z0-9_]*$/);
    expect(names.filter((name) => name.startsWith('__'))).toEqual(['__name__']);
    expect(labels.every(([, shown]) => shown !== '')).toBe(true);
  }
}

test('both versions say the same, whatever the labels and values', () => {
  const written = new RemoteWrite({ ...SETTINGS, externalLabels: { cluster: 'eu', empty: '' } }, new FakeClock());
  fc.assert(
    fc.property(fc.array(wanted, { minLength: 1, maxLength: 6 }), (all) => {
      const given = all as Wanted[];
      const points = given.map((one) => ({ series: seriesOf(one), value: one.value }));
      const batches = batchesOf(written, [source(points)]);
      expect(batches).toHaveLength(1);
      const batch = batches[0] as Batch;
      const [first, second] = [inV1(batch), inV2(batch)];
      check(first, given);
      check(second, given);
      expect(second.samples.map(textOf)).toEqual(first.samples.map(textOf));
      expect(second.symbols[0]).toBe('');
      expect(new Set(second.symbols).size).toBe(second.symbols.length);
      for (const { labels } of second.samples)
        expect(labels.some(([name, one]) => name === 'cluster' && one !== '')).toBe(true);
    }),
    { numRuns: repetitions(200, 20_000) },
  );
});

const counter: Family = { name: 'pulselane_beats', type: 'counter', help: 'Beats.' };
const seconds: Family = { name: 'pulselane_wait_seconds', type: 'histogram', unit: 'seconds', help: 'Waits.' };
const info: Family = { name: 'pulselane_worker', type: 'info', help: 'What it is.' };
const state: Family = { name: 'pulselane_worker_state', type: 'stateset', help: 'Its state.' };

const FEW: readonly Wanted[] = [
  { family: counter, labels: [['worker', 'w']], value: 3, createdUnixMs: AT - 5000 },
  {
    family: seconds,
    labels: [],
    value: { upperBounds: [0.5, 10], cumulativeCounts: [1, 2], count: 4, sum: 60.25 },
    createdUnixMs: AT - 9000,
  },
  {
    family: info,
    labels: [
      ['worker', 'w'],
      ['zone.a', 'x'],
      ['__name__', 'no'],
    ],
    value: 1,
  },
  {
    family: state,
    labels: [
      ['worker', 'w'],
      ['state', 'active'],
    ],
    value: 1,
  },
];

test('names, types and times of creation are those of the families', () => {
  const remote = new RemoteWrite({ ...SETTINGS, version: '1.0' }, new FakeClock());
  const points = FEW.map((one) => ({ series: seriesOf(one), value: one.value }));
  const [batch, described] = batchesOf(remote, [source(points)]) as [Batch, Batch];
  const names = [
    'pulselane_beats_total{worker="w"}',
    'pulselane_wait_seconds_bucket{le="0.5"}',
    'pulselane_wait_seconds_bucket{le="10.0"}',
    'pulselane_wait_seconds_bucket{le="+Inf"}',
    'pulselane_wait_seconds_sum{}',
    'pulselane_wait_seconds_count{}',
    'pulselane_worker_info{exported___name__="no",worker="w",zone_a="x"}',
    'pulselane_worker_state{state="active",worker="w"}',
  ];
  const first = inV1(batch);
  expect(first.samples.map(textOf)).toEqual(names);
  expect(inV1(described).metadata).toEqual([
    { type: 1, family: 'pulselane_beats_total', help: 'Beats.', unit: '' },
    { type: 3, family: 'pulselane_wait_seconds', help: 'Waits.', unit: 'seconds' },
    { type: 6, family: 'pulselane_worker_info', help: 'What it is.', unit: '' },
    { type: 7, family: 'pulselane_worker_state', help: 'Its state.', unit: '' },
  ]);
  const second = inV2(batch);
  expect(second.samples.map(textOf)).toEqual(names);
  expect(second.samples.map(({ metadata }) => metadata?.type)).toEqual([1, 3, 3, 3, 3, 3, 6, 7]);
  expect(second.samples.map(({ created }) => created)).toEqual([
    AT - 5000,
    ...Array(5).fill(AT - 9000),
    undefined,
    undefined,
  ]);
  expect(second.samples[1]?.metadata).toEqual({ type: 3, help: 'Waits.', unit: 'seconds' });
});

test('a series that ends gets one stale marker per series of its own, and not a mere NaN', () => {
  const remote = new RemoteWrite(SETTINGS, new FakeClock());
  const points = FEW.map((one) => ({ series: seriesOf(one), value: one.value }));
  const before = inV1(batchesOf(remote, [source(points)])[0] as Batch).samples.map(textOf);
  const ended = points.map(({ series }) => series);
  const batch = batchesOf(remote, [source([], ended)], AT + 15_000)[0] as Batch;
  for (const request of [inV1(batch), inV2(batch)]) {
    expect(request.samples.map(textOf)).toEqual(before);
    expect(request.samples.map(({ bits, timestamp }: ReadSample) => [bits, timestamp])).toEqual(
      before.map(() => [STALE_BITS, AT + 15_000]),
    );
  }
});

test('a series does not end while another one of its worker is written like it', () => {
  const remote = new RemoteWrite({ ...SETTINGS, externalLabels: { cluster: 'eu' } }, new FakeClock());
  const infoWith = (...labels: Label[]) => seriesOf({ family: info, labels: [['worker', 'w'], ...labels], value: 1 });
  const round = (at: number, now: ExportSeries<Kept>, ended: ExportSeries<Kept>[]) => {
    const batch = batchesOf(remote, [source([{ series: now, value: 1 }], ended)], AT + at)[0] as Batch;
    return inV1(batch).samples.map((sample) => [textOf(sample), sample.bits === STALE_BITS]);
  };
  const dotted = infoWith(['a.b', '1']);
  const underscored = infoWith(['a_b', '1']);
  const other = infoWith(['a_b', '2']);
  const empty = infoWith(['a_b', '2'], ['b', '']);
  const text = (value: number) => `pulselane_worker_info{a_b="${value}",cluster="eu",worker="w"}`;
  expect(round(1, dotted, [])).toEqual([[text(1), false]]);
  expect(round(2, underscored, [dotted])).toEqual([[text(1), false]]);
  expect(round(3, other, [underscored])).toEqual([
    [text(2), false],
    [text(1), true],
  ]);
  expect(round(4, empty, [other])).toEqual([[text(2), false]]);
});

test('labels that are added win over those of workers, as on a scrape', () => {
  const remote = new RemoteWrite({ ...SETTINGS, externalLabels: { job: 'pulselane' } }, new FakeClock());
  const labels: Label[] = [
    ['worker', 'w'],
    ['exported_job', 'x'],
    ['job', 'another'],
  ];
  const series = seriesOf({ family: info, labels, value: 1 });
  const [batch] = batchesOf(remote, [source([{ series, value: 1 }])]);
  expect(inV2(batch as Batch).samples.map(textOf)).toEqual([
    'pulselane_worker_info{exported_exported_job="another",exported_job="x",job="pulselane",worker="w"}',
  ]);
});

test('a receiver of 1.0 gets descriptions of families after the first round, and again after a minute', () => {
  const clock = new FakeClock();
  const remote = new RemoteWrite({ ...SETTINGS, version: '1.0' }, clock);
  const points = FEW.map((one) => ({ series: seriesOf(one), value: one.value }));
  const rounds: unknown[] = [];
  for (let n = 0; n < 6; n++) {
    rounds.push(batchesOf(remote, [source(points)]).map(({ samples, metadata }) => [samples, metadata.length]));
    clock.advance(15_000);
  }
  const described = [
    [8, 0],
    [0, 4],
  ];
  expect(rounds).toEqual([described, [[8, 0]], [[8, 0]], [[8, 0]], [[8, 0]], described]);
});

test('descriptions are bounded in bytes, and those of custom metrics in number', () => {
  const remote = new RemoteWrite({ ...SETTINGS, version: '1.0' }, new FakeClock());
  const help = 'x'.repeat(2000);
  const families = Array.from({ length: 2 * MAX_CUSTOM_DESCRIBED }, (_, n): Family[] => [
    { name: `pulselane_custom_${n}`, type: 'gauge', help },
    { name: `pulselane_own_${n}`, type: 'gauge', help },
  ]).flat();
  const points = families.map((family) => ({ series: seriesOf({ family, labels: [], value: 1 }), value: 1 }));
  const batches = batchesOf(remote, [source(points)]).filter(({ samples }) => samples === 0);
  const names = batches.flatMap((batch) => {
    const plain = unpacked(encodeV1(batch, writer));
    expect(plain.length).toBe(batch.bytes);
    expect(plain.length).toBeLessThanOrEqual(MAX_BATCH_BYTES);
    return readV1(plain).metadata.map(({ family }) => family);
  });
  expect(names.filter((name) => name.startsWith('pulselane_own_'))).toHaveLength(2 * MAX_CUSTOM_DESCRIBED);
  expect(names.filter((name) => name.startsWith('pulselane_custom_'))).toHaveLength(MAX_CUSTOM_DESCRIBED);
});

test('messages are bounded in samples and in bytes, and nothing is missing', () => {
  const remote = new RemoteWrite(SETTINGS, new FakeClock());
  const many = Array.from({ length: 2 * MAX_BATCH_SAMPLES + 1 }, (_, n): Wanted => {
    return { family: state, labels: [['worker', `w${n}`]], value: n };
  });
  const long = Array.from({ length: 5 }, (_, n): Wanted => {
    return { family: state, labels: [['worker', `${n}`.repeat(400_000)]], value: n };
  });
  const all = [...many, ...long];
  const batches = batchesOf(remote, [source(all.map((one) => ({ series: seriesOf(one), value: one.value })))]);
  expect(batches.map(({ samples }) => samples)).toEqual([5000, 5000, 3, 2, 1]);
  const read = batches.flatMap((batch) => {
    expect(unpacked(encodeV1(batch, writer)).length).toBeLessThanOrEqual(MAX_BATCH_BYTES);
    return inV2(batch).samples;
  });
  expect(read.map(({ bits }) => bits)).toEqual(all.map(({ value: one }) => bitsOf(one as number)));
});

test('a message that waits counts the memory of series that it alone keeps', () => {
  const remote = new RemoteWrite(SETTINGS, new FakeClock());
  const come = Array.from({ length: 100 }, (_, n) => {
    return seriesOf({ family: state, labels: [['worker', `job ${n}`]], value: 1 });
  });
  const [live] = batchesOf(remote, [source(come.map((series) => ({ series, value: 1 })))]);
  expect(live).toMatchObject({ samples: 100, bytes: 1600 });
  expect(live?.values.buffer.byteLength).toBe(800);
  const [ended] = batchesOf(remote, [source([], come)], AT + 15_000);
  const texts = come.reduce((sum, { kept }) => sum + (kept?.[0]?.v1Bytes ?? 0), 0);
  expect(ended?.bytes).toBeGreaterThan(1600 + texts);
});

test('texts of series that are gone are forgotten, and those that stay are written once', () => {
  const remote = new RemoteWrite(SETTINGS, new FakeClock());
  const stays: Point<Kept> = { series: seriesOf(FEW[3] as Wanted), value: 1 };
  for (let round = 0; round < 3; round++) {
    const come = Array.from({ length: 8000 }, (_, n): Wanted => {
      return { family: state, labels: [['worker', `${round} ${n}`]], value: n };
    });
    const points = [stays, ...come.map((one) => ({ series: seriesOf(one), value: one.value }))];
    for (const batch of batchesOf(remote, [source(points)])) {
      const { symbols } = inV2(batch);
      expect(new Set(symbols).size).toBe(symbols.length);
    }
  }
  expect(remote.sharedTexts).toBeLessThan(34_000);
});
