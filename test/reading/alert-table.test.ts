import { describe, expect, it } from 'vitest';
import type { Alert, AlertValues } from '../../src/model/alert.ts';
import type { AlertChanges } from '../../src/model/alert-changes.ts';
import { AlertTable } from '../../src/reading/alert-table.ts';

const NOTHING: AlertChanges = { isFirst: false, changed: [], values: [], removed: [] };
const alert = (id: string) =>
  ({ id, rule: 'Hot', values: { pending: null, firing: null, now: null } }) as unknown as Alert;
const now: AlertValues = { atUnixMs: 1, parts: [{ text: 'cpu_usage', value: 93 }] };

describe('AlertTable', () => {
  it('is what the changes say', () => {
    const table = new AlertTable();
    table.apply({ ...NOTHING, changed: [alert('a'), alert('b')] });
    table.apply({
      ...NOTHING,
      values: [
        { id: 'a', now },
        { id: 'unknown', now },
      ],
      removed: ['b'],
    });
    expect(table.size).toBe(1);
    expect(table.get('a')?.values).toEqual({ pending: null, firing: null, now });
    expect(table.get('b')).toBeUndefined();
  });

  it('forgets what was there when all alerts are told anew', () => {
    const table = new AlertTable();
    table.apply({ ...NOTHING, changed: [alert('a')] });
    table.apply({ ...NOTHING, isFirst: true, changed: [alert('c')] });
    expect([...table.all()].map(({ id }) => id)).toEqual(['c']);
  });
});
