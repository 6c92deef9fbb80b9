import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type FactSources, readMachineFacts, thisMachine } from '../../src/engine/lanes/machine-facts.ts';
import { threadBudget } from '../../src/engine/lanes/thread-budget.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'facts-'));
});

afterEach(() => rmSync(root, { recursive: true }));

function files(contents: Record<string, string>): void {
  for (const [name, text] of Object.entries(contents)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
}

function read(more: Partial<FactSources> = {}) {
  return readMachineFacts({
    procRoot: join(root, 'proc'),
    cgroupRoot: join(root, 'cgroup'),
    totalMemoryBytes: 16e9,
    constrainedMemoryBytes: 2 ** 64,
    usedMemoryBytes: 80e6,
    isRoot: false,
    ...more,
  });
}

const least = (limits: readonly { most: number; taken: number; setting: string }[]) =>
  limits.toSorted((a, b) => a.most - a.taken - (b.most - b.taken))[0];

const LIMITS = `Limit                     Soft Limit           Hard Limit           Units
Max address space         unlimited            unlimited            bytes
Max processes             4096                 96364                processes
Max open files            1024                 524288               files
`;

describe('memory', () => {
  test('is that of the machine if nothing else is known', () => {
    expect(read({ constrainedMemoryBytes: 0 }).memory).toEqual([
      { setting: 'the machine’s memory', most: 16e9, taken: 80e6 },
    ]);
  });

  test.each([
    ['its own group', 'cgroup/system.slice/pulselane.service/memory.max', 'memory.max'],
    ['a group above', 'cgroup/system.slice/memory.high', 'memory.high'],
    ['the root of a container', 'cgroup/memory.max', 'memory.max'],
  ])('is as little as %s allows', (_, file, setting) => {
    files({
      'proc/self/cgroup': '0::/system.slice/pulselane.service\n',
      'cgroup/system.slice/pulselane.service/memory.max': '9000000000\n',
      'cgroup/system.slice/memory.max': 'max\n',
      [file]: '2000000000\n',
      // Of another service.
      'cgroup/system.slice/other.service/memory.max': '1\n',
    });
    expect(least(read().memory)).toEqual({ setting, most: 2e9, taken: 80e6 });
  });

  test('used by others counts as taken, memory that the kernel can reclaim does not', () => {
    files({
      'proc/meminfo': 'MemTotal:        8000000 kB\nMemFree:  100 kB\nMemAvailable:    2000000 kB\n',
      'proc/self/cgroup': '0::/a\n',
      'cgroup/a/memory.max': '4000000000\n',
      'cgroup/a/memory.current': '3000000000\n',
      'cgroup/a/memory.stat': 'anon 1\ninactive_file 500000000\nslab_reclaimable 100000000\n',
    });
    expect(read({ totalMemoryBytes: 8_192_000_000, constrainedMemoryBytes: 0 }).memory).toEqual([
      { setting: 'memory.max', most: 4e9, taken: 2.4e9 },
      { setting: 'the machine’s memory', most: 8_192_000_000, taken: 6_144_000_000 },
    ]);
  });

  test.each(['cgroup/memory/limited', 'cgroup/memory'])(
    'that others use in a group of version 1 is taken (%s)',
    (group) => {
      files({
        'proc/self/cgroup': '4:memory:/limited\n0::/\n',
        [`${group}/memory.usage_in_bytes`]: '900000000\n',
        [`${group}/memory.stat`]: 'inactive_file 1\ntotal_inactive_file 300000000\n',
      });
      expect(least(read({ constrainedMemoryBytes: 1e9 }).memory)).toEqual({
        setting: 'the container’s memory',
        most: 1e9,
        taken: 6e8,
      });
    },
  );

  test('is what libuv reports for version 1', () => {
    files({ 'proc/self/cgroup': '4:memory:/limited\n0::/\n' });
    const { memory } = read({ constrainedMemoryBytes: 1e9 });
    expect(least(memory)).toEqual({ setting: 'the container’s memory', most: 1e9, taken: 80e6 });
  });
});

describe('processes', () => {
  test('are limited by the tightest group, minus what runs in it', () => {
    files({
      'proc/self/cgroup': '0::/a/b\n',
      'cgroup/a/b/pids.max': '500\n',
      'cgroup/a/b/pids.current': '20\n',
      'cgroup/a/pids.max': '600\n',
      'cgroup/a/pids.current': '580\n',
      'cgroup/pids.max': 'max\n',
    });
    expect(least(read().processes)).toEqual({ setting: 'pids.max', most: 600, taken: 580 });
  });

  test('of one user are limited, except for root', () => {
    files({ 'proc/self/limits': LIMITS, 'proc/self/task/1/comm': '', 'proc/self/task/2/comm': '' });
    expect(read().processes).toEqual([{ setting: 'ulimit -u', most: 4096, taken: 2 }]);
    expect(read({ isRoot: true }).processes).toEqual([]);
  });

  test('of the whole machine are limited by its kernel', () => {
    files({
      'proc/loadavg': '0.20 0.18 0.12 3/345 12345\n',
      'proc/sys/kernel/threads-max': '192729\n',
      'proc/sys/kernel/pid_max': '32768\n',
    });
    expect(read().processes).toEqual([
      { setting: 'kernel.threads-max', most: 192_729, taken: 345 },
      { setting: 'kernel.pid_max', most: 32_768, taken: 345 },
    ]);
  });
});

test('memory maps and open files are limited, minus what this process uses', () => {
  files({
    'proc/sys/vm/max_map_count': '65530\n',
    'proc/self/maps': '00400000-00401000 r--p a\n00401000-00402000 r-xp a\n',
    'proc/self/limits': LIMITS,
    'proc/self/fd/0': '',
  });
  expect(read()['memory maps']).toEqual([{ setting: 'vm.max_map_count', most: 65_530, taken: 2 }]);
  expect(read()['open files']).toEqual([{ setting: 'ulimit -n', most: 1024, taken: 1 }]);
});

test('missing, unlimited or malformed values are no limit and no error', () => {
  const names = [
    'proc/self/cgroup',
    'proc/self/limits',
    'proc/self/maps',
    'proc/loadavg',
    'proc/sys/kernel/threads-max',
    'proc/sys/kernel/pid_max',
    'proc/sys/vm/max_map_count',
    'proc/meminfo',
    'cgroup/memory.max',
    'cgroup/memory.current',
    'cgroup/memory.stat',
    'cgroup/memory.high',
    'cgroup/pids.max',
    'cgroup/pids.current',
  ];
  const garbage = fc.oneof(
    fc.string(),
    fc.constantFrom(
      'max\n',
      '',
      '-1',
      '1e3',
      '0x10',
      'NaN',
      'Infinity',
      '1 2',
      '9'.repeat(400),
      LIMITS.replace(/\d+/g, '?'),
    ),
  );
  fc.assert(
    fc.property(
      fc.record(Object.fromEntries(names.map((name) => [name, garbage])), { requiredKeys: [] }),
      (contents) => {
        rmSync(root, { recursive: true });
        mkdirSync(root);
        files(contents as Record<string, string>);
        const facts = read();
        for (const { most, taken } of Object.values(facts).flat()) {
          // Some garbage is a number; then it is taken for one.
          expect(most).toBeGreaterThanOrEqual(0);
          expect(Number.isFinite(most)).toBe(true);
          expect(taken).toBeGreaterThanOrEqual(0);
        }
        const { lanes } = threadBudget(facts, 2);
        expect(Number.isInteger(lanes)).toBe(true);
      },
    ),
  );
});

test('the facts of this machine are those of its files', () => {
  const facts = readMachineFacts();
  expect(facts.memory).toContainEqual(expect.objectContaining({ setting: 'the machine’s memory', most: totalmem() }));
  const [maps] = facts['memory maps'];
  expect(maps?.most).toBe(Number(readFileSync('/proc/sys/vm/max_map_count', 'utf8')));
  const mapsNow = readFileSync('/proc/self/maps', 'utf8').split('\n').length;
  expect(Math.abs((maps?.taken ?? 0) - mapsNow)).toBeLessThan(mapsNow / 2);
  const [open] = facts['open files'];
  expect(open?.most).toBeGreaterThan(open?.taken ?? Number.POSITIVE_INFINITY);
  expect(open?.taken).toBeGreaterThan(readdirSync('/proc/self/fd').length / 2);
  expect(facts.processes.map(({ setting }) => setting)).toContain('kernel.pid_max');
  expect(threadBudget(facts, 2).lanes).toBeGreaterThan(0);
  expect(thisMachine().usedMemoryBytes).toBeGreaterThan(1e6);
});
