import fc from 'fast-check';
import { expect, test } from 'vitest';
import { retryAfterMs } from '../../../src/lib/retry-after.ts';
import {
  afterAttempt,
  backOffMs,
  type Delivery,
  NOTHING_SENT,
  problemOf,
} from '../../../src/metrics/export/delivery.ts';
import {
  AWAY_AFTER_MS,
  FIRST_BACK_OFF_MS,
  MAX_BACK_OFF_MS,
  MAX_RETRY_AFTER_MS,
} from '../../../src/metrics/export/export-limits.ts';
import type { Outcome } from '../../../src/metrics/export/exporter.ts';
import { repetitions } from '../../support/repetitions.ts';

const RETRY: Outcome = { type: 'retry', code: 'failed', detail: 'HTTP 500' };
const at = (ms: number) => ({ monotonicMs: ms, wallMs: 1_000_000 + ms });
/** Without jitter. */
const EVEN = 0.5;

test('each failure doubles the wait, up to its bound, and a success ends it', () => {
  const waits: number[] = [];
  let delivery = NOTHING_SENT;
  for (let n = 0; n < 9; n++) {
    delivery = afterAttempt(delivery, RETRY, at(0), EVEN);
    waits.push(delivery.notBeforeMs);
  }
  expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  expect(afterAttempt(delivery, { type: 'taken', rejected: 0 }, at(5), EVEN)).toEqual(NOTHING_SENT);
});

test('waits differ by a fifth at most, and never grow without bound', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2000 }), fc.double({ min: 0, max: 1, noNaN: true }), (failures, random) => {
      const waitMs = backOffMs(failures, random);
      const plainMs = backOffMs(failures, EVEN);
      expect(waitMs).toBeGreaterThanOrEqual(0.8 * plainMs - 1e-6);
      expect(waitMs).toBeLessThanOrEqual(1.2 * plainMs + 1e-6);
      expect(plainMs).toBeGreaterThanOrEqual(FIRST_BACK_OFF_MS);
      expect(plainMs).toBeLessThanOrEqual(MAX_BACK_OFF_MS);
    }),
    { numRuns: repetitions(200, 10_000) },
  );
});

test('the wait that a receiver asks for is kept, within reason', () => {
  const wait = (retryAfter: number, failures = 0) =>
    afterAttempt({ ...NOTHING_SENT, failures }, { ...RETRY, retryAfterMs: retryAfter }, at(100), EVEN).notBeforeMs -
    100;
  expect(wait(20_000)).toBe(20_000);
  expect(wait(0)).toBe(500);
  expect(wait(1000, 5)).toBe(16_000);
  expect(wait(86_400_000)).toBe(MAX_RETRY_AFTER_MS);
});

test('a refused message holds up none behind it', () => {
  const refused = afterAttempt(NOTHING_SENT, { type: 'refused', detail: 'HTTP 400' }, at(7), EVEN);
  expect(refused.notBeforeMs).toBe(7);
  expect(refused.failures).toBe(0);
});

test('a receiver that has taken nothing for a minute is degraded since its first failure, with the last reason', () => {
  let delivery: Delivery = afterAttempt(NOTHING_SENT, RETRY, at(0), EVEN);
  delivery = afterAttempt(delivery, { type: 'refused', detail: 'HTTP 401: no' }, at(AWAY_AFTER_MS - 1), EVEN);
  expect(problemOf(delivery, 1_000_000 + AWAY_AFTER_MS - 1)).toBeUndefined();
  expect(problemOf(delivery, 1_000_000 + AWAY_AFTER_MS)).toEqual({
    code: 'refused',
    detail: 'HTTP 401: no',
    sinceUnixMs: 1_000_000,
  });
  delivery = afterAttempt(delivery, { type: 'again' }, at(AWAY_AFTER_MS), EVEN);
  expect(problemOf(delivery, 2_000_000)).toBeDefined();
  expect(problemOf(afterAttempt(delivery, { type: 'taken', rejected: 1 }, at(0), EVEN), 9_000_000)).toBeUndefined();
});

test.each([
  ['120', 120_000],
  [' 0 ', 0],
  ['Fri, 27 Nov 2026 02:00:10 GMT', 10_000],
  ['Fri, 27 Nov 2026 01:00:00 GMT', 0],
  ['-1', undefined],
  ['1.5', undefined],
  ['soon', undefined],
  ['2026-11-27T02:00:10Z', undefined],
  ['', undefined],
  [undefined, undefined],
])('Retry-After: %s', (value, expected) => {
  expect(retryAfterMs(value, Date.UTC(2026, 10, 27, 2))).toBe(expected);
});
