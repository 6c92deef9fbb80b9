/** The samples of one worker from all places where they may be: sealed hours, pieces, the journal. */
import { decodeSamples } from '../codec/sample-blob.ts';
import { compareRuns, joinRuns, type Position } from '../sample-runs.ts';
import type { MetricKey, SampleRun } from '../samples.ts';
import type { Connection } from './connection.ts';
import { HOUR_MS } from './periods.ts';
import { partsOf, periodsOf } from './stored-blobs.ts';
import { decodeUnsealed } from './unsealed.ts';

/** A stored row of samples: where its first sample is in the order of receipt, and the rest on demand. */
export interface SamplePart extends Position {
  readonly load: () => readonly SampleRun[];
}

/** Called for each part that cannot be read: its time, and how many samples it held (0: unknown). */
export type OnDamagedPart = (what: string, fromMs: number, toMs: number, lost: number, error: unknown) => void;

export interface WorkerName {
  readonly worker: number;
  readonly workerId: string;
}

/** Sealed hours `first` to `last`. Only the head of each is read before it is loaded. */
export function sealedParts(
  db: Connection,
  { worker, workerId }: WorkerName,
  first: number,
  last: number,
  keys: readonly MetricKey[] | undefined,
  onDamage: OnDamagedPart,
): SamplePart[] {
  return periodsOf(db, 'raw_hours', worker, first, last).flatMap((hour) =>
    partsOf<Position & { id: number; count: number }>(db, 'raw_hours', 'id, run, first, count', hour, worker).map(
      ({ id, run, first, count }) => ({
        run,
        first,
        load: () => {
          try {
            return decodeSamples(
              workerId,
              db.value('SELECT samples FROM raw_hours WHERE id = ?', id) as Uint8Array,
              keys,
            );
          } catch (error) {
            onDamage(`raw_hours ${id}`, hour * HOUR_MS, (hour + 1) * HOUR_MS, count, error);
            return [];
          }
        },
      }),
    ),
  );
}

/** Hours `first` to `last` of which there are pieces of any worker. */
export function hoursOfPieces(db: Connection, first: number, last: number): number[] {
  const hours: number[] = [];
  let next = first;
  while (next <= last) {
    const hour = db.value('SELECT hour FROM pieces WHERE hour >= ? ORDER BY hour LIMIT 1', next) as number | undefined;
    if (hour === undefined || hour > last) break;
    hours.push(hour);
    next = hour + 1;
  }
  return hours;
}

export function pieceParts(
  db: Connection,
  { worker, workerId }: WorkerName,
  hours: readonly number[],
  keys: readonly MetricKey[] | undefined,
  onDamage: OnDamagedPart,
): SamplePart[] {
  return hours.flatMap((hour) =>
    db
      .all<Position & { samples: Uint8Array }>(
        'SELECT run, first, samples FROM pieces WHERE hour = ? AND worker = ? ORDER BY run, first',
        hour,
        worker,
      )
      .map(({ run, first, samples }) => ({
        run,
        first,
        load: () => {
          try {
            const runs: SampleRun[] = [];
            decodeUnsealed(
              samples,
              () => workerId,
              keys,
              (_, decoded) => runs.push(decoded),
            );
            return runs;
          } catch (error) {
            onDamage(`pieces ${hour} ${worker} ${run} ${first}`, hour * HOUR_MS, (hour + 1) * HOUR_MS, 0, error);
            return [];
          }
        },
      })),
  );
}

/**
 * Loads parts in the order of receipt and hands their samples on in that order. A part is kept no longer than until the next one
 * begins behind its samples: as a rule, one at a time, more where the clock was set back.
 */
export function* inOrderOfReceipt(parts: readonly SamplePart[]): Generator<readonly SampleRun[]> {
  const ordered = [...parts].sort(compareRuns);
  let pending: SampleRun[] = [];
  for (const [index, part] of ordered.entries()) {
    pending.push(...part.load());
    pending.sort(compareRuns);
    const next = ordered[index + 1];
    const ready = next === undefined ? pending : pending.filter((run) => compareRuns(run, next) < 0);
    if (ready.length > 0) yield joinRuns(ready);
    pending = next === undefined ? [] : pending.filter((run) => compareRuns(run, next) >= 0);
  }
}
