/**
 * The way of samples from the journal to their final form: a row for each worker and open hour, then a blob for each worker and hour with
 * its 1-minute buckets, then blobs of buckets for a day and for 30 days. Each function does a part of it within the transaction of
 * its caller, and everything only adds: samples that come late take the same way, and are added to what is there.
 */
import { encodeBuckets } from '../codec/bucket-blob.ts';
import { encodeSamples, MAX_BLOB_NUMBERS, MAX_BLOB_SAMPLES } from '../codec/sample-blob.ts';
import { mergeBuckets, rollUp } from '../rollup.ts';
import { compareRuns, joinRuns, runsBy, sliceRun } from '../sample-runs.ts';
import type { BucketRun, RollupTier, SampleRun } from '../samples.ts';
import type { Connection } from './connection.ts';
import { putGaps } from './gaps.ts';
import { decodedRows, type JournalRow, journalRows } from './journal.ts';
import { DAY_MS, HOUR_MS, keyOf, MAX_PARTS, MONTH_MS, periodAt, periodOf, workerOf } from './periods.ts';
import { type BlobTable, partsOf, periodsOf } from './stored-blobs.ts';
import { HOUR_COLUMN, readBuckets } from './stored-buckets.ts';
import { inOrderOfReceipt, type OnDamagedPart, openParts, sealedParts, type WorkerName } from './stored-samples.ts';
import { unsealedRows } from './unsealed.ts';

/** What one step takes out of the journal: bounds its memory and its time. */
const MAX_MOVED_ROWS = 2000;
const MAX_MOVED_BYTES = 8 * 1024 * 1024;

/** Called for each stored row that cannot be read, after its gap was recorded. */
export type OnDamage = (what: string) => void;

/** Moves a group's oldest rows of the journal to open hours. @returns whether there were any */
export function moveJournal(db: Connection, group: number, onDamage: OnDamage): boolean {
  const rows = upTo(MAX_MOVED_BYTES, journalRows(db, group, MAX_MOVED_ROWS));
  const last = rows.at(-1);
  if (last === undefined) return false;
  const moved = decodedRows(
    rows,
    () => '',
    undefined,
    ({ id, atMs }, error) => {
      putGaps(db, [{ workerId: undefined, fromMs: atMs - 1000, toMs: atMs, reason: 'damaged', lost: 0 }]);
      onDamage(`samples of some workers until ${timeOf(atMs)} (row ${id} of the journal): ${(error as Error).message}`);
    },
  );
  for (const [worker, runs] of moved) {
    const parts = runs.flatMap((run) => runsBy(run, (atMs) => periodAt(atMs, HOUR_MS)));
    for (const [hour, ofHour] of Map.groupBy(parts, ({ value }) => value)) {
      addToOpenHour(
        db,
        hour,
        worker,
        ofHour.map(({ part }) => part),
        onDamage,
      );
    }
  }
  db.run('DELETE FROM journal WHERE id >= ? AND id <= ?', (rows[0] as JournalRow).id, last.id);
  return true;
}

/** The row is written anew: some 10 KB, less than the page that a further row would change. */
function addToOpenHour(
  db: Connection,
  hour: number,
  worker: number,
  runs: readonly SampleRun[],
  onDamage: OnDamage,
): void {
  const name = nameOf(db, worker);
  const known = openParts(db, name, hour, hour, undefined, recordDamage(db, name, onDamage));
  let all = joinRuns([...inOrderOfReceipt(known), runs].flat().sort(compareRuns));
  let rows = rowsOf(worker, all);
  if (rows.length > MAX_PARTS) {
    // Hundreds of thousands of stretches with different metrics: what is known is sealed early.
    seal(db, hour, worker, onDamage);
    all = joinRuns(runs);
    rows = rowsOf(worker, all);
  }
  const { run, first } = all[0] as SampleRun;
  for (const [part, samples] of rows.entries()) {
    db.run(
      'INSERT OR REPLACE INTO open_hours (id, run, first, samples) VALUES (?, ?, ?, ?)',
      keyOf(hour, worker) + part,
      run,
      first,
      samples,
    );
  }
}

