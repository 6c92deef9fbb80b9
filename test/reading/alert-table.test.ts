import { describe, expect, it } from 'vitest';
import type { AlertChanges } from '../../src/model/alert-changes.ts';
import { AlertTable } from '../../src/reading/alert-table.ts';

const NOTHING: AlertChanges = { isFirst: false, changed: [], removed: [] };
const alert = (id: string, severity = 'page') =>
  ({ id, state: 'firing', json: JSON.stringify({ id, severity }) }) as const;

describe('AlertTable', () => {
  it('is what the changes say, also for an alert that was read before', () => {
    const table = new AlertTable();
    table.apply({ ...NOTHING, changed: [alert('a'), alert('b')] });
    expect(table.get('a')?.severity).toBe('page');
    const { version } = table;
    table.apply({ ...NOTHING, changed: [alert('a', 'info')], removed: ['b'] });
    expect(table.size).toBe(1);
    expect(table.get('a')?.severity).toBe('info');
    expect(table.get('b')).toBeUndefined();
    expect(table.version).not.toBe(version);
  });

  it('forgets what was there when all alerts are told anew', () => {
    const table = new AlertTable();
    table.apply({ ...NOTHING, changed: [alert('a')] });
    table.apply({ ...NOTHING, isFirst: true, changed: [alert('c')] });
    expect([...table.all()].map(({ id }) => id)).toEqual(['c']);
  });

  it('makes another table equal', () => {
    const table = new AlertTable();
    table.apply({ ...NOTHING, changed: [alert('a'), alert('b')] });
    const other = new AlertTable();
    other.apply({ ...NOTHING, isFirst: true, changed: [...table.texts()] });
    expect([...other.all()]).toEqual([...table.all()]);
  });
});
