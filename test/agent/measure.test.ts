import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { describe, expect, test } from 'vitest';
import { CpuMeter } from '../../src/agent/measure/cpu.ts';
import { machineGpus } from '../../src/agent/measure/gpu/gpu-meter.ts';
import { Machine, patienceOf } from '../../src/agent/measure/machine.ts';
import { Probe } from '../../src/agent/measure/probe.ts';
import { ChildGroups } from '../../src/lib/child-groups.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { FakeClock } from '../support/fake-clock.ts';

const NO_CGROUP = '/nonexistent';

describe('this machine', () => {
  test('has the memory, cores and disk that /proc and the kernel tell', async () => {
    const own = { clock: systemClock, report: () => {} };
    const tools = { gpuToolPath: '', environment: { path: '', libraryPath: '' } };
    const machine = new Machine({
      ...own,
      cgroupRoot: NO_CGROUP,
      gpus: machineGpus({ ...own, tools, groups: new ChildGroups() }),
    });
    const capacity = await machine.capacity();
    const meminfo = readFileSync('/proc/meminfo', 'utf8');
    const kib = (key: string) => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, 'm').exec(meminfo)?.[1]);
    expect(capacity.memoryGib).toBeCloseTo(kib('MemTotal') / 1024 ** 2, 3);
    expect(capacity.cores).toBe(cpus().length);
    expect(capacity.storageGib).toBeGreaterThan(0);
    const usages = await machine.usages(5000);
    const expected = 100 * (1 - kib('MemAvailable') / kib('MemTotal'));
    expect(Math.abs(usages.memoryPercent - expected)).toBeLessThan(5);
    expect(usages.storagePercent).toBeGreaterThan(0);
    expect(usages.storagePercent).toBeLessThanOrEqual(100);
    for (const percent of [usages.cpuPercent, usages.memoryPercent, usages.storagePercent]) {
      expect(String(percent)).toMatch(/^\d+(\.\d{1,2})?$/);
    }
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

  test('that hangs has no value once the one before is older than its time-out, and says so once', async () => {
    const clock = new FakeClock();
    const lines: string[] = [];
    let pending: PromiseWithResolvers<number> | undefined;
    const probe = new Probe<number>({
      name: 'storage',
      clock,
      report: (level, message) => lines.push(`${level} ${message}`),
      measure: () => pending?.promise ?? Promise.resolve(7),
    });
    const refresh = () => {
      const refreshed = probe.refresh(500);
      clock.advance(500);
      return refreshed;
    };
    expect(await refresh()).toBe(7);
    pending = Promise.withResolvers();
    clock.advance(4500);
    expect(await refresh(), 'five seconds old').toBe(7);
    clock.advance(5000);
    expect(await refresh(), 'older than its time-out').toBeUndefined();
    clock.advance(5000);
    await refresh();
    await refresh();
    pending.resolve(8);
    await probe.refresh(0);
    expect(probe.newest).toBe(8);
    expect(lines).toEqual([
      'warn storage cannot be measured and is reported as 0: no answer within 10 s',
      'info storage is measured again',
    ]);
  });

  test('that was not asked for long has no old value to tell', async () => {
    const clock = new FakeClock();
    let answer = Promise.resolve(7);
    const probe = new Probe<number>({ name: 'memory', clock, report: () => {}, measure: () => answer });
    await probe.refresh(0);
    // The machine was asleep.
    clock.advance(3_600_000);
    answer = new Promise(() => {});
    expect(probe.newest).toBeUndefined();
  });

  test('that fails and works in turn does not say the same each time', async () => {
    const clock = new FakeClock();
    const lines: string[] = [];
    let works = true;
    const probe = new Probe<number>({
      name: 'memory',
      clock,
      report: (level, message) => lines.push(`${level} ${message}`),
      measure: async () => {
        if (!works) throw new Error('odd');
        return 1;
      },
    });
    for (let i = 0; i < 60; i++) {
      works = !works;
      await probe.refresh(0);
      clock.advance(1000);
    }
    expect(lines).toHaveLength(2);
  });

  test('keeps a tool’s words to one short line', async () => {
    const lines: string[] = [];
    const probe = new Probe<number>({
      name: 'memory',
      clock: new FakeClock(),
      report: (_, message) => lines.push(message),
      measure: () => Promise.reject(new Error(`a\n\u001b[31mb${'x'.repeat(10_000)}`)),
    });
    await probe.refresh(0);
    expect(lines[0]).toMatch(/: a \[31mbx+…$/);
    expect(lines[0]?.length).toBeLessThan(600);
  });
});

test('rare heartbeats wait for slow numbers, frequent ones do not, and none for longer than half its interval', () => {
  expect(patienceOf(0)).toEqual({ quickMs: 500, slowMs: 0 });
  expect(patienceOf(5000)).toEqual({ quickMs: 500, slowMs: 0 });
  expect(patienceOf(12_000)).toEqual({ quickMs: 6000, slowMs: 6000 });
  expect(patienceOf(3_600_000)).toEqual({ quickMs: 10_000, slowMs: 10_000 });
});
