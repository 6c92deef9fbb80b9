import { expect, test } from 'vitest';
import { familyFilter } from '../../../src/metrics/export/family-filter.ts';
import { customNamingOf } from '../../../src/metrics/export/receivers.ts';
import type { Family } from '../../../src/metrics/family.ts';
import { nameMetrics } from '../../../src/metrics/workers/custom-names.ts';

const family = (name: string, type: Family['type']): Family => ({ name, type, help: '' });

test.each([
  ['pulselane_worker_info', family('pulselane_worker', 'info'), true],
  ['pulselane_worker_*', family('pulselane_worker', 'info'), true],
  ['pulselane_worker', family('pulselane_worker', 'info'), true],
  ['pulselane_beats_total', family('pulselane_beats', 'counter'), true],
  ['pulselane_beats', family('pulselane_beats', 'counter'), true],
  ['pulselane_wait_seconds_count', family('pulselane_wait_seconds', 'histogram'), true],
  ['pulselane_wait_seconds_total', family('pulselane_wait_seconds', 'histogram'), false],
  ['pulselane_beats_total', family('pulselane_beats', 'gauge'), false],
])('%s chooses %j: %j', (glob, one, isChosen) => {
  expect(familyFilter([glob])(one)).toBe(isChosen);
});

test('of names that a receiver of OTLP may write alike, a worker has one series', () => {
  const { escaped } = customNamingOf({ kind: 'otlp' } as never);
  const names = ['a.b', 'a_b', 'a..b', 'a__b_', 'a-b', 'ab', '队列', '内存', 'a:b'];
  expect([...nameMetrics(names, escaped).byFamily.values()]).toEqual(['a_b', 'ab', '队列', '内存', 'a:b']);
});
