import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readCpuLimit, readMemoryLimit } from '../../src/agent/measure/cgroup.ts';
import { CpuMeter } from '../../src/agent/measure/cpu.ts';
import { fillPercent, measureMemory } from '../../src/agent/measure/memory.ts';
import { FakeClock } from '../support/fake-clock.ts';

const GIB = 1024 ** 3;
let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'cgroup-'));
});

afterEach(() => rm(root, { recursive: true }));

async function files(contents: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(contents)) await writeFile(join(root, name), text);
}

describe('memory', () => {
  const host = { usedBytes: 2 * GIB, totalBytes: 16 * GIB };
  const measure = () => measureMemory({ cgroupRoot: root, readHost: async () => host });

  test('is the container’s where its limit binds, without the file pages that are given back first', async () => {
    await files({
      'memory.max': `${4 * GIB}\n`,
      'memory.current': `${3 * GIB}\n`,
      'memory.stat': `anon 100\ninactive_file ${GIB}\nactive_file 7\n`,
    });
    const fill = await measure();
    expect(fill).toEqual({ usedBytes: 2 * GIB, totalBytes: 4 * GIB });
    expect(fillPercent(fill)).toBe(50);
  });

  test.each([
    ['no files, as with cgroup v1', {}],
    ['a limit above the host', { 'memory.max': `${64 * GIB}`, 'memory.current': '1' }],
    ['no limit', { 'memory.max': 'max', 'memory.current': '1' }],
    ['a limit without usage', { 'memory.max': `${GIB}` }],
  ])('is the host’s with %s', async (_, contents) => {
    await files(contents);
    expect(await measure()).toEqual(host);
  });

  test('never falls below zero when the kernel’s counters disagree', async () => {
    await files({ 'memory.max': `${GIB}`, 'memory.current': '10', 'memory.stat': 'inactive_file 20' });
    expect(await readMemoryLimit(root)).toEqual({ usedBytes: 0, limitBytes: GIB });
  });
});

describe('processor time', () => {
  const idle = { model: '', speed: 0, times: { user: 0, nice: 0, sys: 0, irq: 0, idle: 0 } };
  const hostAt = (busy: number, free: number) => [
    { ...idle, times: { ...idle.times, user: busy, idle: free } },
    { ...idle, times: { ...idle.times, user: busy, idle: free } },
  ];

  test('is relative to the container’s cores where their limit binds', async () => {
    await files({ 'cpu.max': '50000 100000', 'cpu.stat': 'usage_usec 1000000\nuser_usec 5\n' });
    expect(await readCpuLimit(root)).toEqual({ usedMs: 1000, cores: 0.5 });
    const clock = new FakeClock();
    const meter = new CpuMeter({ clock, cgroupRoot: root, readHost: () => hostAt(0, 0) });
    expect(await meter.measure()).toBe(0);
    // Half of the allowed 0.5 cores, over 2 s.
    await files({ 'cpu.stat': 'usage_usec 1500000\n' });
    clock.advance(2_000);
    expect(await meter.measure()).toBe(50);
    expect(await meter.cores()).toBe(0.5);
  });

  test('is the host’s, over the time since the last look', async () => {
    const clock = new FakeClock();
    let now = hostAt(0, 0);
    const meter = new CpuMeter({ clock, cgroupRoot: root, readHost: () => now });
    await meter.measure();
    clock.advance(5_000);
    now = hostAt(1_250, 3_750);
    expect(await meter.measure()).toBe(25);
    // Too soon for a new opinion: ticks of 10 ms would be most of it.
    clock.advance(20);
    now = hostAt(1_270, 3_750);
    expect(await meter.measure()).toBe(25);
    clock.advance(4_980);
    now = hostAt(1_250, 8_750);
    expect(await meter.measure()).toBe(0);
    expect(await meter.cores()).toBe(2);
  });
});
