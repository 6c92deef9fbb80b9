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

/** So many hours are read at once; of more, only the heads, and the samples when they are loaded. */
const FEW_HOURS = 3;

/** Sealed hours `first` to `last`. */
export function sealedParts(
  db: Connection,
  name: WorkerName,
  first: number,
  last: number,
  keys: readonly MetricKey[] | undefined,
  onDamage: OnDamagedPart,
): SamplePart[] {
  return partsIn(db, 'raw_hours', name, first, last, onDamage, (blob) => decodeSamples(name.workerId, blob, keys));
}

/** Hours `first` to `last` that are not sealed. */
export function openParts(
  db: Connection,
  name: WorkerName,
  first: number,
  last: number,
  keys: readonly MetricKey[] | undefined,
  onDamage: OnDamagedPart,
): SamplePart[] {
  return partsIn(db, 'open_hours', name, first, last, onDamage, (blob) => {
    const collector = new RunCollector(name.workerId);
    decodeUnsealed(blob, keys, () => collector);
    return collector.runs();
  });
}

function partsIn(
  db: Connection,
  table: 'raw_hours' | 'open_hours',
  { worker }: WorkerName,
  first: number,
  last: number,
  onDamage: OnDamagedPart,
  decode: (blob: Uint8Array) => SampleRun[],
): SamplePart[] {
  const isShort = last - first < FEW_HOURS;
  const hours = isShort
    ? Array.from({ length: Math.max(last - first + 1, 0) }, (_, index) => first + index)
    : periodsOf(db, table, worker, first, last);
  const columns = isShort ? 'id, run, first, samples' : 'id, run, first';
  return hours.flatMap((hour) =>
    partsOf<Position & { id: number; samples?: Uint8Array }>(db, table, columns, hour, worker).map(
      ({ id, run, first: number, samples }) => ({
        run,
        first: number,
        load: () => {
          try {
            return decode(samples ?? (db.value(`SELECT samples FROM ${table} WHERE id = ?`, id) as Uint8Array));
          } catch (error) {
            const lost = table === 'raw_hours' ? db.value('SELECT count FROM raw_hours WHERE id = ?', id) : 0;
            onDamage(`${table} ${id}`, hour * HOUR_MS, (hour + 1) * HOUR_MS, lost as number, error);
            return [];
          }
        },
      }),
    ),
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
