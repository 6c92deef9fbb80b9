import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { groupFolders, parseCount, parseCpuMax, parseFlatKeyed, parseMemoryMax } from '../../src/lib/cgroup.ts';

describe('the parsers of cgroup v2 files', () => {
  test('read back every quota in cores', () => {
    const micros = fc.integer({ min: 1, max: 10_000_000 });
    fc.assert(
      fc.property(micros, micros, (quota, period) => {
        expect(parseCpuMax(`${quota} ${period}\n`)).toBeCloseTo(quota / period, 9);
      }),
    );
  });

  test('read back every limit in bytes', () => {
    fc.assert(fc.property(fc.integer({ min: 1 }), (bytes) => parseMemoryMax(`${bytes}\n`) === bytes));
  });

  test('read back every counter of a flat keyed file', () => {
    const counters = fc.dictionary(fc.stringMatching(/^[a-z_]{1,20}$/), fc.nat());
    fc.assert(
      fc.property(counters, (values) => {
        const text = Object.entries(values).map(([key, value]) => `${key} ${value}\n`);
        expect(Object.fromEntries(parseFlatKeyed(text.join('')))).toEqual({ ...values });
      }),
    );
  });

  test('take any text without throwing, and no nonsense for a number', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const values = [parseCount(text), parseCpuMax(text), parseMemoryMax(text), ...parseFlatKeyed(text).values()];
        for (const value of values) {
          if (value !== undefined) expect(value).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });

  test('take "max" for no limit', () => {
    expect(parseMemoryMax('max\n')).toBeUndefined();
    expect(parseCpuMax('max 100000\n')).toBeUndefined();
  });
});

describe('the groups of a process', () => {
  test('are its own and all above it, up to the root of the mount', () => {
    expect(groupFolders('/cg', '0::/system.slice/pulselane.service\n')).toEqual([
      '/cg/system.slice/pulselane.service',
      '/cg/system.slice',
      '/cg',
    ]);
  });

  test('are found among the lines of version 1', () => {
    const membership = '9:name=systemd:/v1\n4:memory:/v1/deep\n0::/a b\n';
    expect(groupFolders('/cg', membership)).toEqual(['/cg/a b', '/cg']);
  });

  test.each([
    ['in a container', '0::/\n'],
    ['without version 2', '4:memory:/v1\n'],
    ['that lie outside of what may be seen', '0::/../../other\n'],
    ['where nothing is known', ''],
  ])('are the root alone %s', (_, membership) => {
    expect(groupFolders('/cg', membership)).toEqual(['/cg']);
  });

  test('never lie outside of the mount, whatever the text', () => {
    const names = fc.array(fc.oneof(fc.string(), fc.constantFrom('..', '.', '', 'a')));
    fc.assert(
      fc.property(names, (parts) => {
        const folders = groupFolders('/cg', `0::/${parts.join('/')}`);
        expect(folders.at(-1)).toBe('/cg');
        for (const folder of folders) expect(`${folder}/`.startsWith('/cg/')).toBe(true);
      }),
    );
  });
});