function rowsOf(worker: number, runs: readonly SampleRun[]): Uint8Array[] {
  return unsealedRows(runs.map((samples) => ({ worker, samples })));
}

function upTo(bytes: number, rows: readonly JournalRow[]): readonly JournalRow[] {
  let sum = 0;
  const end = rows.findIndex(({ samples }, index) => {
    sum += samples.length;
    return index > 0 && sum > bytes;
  });
  return end === -1 ? rows : rows.slice(0, end);
}

/** The oldest open hour before `beforeHour`, and its first worker. */
export function nextToSeal(db: Connection, beforeHour: number): { hour: number; worker: number } | undefined {
  const id = db.value('SELECT id FROM open_hours WHERE id < ? ORDER BY id LIMIT 1', keyOf(beforeHour, 0)) as
    | number
    | undefined;
  return id === undefined ? undefined : { hour: periodOf(id), worker: workerOf(id) };
}

/** Seals what there is of a worker's hour, beside what is sealed already, and adds it to its 1-minute buckets. */
export function seal(db: Connection, hour: number, worker: number, onDamage: OnDamage): void {
  const name = nameOf(db, worker);
  const damaged = recordDamage(db, name, onDamage);
  const runs = [...inOrderOfReceipt(openParts(db, name, hour, hour, undefined, damaged))].flat();
  if (runs.length > 0) {
    putSamples(db, name, hour, runs, damaged);
    putHour(db, name, hour, runs, damaged);
  }
  const key = keyOf(hour, worker);
  db.run('DELETE FROM open_hours WHERE id >= ? AND id < ?', key, key + MAX_PARTS);
}

/** Adds samples to the buckets of an hour that are not merged yet. */
function putHour(
  db: Connection,
  name: WorkerName,
  hour: number,
  runs: readonly SampleRun[],
  damaged: OnDamagedPart,
): void {
  const blobOf = (tier: RollupTier): Uint8Array => {
    const added = rollUp(name.workerId, runs, tier);
    const known = readBuckets(db, 'minute_hours', HOUR_COLUMN[tier], name, hour, undefined, (error) =>
      damaged(`minute_hours ${hour} ${name.worker}`, hour * HOUR_MS, (hour + 1) * HOUR_MS, 0, error),
    );
    return encodeBuckets(known === undefined ? added : mergeBuckets(name.workerId, [known, added], tier));
  };
  db.run(
    'INSERT OR REPLACE INTO minute_hours (id, buckets, hour) VALUES (?, ?, ?)',
    keyOf(hour, name.worker),
    blobOf('1m'),
    blobOf('1h'),
  );
}

function putSamples(
  db: Connection,
  name: WorkerName,
  hour: number,
  runs: readonly SampleRun[],
  damaged: OnDamagedPart,
): void {
  const key = keyOf(hour, name.worker);
  const parts = partsOf<{ id: number }>(db, 'raw_hours', 'id', hour, name.worker);
  let blobs = blobsOf(runs);
  let next = (parts.at(-1)?.id ?? key - 1) + 1;
  if (next + blobs.length > key + MAX_PARTS) {
    // Rare: many times of late samples. They become as few blobs as possible.
    const all = [...inOrderOfReceipt(sealedParts(db, name, hour, hour, undefined, damaged)), runs].flat();
    db.run('DELETE FROM raw_hours WHERE id >= ? AND id < ?', key, key + MAX_PARTS);
    blobs = blobsOf(all);
    next = key;
    const excess = blobs.splice(0, Math.max(blobs.length - MAX_PARTS, 0));
    if (excess.length > 0) {
      // More than a million samples of one worker in one hour: its clock stood still.
      const lost = excess.reduce((sum, { count }) => sum + count, 0);
      const [fromMs, toMs] = [hour * HOUR_MS, (hour + 1) * HOUR_MS];
      putGaps(db, [{ workerId: name.workerId, fromMs, toMs, reason: 'not_kept', lost }]);
    }
  }
  for (const [index, { run, first, count, samples }] of blobs.entries()) {
    db.run(
      'INSERT INTO raw_hours (id, run, first, count, samples) VALUES (?, ?, ?, ?, ?)',
      next + index,
      run,
      first,
      count,
      samples,
    );
  }
}

