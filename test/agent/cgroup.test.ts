import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readCpuLimit, readMemoryLimit } from '../../src/agent/measure/container-limits.ts';
import { CpuMeter } from '../../src/agent/measure/cpu.ts';
import { GpuMeter } from '../../src/agent/measure/gpu/gpu-meter.ts';
import { Machine } from '../../src/agent/measure/machine.ts';
import { fillPercent, measureMemory } from '../../src/agent/measure/memory.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';

const GIB = 1024 ** 3;
let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'cgroup-'));
});

afterEach(() => rm(root, { recursive: true }));

async function files(contents: Record<string, string>): Promise<void> {
  for (const [name, text] of Object.entries(contents)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), text);
  }
}

test('a file that does not answer does not keep a registration waiting', async () => {
  const clock = new FakeClock();
  const common = { clock, report: () => {} };
  const machine = new Machine({ ...common, cgroupRoot: root, gpus: new GpuMeter({ ...common, vendors: [] }) });
  const file = join(root, 'cpu.max');
  // Whoever opens it to read waits for somebody who writes.
  execFileSync('mkfifo', [file]);
  const capacity = machine.capacity();
  const writer = await eventually(() => {
    try {
      return openSync(file, constants.O_WRONLY | constants.O_NONBLOCK);
    } catch {
      return undefined;
    }
  });
  try {
    clock.advance(1000);
    expect((await capacity).cores).toBe(0);
  } finally {
    closeSync(writer);
  }
});

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
    ['no files', {}],
    [
      'version 1 without a limit',
      { 'memory/memory.limit_in_bytes': '9223372036854771712', 'memory/memory.usage_in_bytes': '1' },
    ],
    ['version 1 that is cut short', { 'memory/memory.limit_in_bytes': `${GIB}` }],
    ['a limit above the host', { 'memory.max': `${64 * GIB}`, 'memory.current': '1' }],
    ['no limit', { 'memory.max': 'max', 'memory.current': '1' }],
    ['a limit without usage', { 'memory.max': `${GIB}` }],
  ])('is the host’s with %s', async (_, contents) => {
    await files(contents);
    expect(await measure()).toEqual(host);
  });

  test.each([
    ['version 1', {}],
    // Version 2 is mounted, and has no memory controller.
    ['a hybrid', { 'unified/cgroup.controllers': '', 'cgroup.procs': '1' }],
  ])('is the container’s with %s, by the least limit of its group and those above', async (_, more) => {
    await files({
      ...more,
      'memory/memory.limit_in_bytes': `${8 * GIB}\n`,
      'memory/memory.usage_in_bytes': `${3 * GIB}\n`,
      'memory/memory.stat': `cache 1\ninactive_file 5\nhierarchical_memory_limit ${4 * GIB}\ntotal_inactive_file ${GIB}\n`,
    });
    expect(await measure()).toEqual({ usedBytes: 2 * GIB, totalBytes: 4 * GIB });
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

  test.each([
    ['mounted together', 'cpu,cpuacct', 'cpu,cpuacct'],
    ['mounted apart', 'cpu', 'cpuacct'],
    ['linked', 'cpu', 'cpu,cpuacct'],
  ])('is read of version 1, its controllers %s', async (_, cpu, cpuacct) => {
    await files({
      [`${cpu}/cpu.cfs_quota_us`]: '150000\n',
      [`${cpu}/cpu.cfs_period_us`]: '100000\n',
      [`${cpuacct}/cpuacct.usage`]: '2500000000\n',
    });
    expect(await readCpuLimit(root)).toEqual({ usedMs: 2500, cores: 1.5 });
    await files({ [`${cpu}/cpu.cfs_quota_us`]: '-1\n' });
    expect(await readCpuLimit(root)).toBeUndefined();
  });

  test('any files give a limit of finite numbers, or none', async () => {
    const paths = [
      ...['cpu.max', 'cpu.stat', 'memory.max', 'memory.current', 'memory.stat'],
      ...['memory/memory.limit_in_bytes', 'memory/memory.usage_in_bytes', 'memory/memory.stat'],
      ...['cpu/cpu.cfs_quota_us', 'cpu/cpu.cfs_period_us', 'cpuacct/cpuacct.usage'],
    ];
    const text = fc.oneof(
      fc.string(),
      fc.nat().map(String),
      fc.constantFrom('max', '-1', 'max 100000', '0 0', 'usage_usec 5'),
    );
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.constantFrom(...paths), text), async (contents) => {
        await files({ ...Object.fromEntries(paths.map((path) => [path, ''])), ...contents });
        const numbers = { ...(await readCpuLimit(root)), ...(await readMemoryLimit(root)) };
        for (const value of Object.values(numbers)) expect(Number.isFinite(value) && value >= 0).toBe(true);
      }),
      { numRuns: 50 },
    );
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
