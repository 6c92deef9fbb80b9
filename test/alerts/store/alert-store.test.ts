import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, rmdir, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { AlertRecord } from '../../../src/alerts/state/record.ts';
import { AlertStore } from '../../../src/alerts/store/alert-store.ts';
import { NEWEST_VERSION } from '../../../src/alerts/store/migrations.ts';
import { readAlerts, writeAlerts } from '../../../src/alerts/store/stored-alerts.ts';
import { systemClock } from '../../../src/lib/clock.ts';

let folder: string;
let path: string;
const stores: AlertStore[] = [];
const losses: string[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulselane-alerts-'));
  path = join(folder, 'alerts.db');
  losses.length = 0;
});
afterEach(async () => {
  for (const store of stores.splice(0)) store.close();
  await rm(folder, { recursive: true, force: true });
});

function storeAt(): AlertStore {
  const store = new AlertStore({ path, clock: systemClock, onLoss: (message) => losses.push(message) });
  stores.push(store);
  return store;
}

/** What the store needs to know of an alert. */
const record = (id: string) => ({ id, core: { state: 'firing' }, pendingSinceUnixMs: 1 }) as unknown as AlertRecord;
const put = (store: AlertStore, ...ids: string[]) =>
  store.write((connection) => writeAlerts(connection, ids.map(record), [], 7));
const idsIn = (store: AlertStore) => store.read(readAlerts).records.map(({ id }) => id);

test('what was written is there after it is opened again, without what was removed', async () => {
  const store = storeAt();
  expect(await store.open()).toBe('empty');
  expect(put(store, 'a', 'b')).toBe(true);
  store.write((connection) => writeAlerts(connection, [], ['a'], 9));
  store.close();
  const next = storeAt();
  expect(await next.open()).toBe('kept');
  expect(await next.open()).toBeUndefined();
  expect(next.read(readAlerts)).toMatchObject({ records: [record('b')], seenMs: 9, unreadable: 0 });
});

test('a file of the version before is kept, and gets the tables of this one', async () => {
  const store = storeAt();
  await store.open();
  put(store, 'a');
  store.close();
  const before = new DatabaseSync(path);
  before.exec('DROP TABLE devices_seen; PRAGMA user_version = 1');
  before.close();
  const next = storeAt();
  expect(await next.open()).toBe('kept');
  expect(idsIn(next)).toEqual(['a']);
  expect(next.read((connection) => connection.all('SELECT * FROM devices_seen'))).toEqual([]);
});

test('a transaction is stored as a whole or not at all', async () => {
  const store = storeAt();
  await store.open();
  const isStored = store.write((connection) => {
    writeAlerts(connection, [record('a')], [], 1);
    connection.exec('INSERT INTO no_table VALUES (1)');
  });
  expect([isStored, store.problem?.detail]).toEqual([false, expect.stringContaining('no such table: no_table')]);
  expect(await store.open()).toBe('kept');
  expect(idsIn(store)).toEqual([]);
  put(store, 'b');
  expect(store.problem).toBeUndefined();
});

test('each commit is on the disk when it returns', async () => {
  const store = storeAt();
  await store.open();
  const pragma = (name: string) => store.read((connection) => connection.value(`PRAGMA ${name}`));
  expect([pragma('journal_mode'), pragma('synchronous')]).toEqual(['wal', 2]);
});

test('a file of a newer version, and one of another program, is left alone, and said in one line', async () => {
  const other = new DatabaseSync(path);
  other.exec(`PRAGMA application_id = ${0x50_4c_53_41}; PRAGMA user_version = 99`);
  other.close();
  const store = storeAt();
  expect(await store.open()).toBeUndefined();
  expect(store.problem?.detail).toBe(
    `${path} has version 99, written by a newer Pulselane; this one reads up to version ${NEWEST_VERSION}`,
  );
  expect(put(store, 'a')).toBe(false);
  await rm(path);
  const foreign = new DatabaseSync(path);
  foreign.exec('CREATE TABLE theirs (x)');
  foreign.close();
  const next = storeAt();
  expect(await next.open()).toBeUndefined();
  expect(next.problem?.detail).toBe(`${path} is a database of another program`);
  expect(losses).toEqual([]);
  expect((await readdir(folder)).filter((name) => name.includes('damaged'))).toEqual([]);
});

test('a damaged file is set aside and said, and a new one begins', async () => {
  await writeFile(path, 'no database at all '.repeat(1000));
  const store = storeAt();
  expect(await store.open()).toBe('empty');
  expect(put(store, 'a')).toBe(true);
  const [aside = ''] = (await readdir(folder)).filter((name) => name.startsWith('alerts.db.damaged-'));
  expect(await readFile(join(folder, aside), 'utf8')).toContain('no database at all');
  expect(losses).toEqual([`${path} is damaged: it is kept as ${join(folder, aside)}, and a new one begins`]);
});

test('a file that is found damaged later is set aside before the next evaluation', async () => {
  const store = storeAt();
  await store.open();
  put(store, ...Array.from({ length: 500 }, (_, n) => `${n}`));
  store.close();
  // The first page is whole, the others are not.
  await truncate(path, 4096);
  await rm(`${path}-wal`, { force: true });
  const next = storeAt();
  const opened = await next.open();
  if (opened === 'kept') {
    expect(() => idsIn(next)).toThrow('malformed');
    expect(await next.open()).toBe('empty');
  } else expect(opened).toBe('empty');
  expect(put(next, 'a')).toBe(true);
  expect(idsIn(next)).toEqual(['a']);
  expect(losses).toHaveLength(1);
});

test('a file that somebody removes is written again', async () => {
  const store = storeAt();
  await store.open();
  put(store, 'a');
  await rm(path);
  expect(await store.open()).toBe('empty');
  expect(put(store, 'a')).toBe(true);
  expect(existsSync(path)).toBe(true);
  expect(losses).toEqual([`${path} was removed: it is written again`]);
});

test('one that cannot be opened is a problem since then, until it is written', async () => {
  await mkdir(path);
  const store = storeAt();
  expect(await store.open()).toBeUndefined();
  const { problem } = store;
  expect(problem?.detail).toBe(`cannot open ${path}: unable to open database file`);
  expect(await store.open()).toBeUndefined();
  expect(store.problem?.sinceUnixMs).toBe(problem?.sinceUnixMs);
  await rmdir(path);
  expect(await store.open()).toBe('empty');
  expect(put(store, 'a')).toBe(true);
  expect(store.problem).toBeUndefined();
});

test('rows that are no alerts are left out and counted', async () => {
  const store = storeAt();
  await store.open();
  put(store, 'a');
  store.write((connection) => {
    for (const text of ['{', 'null', '{}', '{"core":{}}']) {
      connection.run('INSERT INTO alerts (id, record) VALUES (?, ?)', text, text);
    }
  });
  expect(store.read(readAlerts)).toMatchObject({ records: [record('a')], unreadable: 4 });
});
