import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DEFAULT_FORMAT, ESCAPINGS, formatOf } from '../../../src/metrics/exposition/format.ts';
import { negotiate } from '../../../src/metrics/exposition/negotiation.ts';
import { ANY_CHARACTER } from '../../support/any-character.ts';

const PROTO = 'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited';
const OM = 'application/openmetrics-text';

const TEXT_004 = 'text/plain; version=0.0.4; charset=utf-8; escaping=underscores';

test.each([
  ['no header', undefined, TEXT_004],
  ['an empty one', '', TEXT_004],
  ['curl', '*/*', TEXT_004],
  ['a browser', 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8', TEXT_004],
  ['JSON alone, which is not served', 'application/json', TEXT_004],
  ['nothing but what is forbidden', '*/*;q=0', TEXT_004],
  ['text of no version', 'text/plain', TEXT_004],
  [
    'text of an unknown version',
    `text/plain;version=2.0.0,${OM};version=1.0.0;q=0.1`,
    /^application\/openmetrics-text; version=1.0.0/,
  ],
  ['an unknown version of OpenMetrics', `${OM};version=2.0.0,text/plain;q=0.1`, TEXT_004],
  [
    'Prometheus 2.42',
    `${OM};version=1.0.0,${OM};version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1`,
    'application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores',
  ],
  [
    'Prometheus 2.42 with native histograms',
    `${PROTO},${OM};version=1.0.0;q=0.8,${OM};version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1`,
    'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping=underscores',
  ],
  [
    'Prometheus 3',
    `${OM};version=1.0.0;escaping=allow-utf-8;q=0.6,${OM};version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2`,
    'application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8',
  ],
  [
    'an old Prometheus',
    `${OM}; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1`,
    /^application\/openmetrics-text; version=0.0.1; charset=utf-8; escaping=underscores$/,
  ],
  ['OpenMetrics of no version', OM, /version=0.0.1/],
  [
    'text 1.0.0',
    'text/plain;version=1.0.0;escaping=values',
    'text/plain; version=1.0.0; charset=utf-8; escaping=values',
  ],
  ['quoted names in a syntax without them', 'text/plain;version=0.0.4;escaping=allow-utf-8', TEXT_004],
  [
    'an unknown scheme',
    'text/plain;version=1.0.0;escaping=rot13',
    'text/plain; version=1.0.0; charset=utf-8; escaping=underscores',
  ],
  ['protobuf of another message', `${PROTO.replace('MetricFamily', 'Metric')},text/plain;q=0.1`, TEXT_004],
  ['protobuf as text', `${PROTO.replace('delimited', 'text')}`, TEXT_004],
  ['quality before order', `text/plain;q=0.5,${OM};version=1.0.0;q=0.9`, /openmetrics/],
  ['quality before precision', `*/*,${OM};version=1.0.0;q=0.9`, TEXT_004],
  ['precision before order', `*/*,${OM};version=1.0.0`, /openmetrics/],
  ['the order of equal ones', `text/plain;version=1.0.0,${OM};version=1.0.0`, /^text\/plain; version=1.0.0/],
  ['what is forbidden', `${OM};version=1.0.0;q=0,text/plain;q=0.1`, TEXT_004],
  ['what is forbidden, alone', `${OM};version=1.0.0;q=0`, TEXT_004],
  ['a quality that is none', `${OM};version=1.0.0;q=high,text/plain;q=0.1`, TEXT_004],
  ['a quality above 1', `${OM};version=1.0.0;q=5,text/plain;q=0.1`, TEXT_004],
  [
    'capitals, spaces and quotes',
    `TEXT/Plain ; Version="1.0.0" ; ESCAPING="dots"; Q=0.5`,
    'text/plain; version=1.0.0; charset=utf-8; escaping=dots',
  ],
  ['separators within quotes', `text/plain;x=",;\\"";version=1.0.0`, /^text\/plain; version=1.0.0/],
])('%s', (_, accept, expected) => {
  const { contentType } = negotiate(accept);
  if (typeof expected === 'string') expect(contentType).toBe(expected);
  else expect(contentType).toMatch(expected);
});

test('whatever a client sends, it gets one of the formats', () => {
  const known = new Set(
    (['text004', 'text100', 'openmetrics001', 'openmetrics100', 'protobuf'] as const).flatMap((name) =>
      ESCAPINGS.map((escaping) => formatOf(name, escaping).contentType),
    ),
  );
  const piece = fc.oneof(
    fc.constantFrom(
      'text/plain',
      OM,
      PROTO,
      '*/*',
      ';',
      ',',
      '=',
      '"',
      '\\',
      'q=',
      '0.5',
      'version=1.0.0',
      'escaping=dots',
    ),
    fc.string({ maxLength: 5, unit: ANY_CHARACTER }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      expect(known).toContain(negotiate(pieces.join('')).contentType);
    }),
  );
});

test('the highest quality wins, wherever it stands', () => {
  const types = {
    'text/plain;version=0.0.4': 'text004',
    'text/plain;version=1.0.0': 'text100',
    [`${OM};version=1.0.0`]: 'openmetrics100',
    [PROTO]: 'protobuf',
  } as const;
  const names = Object.keys(types) as (keyof typeof types)[];
  fc.assert(
    fc.property(
      fc.shuffledSubarray(names, { minLength: 1 }),
      fc.uniqueArray(fc.integer({ min: 1, max: 1000 }), { minLength: 4, maxLength: 4 }),
      (order, qualities) => {
        const ranges = order.map((name, index) => ({ name, q: qualities[index] as number }));
        const best = ranges.reduce((a, b) => (b.q > a.q ? b : a));
        const accept = ranges.map(({ name, q }) => `${name};q=${(q / 1000).toFixed(3)}`).join(', ');
        expect(negotiate(accept)).toEqual(formatOf(types[best.name as keyof typeof types]));
      },
    ),
  );
});

test('the default is what every client reads', () => {
  expect(DEFAULT_FORMAT.contentType).toBe(TEXT_004);
});
