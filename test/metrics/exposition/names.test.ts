import fc from 'fast-check';
import { expect, test } from 'vitest';
import { escapeLabelName, escapeMetricName } from '../../../src/metrics/exposition/names.ts';
import { ANY_CHARACTER } from '../../support/any-character.ts';
import { unescapeValues } from './unescape.ts';

test.each([
  ['http_requests', 'http_requests', 'http__requests', 'http_requests'],
  [
    'metric.name/with/slashes',
    'metric_name_with_slashes',
    'metric_dot_name__with__slashes',
    'U__metric_2e_name_2f_with_2f_slashes',
  ],
  ['label with 😱', 'label_with__', 'label__with____', 'U__label_20_with_20__1f631_'],
  ['0up', '_up', '__up', 'U___30_up'],
  ['a_b.c', 'a_b_c', 'a__b_dot_c', 'U__a__b_2e_c'],
  ['job:rate', 'job:rate', 'job:rate', 'job:rate'],
  ['', '_', '_', '_'],
])('the metric %j', (name, underscores, dots, values) => {
  expect(escapeMetricName(name, 'underscores')).toBe(underscores);
  expect(escapeMetricName(name, 'dots')).toBe(dots);
  expect(escapeMetricName(name, 'values')).toBe(values);
});

test.each([
  ['__name__', 'underscores', 'exported___name__'],
  ['__name__', 'allow-utf-8', 'exported___name__'],
  ['__proto__', 'values', 'exported___proto__'],
  ['a:b', 'underscores', 'a_b'],
  ['a:b', 'values', 'U__a_3a_b'],
  ['k8s.io/zone', 'underscores', 'k8s_io_zone'],
  ['k8s.io/zone', 'dots', 'k8s_dot_io__zone'],
  ['k8s.io/zone', 'values', 'U__k8s_2e_io_2f_zone'],
  ['k8s.io/zone', 'allow-utf-8', 'k8s.io/zone'],
  ['..', 'underscores', 'exported___'],
] as const)('the label %j by %s', (name, escaping, expected) => {
  expect(escapeLabelName(name, escaping)).toBe(expected);
});

const name = fc.oneof(fc.string({ unit: ANY_CHARACTER }), fc.string({ unit: 'grapheme' }), fc.string());

test('every name becomes one that all clients read', () => {
  fc.assert(
    fc.property(name, fc.constantFrom('underscores', 'dots', 'values'), (original, escaping) => {
      expect(escapeMetricName(original, escaping)).toMatch(/^[a-zA-Z_:][a-zA-Z0-9_:]*$/);
      expect(escapeLabelName(original, escaping)).toMatch(/^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$/);
    }),
  );
});

test('names escaped by value read back', () => {
  fc.assert(
    fc.property(
      name.filter((one) => one !== '' && !one.startsWith('U__')),
      (original) => {
        expect(unescapeValues(escapeMetricName(original, 'values'))).toBe(original.toWellFormed());
      },
    ),
  );
});
