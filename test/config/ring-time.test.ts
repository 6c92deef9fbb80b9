import { expect, test } from 'vitest';
import { masterConfig } from '../../src/config/resolve.ts';
import { ringTimeMs, ringTimeWarnings } from '../../src/config/ring-time.ts';

const configOf = (environment: Readonly<Record<string, string>>, flags: Readonly<Record<string, string>> = {}) =>
  masterConfig({ flags, environment, dotenv: {} });
const HOUR_MS = 3_600_000;

test.each([
  [{}, HOUR_MS],
  [{ HISTORY: 'off' }, 0],
  [{ HISTORY: 'off', RING_TIME: '30m' }, HOUR_MS / 2],
  [{ HISTORY: 'off', RING_TIME: '0' }, 0],
  [{ RING_TIME: '24h' }, 24 * HOUR_MS],
  [{ RING_SAMPLES: '512' }, 512 * 5000],
  [{ RING_SAMPLES: '512', HEARTBEAT_INTERVAL: '1s' }, 512 * 1000],
  [{ RING_SAMPLES: '1' }, 10_000],
  [{ RING_SAMPLES: '1000000' }, 24 * HOUR_MS],
  [{ RING_SAMPLES: '512', RING_TIME: '1m' }, 60_000],
])('%o keeps samples for %d ms', (environment, expected) => {
  expect(ringTimeMs(configOf(environment as Record<string, string>))).toBe(expected);
});

test('the setting of earlier versions is accepted, with a warning that names the present one', () => {
  expect(ringTimeWarnings(configOf({}))).toEqual([]);
  expect(ringTimeWarnings(configOf({ RING_SAMPLES: '720' }))).toEqual([
    'RING_SAMPLES=720 is replaced by RING_TIME; at the present heartbeat interval it amounts to RING_TIME=1h',
  ]);
  expect(ringTimeWarnings(configOf({ RING_SAMPLES: '720' }, { ringTimeMs: '5m' }))).toEqual([
    'RING_SAMPLES=720 is ignored: --ring-time 5m is set',
  ]);
});

test.each([
  [{ RING_TIME: '0' }, 'RING_TIME=0: expected at least 10s, or 0 with HISTORY=off'],
  [{ RING_TIME: '5s' }, 'RING_TIME=5s: expected at least 10s, or 0 with HISTORY=off'],
  [{ HISTORY: 'off', RING_TIME: '5s' }, 'RING_TIME=5s: expected at least 10s, or 0 with HISTORY=off'],
  [{ RING_TIME: '2d' }, 'RING_TIME=2d: expected a duration from 0 to 24h, or "auto"'],
  [
    { RING_MEMORY: '0%' },
    'RING_MEMORY=0%: expected a size from 1MiB to 1TiB, such as 512KiB or 4MiB, or a percentage of the memory such as 10%',
  ],
  [{ RING_MEMORY: '101%' }, 'or a percentage of the memory such as 10%'],
  [{ RING_MEMORY: '10' }, 'or a percentage of the memory such as 10%'],
  [{ HISTORY_METRICS: '257' }, 'HISTORY_METRICS=257: expected a whole number from 0 to 256'],
  [{ RING_SAMPLES: 'many' }, 'RING_SAMPLES=many: expected a whole number from 1 to 1000000'],
])('%o is refused', (environment, message) => {
  expect(() => configOf(environment as Record<string, string>)).toThrow(message);
});

test('memory for rings is a size or a share', () => {
  expect(configOf({}).ringMemory).toEqual({ share: 0.1 });
  expect(configOf({ RING_MEMORY: '2.5%' }).ringMemory).toEqual({ share: 0.025 });
  expect(configOf({ RING_MEMORY: '64MiB' }).ringMemory).toEqual({ bytes: 64 * 1024 ** 2 });
});
