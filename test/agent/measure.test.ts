import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import fc from 'fast-check';
import type { Systeminformation } from 'systeminformation';
import { describe, expect, test } from 'vitest';
import { CpuMeter } from '../../src/agent/measure/cpu.ts';
import { GpuMeter, gpusOf, meanUtilization, parseNvidiaSmi } from '../../src/agent/measure/gpu.ts';
import { Machine } from '../../src/agent/measure/machine.ts';
import { Probe } from '../../src/agent/measure/probe.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { FakeClock } from '../support/fake-clock.ts';

const NO_CGROUP = '/nonexistent';

describe('this machine', () => {
  test('has the memory, cores and disk that /proc and the kernel tell', async () => {
    const machine = new Machine({ clock: systemClock, report: () => {}, cgroupRoot: NO_CGROUP });
    const capacity = await machine.capacity();
    const meminfo = readFileSync('/proc/meminfo', 'utf8');
    const kib = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(meminfo)?.[1]);
    expect(capacity.memoryGib).toBeCloseTo(kib('MemTotal') / 1024 ** 2, 3);
    expect(capacity.cores).toBe(cpus().length);
    expect(capacity.storageGib).toBeGreaterThan(0);
    const usages = await machine.usages();
    const expected = 100 * (1 - kib('MemAvailable') / kib('MemTotal'));
    expect(Math.abs(usages.memoryPercent - expected)).toBeLessThan(5);
    expect(usages.storagePercent).toBeGreaterThan(0);
    expect(usages.storagePercent).toBeLessThanOrEqual(100);
  });

  test('is seen busy while it is', async () => {
    const meter = new CpuMeter({ clock: systemClock, cgroupRoot: NO_CGROUP });
    await meter.measure();
    const endMs = performance.now() + 400;
    while (performance.now() < endMs);
    // One core of all was busy for the whole time.
    expect(await meter.measure()).toBeGreaterThan(50 / cpus().length);
  });
});

describe('a probe', () => {
  test('says once that it fails and once that it is well again, and has no value meanwhile', async () => {
    const lines: string[] = [];
    let works = true;
    const probe = new Probe({
      name: 'storage',
      clock: new FakeClock(),
      report: (level, message) => lines.push(`${level} ${message}`),
      measure: async () => {
        if (!works) throw new Error('device is gone');
        return 7;
      },
    });
    expect(await probe.refresh(1)).toBe(7);
    works = false;
    expect(await probe.refresh(1)).toBeUndefined();
    await probe.refresh(1);
    works = true;
    expect(await probe.refresh(1)).toBe(7);
    expect(lines).toEqual([
      'warn storage cannot be measured and is reported as 0: device is gone',
      'info storage is measured again',
    ]);
  });

  test('that hangs delays nobody for longer than allowed, and is not started twice', async () => {
    const clock = new FakeClock();
    let begun = 0;
    const probe = new Probe<number>({
      name: 'memory',
      clock,
      report: () => {},
      measure: () => {
        begun += 1;
        return new Promise(() => {});
      },
    });
    for (let i = 0; i < 3; i++) {
      const refreshed = probe.refresh(500);
      clock.advance(500);
      expect(await refreshed).toBeUndefined();
    }
    expect(begun).toBe(1);
    expect(clock.pending).toBe(0);
  });
});

const LINES = `0, GPU-aaaa, NVIDIA A100, 0, 100, 40960, 31, 55.12
1, GPU-bbbb, NVIDIA A100, 80, [N/A], 40960, 9223372036854775794, [Unknown Error]
`;

describe('GPUs', () => {
  test('idle is 0, what is not known is absent, and a sentinel is not a value', () => {
    const gpus = parseNvidiaSmi(LINES);
    expect(gpus).toEqual([
      {
        index: 0,
        uuid: 'GPU-aaaa',
        name: 'NVIDIA A100',
        utilizationPercent: 0,
        memoryUsedBytes: 100 * 1024 ** 2,
        memoryTotalBytes: 40960 * 1024 ** 2,
        temperatureCelsius: 31,
        powerWatts: 55.12,
      },
      {
        index: 1,
        uuid: 'GPU-bbbb',
        name: 'NVIDIA A100',
        utilizationPercent: 80,
        memoryTotalBytes: 40960 * 1024 ** 2,
      },
    ]);
    expect(meanUtilization(gpus)).toBe(40);
  });

  test('any output gives finite numbers within bounds or none', () => {
    const cell = fc.oneof(fc.double().map(String), fc.integer().map(String), fc.string(), fc.constant('[N/A]'));
    fc.assert(
      fc.property(fc.array(cell, { minLength: 5, maxLength: 5 }), (cells) => {
        for (const { index, uuid, name, ...numbers } of parseNvidiaSmi(`0, u, n, ${cells.join(', ')}`)) {
          for (const value of Object.values(numbers)) expect(value).toBeGreaterThanOrEqual(0);
          expect(numbers.utilizationPercent ?? 0).toBeLessThanOrEqual(100);
        }
      }),
    );
  });

  test('a virtual screen adapter is none', () => {
    const adapter = { vendor: 'Cirrus', model: 'GD 5446', bus: 'PCI', vram: 4, vramDynamic: false };
    expect(gpusOf([adapter])).toEqual([]);
  });

  test('are looked for once where there is no driver', async () => {
    let looks = 0;
    const meter = new GpuMeter({
      nvidiaSmi: () => Promise.reject(Object.assign(new Error('no such file'), { code: 'ENOENT' })),
      controllers: async () => {
        looks += 1;
        return [{ model: 'Iris', memoryTotal: 512 } as Systeminformation.GraphicsControllerData];
      },
    });
    for (let i = 0; i < 3; i++) expect(await meter.measure()).toMatchObject([{ name: 'Iris' }]);
    expect(looks).toBe(1);
  });

  test('are measured again and again where a driver answers', async () => {
    let percent = 10;
    const meter = new GpuMeter({
      nvidiaSmi: async () => `0, GPU-1, T4, ${percent}, 1, 2, 3, 4`,
      controllers: () => Promise.reject(new Error('must not be asked')),
    });
    expect(meanUtilization(await meter.measure())).toBe(10);
    percent = 90;
    expect(meanUtilization(await meter.measure())).toBe(90);
  });
});