interface Blob {
  readonly run: number;
  readonly first: number;
  readonly count: number;
  readonly samples: Uint8Array;
}

/** As few blobs as their bounds allow. */
function blobsOf(runs: readonly SampleRun[]): Blob[] {
  const keys = new Set(runs.flatMap((run) => [...run.columns.keys()]));
  const most = Math.min(MAX_BLOB_SAMPLES, Math.floor(MAX_BLOB_NUMBERS / (keys.size + 2)));
  const blobs: Blob[] = [];
  let collected: SampleRun[] = [];
  let count = 0;
  const finish = () => {
    const [head] = collected;
    if (head === undefined) return;
    blobs.push({ run: head.run, first: head.first, count, samples: encodeSamples(collected) });
    collected = [];
    count = 0;
  };
  for (const run of runs) {
    for (let from = 0; from < run.at.length; ) {
      const to = Math.min(run.at.length, from + most - count);
      collected.push(sliceRun(run, from, to));
      count += to - from;
      from = to;
      if (count === most) finish();
    }
  }
  finish();
  return blobs;
}

/** The oldest hour of 1-minute buckets that belongs to a day before `beforeDay`, and its first worker. */
export function nextToMerge(db: Connection, beforeDay: number): { day: number; worker: number } | undefined {
  const before = keyOf(Math.min(beforeDay * 24, 2 ** 22), 0);
  const id = db.value('SELECT id FROM minute_hours WHERE id < ? ORDER BY id LIMIT 1', before) as number | undefined;
  return id === undefined ? undefined : { day: Math.floor(periodOf(id) / 24), worker: workerOf(id) };
}

/** Adds a worker's hours of a day to the blob of that day, and to the 1-hour buckets of its 30 days. */
export function mergeDay(db: Connection, day: number, worker: number, onDamage: OnDamage): void {
  const name = nameOf(db, worker);
  const damaged = recordDamage(db, name, onDamage);
  const month = periodAt(day * DAY_MS, MONTH_MS);
  const read = (table: BlobTable, column: 'buckets' | 'hour', period: number, lengthMs: number): BucketRun[] => {
    const run = readBuckets(db, table, column, name, period, undefined, (error) =>
      damaged(`${table} ${period} ${worker}`, period * lengthMs, (period + 1) * lengthMs, 0, error),
    );
    return run === undefined ? [] : [run];
  };
  const hours = periodsOf(db, 'minute_hours', worker, day * 24, day * 24 + 23);
  const add = (table: 'minute_days' | 'hour_months', period: number, lengthMs: number, tier: RollupTier) => {
    const added = hours.flatMap((hour) => read('minute_hours', HOUR_COLUMN[tier], hour, HOUR_MS));
    if (added.length === 0) return;
    const merged = mergeBuckets(name.workerId, [...read(table, 'buckets', period, lengthMs), ...added], tier);
    db.run(`INSERT OR REPLACE INTO ${table} (id, buckets) VALUES (?, ?)`, keyOf(period, worker), encodeBuckets(merged));
  };
  add('minute_days', day, DAY_MS, '1m');
  add('hour_months', month, MONTH_MS, '1h');
  for (const hour of hours) {
    const key = keyOf(hour, worker);
    db.run('DELETE FROM minute_hours WHERE id >= ? AND id < ?', key, key + MAX_PARTS);
  }
}

function nameOf(db: Connection, worker: number): WorkerName {
  const workerId = db.value('SELECT worker_id FROM workers WHERE worker = ?', worker) as string | undefined;
  return { worker, workerId: workerId ?? '' };
}

function recordDamage(db: Connection, { workerId }: WorkerName, onDamage: OnDamage): OnDamagedPart {
  return (what, fromMs, toMs, lost, error) => {
    putGaps(db, [{ workerId, fromMs, toMs, reason: 'damaged', lost }]);
    onDamage(`what ${workerId} sent from ${timeOf(fromMs)} to ${timeOf(toMs)} (${what}): ${(error as Error).message}`);
  };
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
