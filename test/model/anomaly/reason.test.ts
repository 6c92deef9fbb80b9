import { expect, test } from 'vitest';
import { ReasonCode, reasonText, shortNumber } from '../../../src/model/anomaly/reason.ts';

test('words say what is unusual, by how much, and for how long', () => {
  const reason = { value: 61.2, usual: 41, ratio: 3.9, samples: 6 };
  const text = (code: ReasonCode, more = {}) => reasonText('memory', ' %', { ...reason, code, ...more });
  expect(text(ReasonCode.above)).toBe('memory 3.9 × its usual spread above its usual 41 % for 6 samples');
  expect(text(ReasonCode.below, { samples: 1 })).toBe(
    'memory 3.9 × its usual spread below its usual 41 % for 1 sample',
  );
  expect(text(ReasonCode.above, { ratio: 2_785_026_375.3 })).toBe(
    'memory more than 400 × its usual spread above its usual 41 % for 6 samples',
  );
  expect(text(ReasonCode.rising)).toBe('memory rose slowly to 3.9 × its usual spread above its usual 41 %');
  expect(text(ReasonCode.varying)).toBe('memory varies 3.9 × as much as usual for 6 samples');
  expect(text(ReasonCode.still)).toBe('memory stands still at 61.2 % for 6 samples, but usually varies');
  expect(text(ReasonCode.rhythm, { usual: 80, ratio: 0.4 })).toBe(
    'memory goes up and down faster than usual: a cycle takes 0.4 × its usual 80 samples',
  );
  expect(text(ReasonCode.accepted)).toBe('memory: what it does now is accepted as usual; its usual was 41 %');
  for (const code of Object.values(ReasonCode)) expect(text(code)).toMatch(/^memory/);
});

test('numbers have as many digits as somebody reads', () => {
  expect([0, 0.0005, 0.01234, 1.26, 41.04, 123.4, 2_500_000].map(shortNumber)).toEqual([
    '0',
    '5.0e-4',
    '0.012',
    '1.3',
    '41',
    '123',
    '2.5e+6',
  ]);
});
