/**
 * What a thread with a {@link HistoryReader} does for an export, a step at a time. A step depends on nothing but its question,
 * so that any thread can take the next one, a client that goes is served no further, and one that reads slowly holds nothing.
 */
import type { HistoryReader, IsCancelled, KnownWorker } from '../backend.ts';
import { keysOf } from '../query/keys.ts';
import { type Gap, type MetricKey, TIER_MS } from '../samples.ts';
import type { ExportFormat, ExportRequest, ExportWorker, Slice, TierPart } from './export-request.ts';
import { type ExportRun, exportRunOfBuckets, exportRunOfSamples, rowsIn } from './export-rows.ts';
import { parquetEnd, parquetPiece, type RowGroupNote } from './parquet-rows.ts';
import { isDivisible } from './slice-walk.ts';
import { CSV_HEADER, csvOf, jsonLinesOf } from './text-rows.ts';
import { tierParts } from './tier-parts.ts';

export interface ExportPlan {
  readonly parts: readonly TierPart[];
  /** In the order of ids. */
  readonly workers: readonly ExportWorker[];
  /** Undefined: all. */
  readonly keys: readonly MetricKey[] | undefined;
}

/**
 * How many rows one step should have: about 2 MB of text, and a row group of Parquet that is worth its place in the end of the
 * file.
 */
export const ROWS_WANTED: Readonly<Record<ExportFormat, number>> = { csv: 20_000, jsonl: 20_000, parquet: 100_000 };
/** A step with more than so many times that is divided. */
const TOO_MANY_TIMES = 4;

export interface PieceRequest {
  readonly slice: Slice;
  readonly format: ExportFormat;
  /** How many bytes of the file come before. */
  readonly offset: number;
}

export interface ExportPiece {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly rows: number;
  /** Parts of the database that could not be read. */
  readonly damaged: readonly Gap[];
  readonly group: RowGroupNote | undefined;
}

/**
 * Which steps there are: which tiers, and which workers have something in the range.
 * @throws HistoryError
 * @throws QueryProblem for a metric that no worker has
 */
export async function exportPlan(reader: HistoryReader, request: ExportRequest): Promise<ExportPlan> {
  const { fromMs, toMs, prefix, metrics } = request;
  const { oldestMs } = await reader.figures();
  const known = (await reader.workers(request.workerIds)).filter(({ workerId }) => workerId.startsWith(prefix));
  const others = new Set(metrics === undefined ? [] : known.flatMap(({ keys }) => keys));
  const keys = metrics === undefined ? undefined : keysOf(metrics, others, 'metric');
  const workers = known
    .map(reachOf)
    .filter((worker) => worker.fromMs < toMs && worker.toMs > fromMs)
    .sort((left, right) => (left.workerId < right.workerId ? -1 : 1));
  return { parts: tierParts(request, oldestMs), workers, keys };
}

function reachOf({ workerId, firstMs, lastMs }: KnownWorker): ExportWorker {
  const hourMs = TIER_MS['1h'];
  // A bucket begins up to an hour before its first sample; what comes in during the export is in it, too.
  return { workerId, fromMs: Math.floor(firstMs / hourMs) * hourMs, toMs: lastMs + hourMs };
}

/** @returns the rows of a slice; undefined: too many, divide it. @throws HistoryError */
export async function exportPiece(
  reader: HistoryReader,
  { slice, format, offset }: PieceRequest,
  isCancelled: IsCancelled,
): Promise<ExportPiece | undefined> {
  const runs: ExportRun[] = [];
  const damaged: Gap[] = [];
  const mostRows = isDivisible(slice) ? TOO_MANY_TIMES * ROWS_WANTED[format] : Number.POSITIVE_INFINITY;
  let rows = 0;
  const take = (run: ExportRun): void => {
    rows += rowsIn(run);
    // What is too much is not kept until it is noticed at the end.
    if (rows <= mostRows) runs.push(run);
  };
  const gap = (found: Gap) => void damaged.push(found);
  const isOver = () => rows > mostRows || isCancelled();
  try {
    const { tier } = slice;
    if (tier === 'raw') await reader.samples(slice, { part: (run) => take(exportRunOfSamples(run)), gap }, isOver);
    else {
      await reader.buckets({ ...slice, tier }, { part: (run) => take(exportRunOfBuckets(run)), gap }, isOver);
    }
  } catch (error) {
    if (rows <= mostRows) throw error;
  }
  return rows > mostRows ? undefined : { ...encoded(runs, format, offset), rows, damaged };
}

/** What the file begins with, before the first piece. */
export function exportStart(format: ExportFormat): Uint8Array<ArrayBuffer> {
  if (format === 'csv') return utf8(CSV_HEADER);
  return format === 'parquet' ? parquetPiece([], 0).bytes : new Uint8Array();
}

/** What the file ends with. */
export function exportEnd(
  format: ExportFormat,
  groups: readonly RowGroupNote[],
  offset: number,
): Uint8Array<ArrayBuffer> {
  return format === 'parquet' ? parquetEnd(groups, offset) : new Uint8Array();
}

function encoded(
  runs: readonly ExportRun[],
  format: ExportFormat,
  offset: number,
): Pick<ExportPiece, 'bytes' | 'group'> {
  switch (format) {
    case 'csv':
      return { bytes: utf8(csvOf(runs)), group: undefined };
    case 'jsonl':
      return { bytes: utf8(jsonLinesOf(runs)), group: undefined };
    case 'parquet':
      return parquetPiece(runs, offset);
    default:
      return format satisfies never;
  }
}

const encoder = new TextEncoder();

function utf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}
