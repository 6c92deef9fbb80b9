/** The samples of one worker from all places where they may be: sealed hours, open hours, the journal. */
import { decodeSamples } from '../codec/sample-blob.ts';
import { compareRuns, joinRuns, type Position } from '../sample-runs.ts';
import type { MetricKey, SampleRun } from '../samples.ts';
import type { Connection } from './connection.ts';
import { HOUR_MS } from './periods.ts';
import { RunCollector } from './run-collector.ts';
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

/** Hours `first` to `last` that are not sealed. */
export function openParts(
  db: Connection,
  { worker, workerId }: WorkerName,
  first: number,
  last: number,
  keys: readonly MetricKey[] | undefined,
  onDamage: OnDamagedPart,
): SamplePart[] {
  return periodsOf(db, 'open_hours', worker, first, last).flatMap((hour) =>
    partsOf<Position & { id: number }>(db, 'open_hours', 'id, run, first', hour, worker).map(({ id, run, first }) => ({
      run,
      first,
      load: () => {
        try {
          const collector = new RunCollector(workerId);
          const samples = db.value('SELECT samples FROM open_hours WHERE id = ?', id) as Uint8Array;
          decodeUnsealed(samples, keys, () => collector);
          return collector.runs();
        } catch (error) {
          onDamage(`open_hours ${id}`, hour * HOUR_MS, (hour + 1) * HOUR_MS, 0, error);
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
