/**
 * Buckets of one worker from all places where they may be: blobs of a day (1m) or 30 days (1h), blobs of 1-minute buckets that
 * are not merged into those yet, and samples that are not rolled up yet. Their samples are disjoint, so that they only have to be
 * added up.
 */
import type { RangeRequest } from '../backend.ts';
import { bucketsWithin } from '../bucket-runs.ts';
import { decodeBuckets } from '../codec/bucket-blob.ts';
import { mergeBuckets, rollUp } from '../rollup.ts';
import { runsBy } from '../sample-runs.ts';
import type { BucketRun, MetricKey, RollupTier, SampleRun } from '../samples.ts';
import type { Connection } from './connection.ts';
import { DAY_MS, HOUR_MS, MONTH_MS, periodAt, periodsWithin } from './periods.ts';
import { type BlobTable, partsOf, periodsOf } from './stored-blobs.ts';
import { inOrderOfReceipt, type OnDamagedPart, openParts, type WorkerName } from './stored-samples.ts';

/** Of an hour that is not merged yet, the 1-hour bucket is stored too: the value received last is not that of the last minute. */
export const HOUR_COLUMN: Readonly<Record<RollupTier, 'buckets' | 'hour'>> = { '1m': 'buckets', '1h': 'hour' };

const TIER_TABLE: Readonly<Record<RollupTier, { readonly table: BlobTable; readonly lengthMs: number }>> = {
  '1m': { table: 'minute_days', lengthMs: DAY_MS },
  '1h': { table: 'hour_months', lengthMs: MONTH_MS },
};

/** In order of time, one run for each day or 30 days. @param journal the worker's samples in the journal */
export function* storedBuckets(
  db: Connection,
  name: WorkerName,
  { tier, fromMs, toMs, keys }: RangeRequest & { readonly tier: RollupTier },
  journal: readonly SampleRun[],
  onDamage: OnDamagedPart,
): Generator<BucketRun> {
  const { table, lengthMs } = TIER_TABLE[tier];
  const hours = periodsWithin(fromMs, toMs, HOUR_MS);
  const periods = periodsWithin(fromMs, toMs, lengthMs);
  const periodOfHour = (hour: number) => periodAt(hour * HOUR_MS, lengthMs);
  const blobs = new Set(periodsOf(db, table, name.worker, periods.first, periods.last));
  const unmerged = Map.groupBy(periodsOf(db, 'minute_hours', name.worker, hours.first, hours.last), periodOfHour);
  const unsealed = Map.groupBy(periodsOf(db, 'open_hours', name.worker, hours.first, hours.last), periodOfHour);
  const newest = Map.groupBy(
    journal.flatMap((run) => runsBy(run, (atMs) => periodAt(atMs, lengthMs))),
    ({ value }) => value,
  );
  const all = new Set([...blobs, ...unmerged.keys(), ...unsealed.keys(), ...newest.keys()]);
  for (const period of [...all].filter((p) => p >= periods.first && p <= periods.last).sort((a, b) => a - b)) {
    const runs: BucketRun[] = [];
    const read = (from: BlobTable, column: 'buckets' | 'hour', at: number, partMs: number) => {
      const run = readBuckets(db, from, column, name, at, keys, (error) =>
        onDamage(`${from} ${at} ${name.worker}`, at * partMs, (at + 1) * partMs, 0, error),
      );
      if (run !== undefined) runs.push(run);
    };
    if (blobs.has(period)) read(table, 'buckets', period, lengthMs);
    for (const hour of unmerged.get(period) ?? []) read('minute_hours', HOUR_COLUMN[tier], hour, HOUR_MS);
    const samples = [
      ...inOrderOfReceipt([
        ...(unsealed.get(period) ?? []).flatMap((hour) => openParts(db, name, hour, hour, keys, onDamage)),
        ...(newest.get(period) ?? []).map(({ part }) => ({ run: part.run, first: part.first, load: () => [part] })),
      ]),
    ].flat();
    if (samples.length > 0) runs.push(rollUp(name.workerId, samples, tier));
    const [run] = runs;
    const whole = runs.length === 1 && run !== undefined ? run : mergeBuckets(name.workerId, runs, tier);
    yield bucketsWithin(whole, fromMs, toMs);
  }
}

/** Undefined: there is none, or it cannot be read. */
export function readBuckets(
  db: Connection,
  table: BlobTable,
  column: 'buckets' | 'hour',
  { worker, workerId }: WorkerName,
  period: number,
  keys: readonly MetricKey[] | undefined,
  onDamage: (error: unknown) => void,
): BucketRun | undefined {
  const [row] = partsOf<{ blob: Uint8Array }>(db, table, `${column} AS blob`, period, worker);
  if (row === undefined) return undefined;
  try {
    return decodeBuckets(workerId, row.blob, keys);
  } catch (error) {
    onDamage(error);
    return undefined;
  }
}
