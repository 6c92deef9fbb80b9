/** How large the database is, and what it reaches back to. */
import { statSync } from 'node:fs';
import type { HistoryFigures } from '../backend.ts';
import type { Tier } from '../samples.ts';
import type { Connection } from './connection.ts';
import { GROUPS, oldestInJournal } from './journal.ts';
import { DAY_MS, HOUR_MS, MONTH_MS, periodOf } from './periods.ts';
import { logOf } from './set-aside.ts';

/** Raw samples deleted before their time because of the database's maximum size. */
export const DELETED_EARLY = 'deleted_early';

/** By which time data was last deleted as too old. */
const EXPIRY = 'expiry_ms';

export function putExpiry(db: Connection, expiryMs: number): void {
  db.run('INSERT OR REPLACE INTO figures (name, value) VALUES (?, ?)', EXPIRY, expiryMs);
}

/** Before the first time: when earlier runs of the master last wrote. */
export function lastExpiry(db: Connection, bootId: string): number | undefined {
  const lastMs =
    db.value('SELECT value FROM figures WHERE name = ?', EXPIRY) ??
    db.value('SELECT max(up_until_ms) FROM master_runs WHERE boot_id <> ?', bootId);
  return (lastMs ?? undefined) as number | undefined;
}

export function addToFigure(db: Connection, name: string, more: number): void {
  db.run(
    'INSERT INTO figures (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value',
    name,
    more,
  );
}

export function readFigures(db: Connection, path: string, damaged: number): HistoryFigures {
  return db.read(() => ({
    bytes: bytesOf(path) + bytesOf(logOf(path)),
    oldestMs: oldest(db),
    deletedEarly: (db.value('SELECT value FROM figures WHERE name = ?', DELETED_EARLY) ?? 0) as number,
    damaged,
  }));
}

/** Each tier also has what the finer ones have: buckets are computed from them. */
function oldest(db: Connection): Partial<Record<Tier, number>> {
  const firstMs = (db.value('SELECT min(first_ms) FROM workers') ?? undefined) as number | undefined;
  if (firstMs === undefined) return {};
  const raw = least([
    firstPeriod(db, 'raw_hours', HOUR_MS),
    firstPeriod(db, 'open_hours', HOUR_MS),
    ...Array.from({ length: GROUPS }, (_, group) => oldestInJournal(db, group)),
  ]);
  const minutes = least([raw, firstPeriod(db, 'minute_days', DAY_MS), firstPeriod(db, 'minute_hours', HOUR_MS)]);
  const hours = least([minutes, firstPeriod(db, 'hour_months', MONTH_MS)]);
  // A period may begin before its first sample.
  const clamped = (oldestMs: number) => Math.max(oldestMs, firstMs);
  return {
    ...(raw === undefined ? {} : { raw: clamped(raw) }),
    ...(minutes === undefined ? {} : { '1m': clamped(minutes) }),
    ...(hours === undefined ? {} : { '1h': clamped(hours) }),
  };
}

function firstPeriod(db: Connection, table: string, lengthMs: number): number | undefined {
  const id = db.value(`SELECT min(id) FROM ${table}`) as number | null;
  return id === null ? undefined : periodOf(id) * lengthMs;
}

function least(times: readonly (number | undefined)[]): number | undefined {
  const present = times.filter((time) => time !== undefined);
  return present.length === 0 ? undefined : Math.min(...present);
}

/** 0 if there is no such file. */
export function bytesOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Which file has this name; undefined: none. */
export function fileOf(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? undefined : `${stat.dev} ${stat.ino}`;
}
