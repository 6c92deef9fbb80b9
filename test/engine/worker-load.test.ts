import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  HEAVY_MS_PER_S,
  LIGHT_MS_PER_S,
  LOOKS_TO_CHANGE,
  type LoadSeen,
  laneMsPerS,
  NO_LOAD,
  nextLoad,
} from '../../src/engine/lanes/worker-load.ts';

const FIELD: LoadSeen = { elapsedMs: 5000, heartbeats: 1, recordBytes: 400, processorMs: 0 };

describe('a lane’s time for a worker', () => {
  test('is far from heavy for usual workers; large records, floods and slow processors are heavy', () => {
    expect(laneMsPerS(FIELD)).toBeLessThan(HEAVY_MS_PER_S / 100);
    expect(laneMsPerS({ ...FIELD, recordBytes: 500_000 })).toBeGreaterThanOrEqual(HEAVY_MS_PER_S);
    expect(laneMsPerS({ ...FIELD, heartbeats: 600 })).toBeGreaterThanOrEqual(HEAVY_MS_PER_S);
    expect(laneMsPerS({ ...FIELD, processorMs: 5 })).toBeGreaterThanOrEqual(HEAVY_MS_PER_S);
  });

  test('is a number for any observation', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.nat(), fc.nat(), (elapsedMs, heartbeats, recordBytes, processorMs) => {
        const msPerS = laneMsPerS({ elapsedMs, heartbeats, recordBytes, processorMs });
        expect(Number.isFinite(msPerS) && msPerS >= 0).toBe(true);
      }),
    );
  });
});

describe('a worker', () => {
  const seen = (msPerS: number): LoadSeen => ({
    elapsedMs: 1000,
    heartbeats: 0,
    recordBytes: 0,
    processorMs: msPerS,
  });

  test('is heavy only after several looks, not because of one large heartbeat', () => {
    let load = nextLoad(NO_LOAD, seen(HEAVY_MS_PER_S));
    expect(load.isHeavy).toBe(false);
    load = nextLoad(load, seen(0));
    load = nextLoad(load, seen(HEAVY_MS_PER_S));
    expect(load.isHeavy).toBe(false);
    expect(nextLoad(load, seen(HEAVY_MS_PER_S)).isHeavy).toBe(true);
  });

  test('changes only after several consecutive looks beyond the other limit', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 2 * HEAVY_MS_PER_S, noNaN: true })), (loads) => {
        let load = NO_LOAD;
        let contrary = 0;
        for (const msPerS of loads) {
          const before = load.isHeavy;
          contrary = (before ? msPerS < LIGHT_MS_PER_S : msPerS >= HEAVY_MS_PER_S) ? contrary + 1 : 0;
          load = nextLoad(load, seen(msPerS));
          expect(load.isHeavy !== before).toBe(contrary >= LOOKS_TO_CHANGE);
          if (load.isHeavy !== before) contrary = 0;
        }
      }),
    );
  });
});
