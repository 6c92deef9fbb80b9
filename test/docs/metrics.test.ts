import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { withMetrics } from '../../scripts/metrics-table.ts';
import { LIVE_CLIENT_KINDS } from '../../src/model/http-figures.ts';
import { FAULT_CAUSES, LANE_KINDS, REJECTION_CAUSES, REPLACEMENT_REASONS } from '../../src/model/lanes.ts';
import { READING_THREADS } from '../../src/model/reading-threads.ts';
import { TRANSPORTS } from '../../src/model/transports.ts';

const PAGE = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');

test('the tables of docs/metrics.md are those of the families; npm run generate writes them', () => {
  expect(withMetrics(PAGE)).toBe(PAGE);
});

test('the page explains every value of the labels that have few', () => {
  const values = [
    ...TRANSPORTS,
    ...REPLACEMENT_REASONS,
    ...REJECTION_CAUSES,
    ...FAULT_CAUSES,
    ...READING_THREADS,
    ...LANE_KINDS,
    ...LIVE_CLIENT_KINDS,
  ];
  expect(values.filter((value) => !PAGE.includes(`\`${value}\``))).toEqual([]);
});
