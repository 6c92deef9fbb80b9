/** The three large tables, which are kept in pieces by time, so that deleting gives disk back at once and locks out nobody. */
import type { Tier } from '../samples.ts';

export interface TimeTable {
  readonly name: string;
  readonly timeColumn: string;
  /** How long a piece is. All begin at a multiple of that since the Unix epoch. */
  readonly days: number;
}

/** Pieces are short beside the time that each tier is kept by default, and few: every query plans over all of them. */
export const TABLES: Readonly<Record<Tier, TimeTable>> = {
  raw: { name: 'pulselane.samples', timeColumn: 'at', days: 1 },
  '1m': { name: 'pulselane.samples_1m', timeColumn: 'start', days: 1 },
  '1h': { name: 'pulselane.samples_1h', timeColumn: 'start', days: 30 },
};

export const DAY_MS = 86_400_000;
export const HOUR_MS = 3_600_000;

/** Where the piece begins that contains a time. */
export function pieceStartMs({ days }: TimeTable, atMs: number): number {
  return floorTo(atMs, days * DAY_MS);
}

export function floorTo(atMs: number, stepMs: number): number {
  return Math.floor(atMs / stepMs) * stepMs;
}

/** What `timestamptz` can hold, and a bit less. */
const MIN_MS = -2e14;
const MAX_MS = 8e15;

/** As a constant expression. */
export function sqlTime(atMs: number): string {
  return `to_timestamp(${Math.min(Math.max(atMs, MIN_MS), MAX_MS)}::float8 / 1000)`;
}
