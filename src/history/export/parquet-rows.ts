/**
 * Rows as Apache Parquet, made in pieces that know nothing of one another: each is one row group, and what the end of the file
 * has to say of it travels beside it. So memory is constant, and any thread can make the next piece.
 *
 *     "PAR1" │ row group │ row group │ … │ end: where each group is, length of the end, "PAR1"
 */
import { constants, zstdCompressSync } from 'node:zlib';
import { ByteWriter, ParquetWriter, schemaFromColumnData } from 'hyparquet-writer';
import { type ExportRun, figuresAt, hasValue } from './export-rows.ts';

/** What the end of the file says of one row group. */
export type RowGroupNote = ParquetWriter['row_groups'][number];

export interface ParquetPiece {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Undefined: there were no rows. */
  readonly group: RowGroupNote | undefined;
}

/** "PAR1" */
const MAGIC_BYTES = 4;
const ZSTD_LEVEL = 3;

type Texts = string[];

interface Columns {
  readonly worker_id: Texts;
  readonly at: number[];
  readonly tier: Texts;
  readonly metric: Texts;
  readonly min: number[];
  readonly max: number[];
  readonly mean: number[];
  readonly last: number[];
  readonly count: number[];
}

/** @param offset how many bytes of the file come before */
export function parquetPiece(runs: readonly ExportRun[], offset: number): ParquetPiece {
  const columns = columnsOf(runs);
  const writer = new ByteWriter();
  const parquet = newWriter(writer);
  if (columns.at.length === 0 && offset > 0) return { bytes: new Uint8Array(), group: undefined };
  if (offset > 0) continueAt(writer, offset);
  if (columns.at.length > 0) parquet.write({ columnData: columnDataOf(columns), rowGroupSize: columns.at.length });
  return { bytes: writer.getBytes().slice(), group: parquet.row_groups[0] };
}

/** The end of the file. @param offset how many bytes of the file come before */
export function parquetEnd(groups: readonly RowGroupNote[], offset: number): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter();
  const parquet = newWriter(writer);
  continueAt(writer, offset);
  parquet.row_groups = [...groups];
  parquet.num_rows = groups.reduce((rows, { num_rows }) => rows + num_rows, 0n);
  parquet.finish();
  return writer.getBytes().slice();
}

function newWriter(writer: ByteWriter): ParquetWriter {
  return new ParquetWriter({
    writer,
    schema: schemaFromColumnData({ columnData: columnDataOf(columnsOf([])) }),
    codec: 'ZSTD',
    compressors: {
      ZSTD: (input) => zstdCompressSync(input, { params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL } }),
    },
    createdBy: 'pulselane',
  });
}

/** Takes back the magic bytes that a new writer begins with. */
function continueAt(writer: ByteWriter, offset: number): void {
  writer.index -= MAGIC_BYTES;
  writer.offset = offset;
}

function columnDataOf(columns: Columns) {
  // Without an index of pages: the end would grow with every page.
  const facts = { nullable: false, offsetIndex: false };
  return [
    { name: 'worker_id', data: columns.worker_id, type: 'STRING' as const, ...facts },
    { name: 'at', data: columns.at, type: 'TIMESTAMP' as const, ...facts },
    { name: 'tier', data: columns.tier, type: 'STRING' as const, ...facts },
    { name: 'metric', data: columns.metric, type: 'STRING' as const, ...facts },
    { name: 'min', data: columns.min, type: 'DOUBLE' as const, ...facts },
    { name: 'max', data: columns.max, type: 'DOUBLE' as const, ...facts },
    { name: 'mean', data: columns.mean, type: 'DOUBLE' as const, ...facts },
    { name: 'last', data: columns.last, type: 'DOUBLE' as const, ...facts },
    { name: 'count', data: columns.count, type: 'INT32' as const, ...facts },
  ];
}

/** In the order of workers, metrics and time, so that equal and similar values are neighbours, which compresses best. */
function columnsOf(runs: readonly ExportRun[]): Columns {
  const columns: Columns = {
    worker_id: [],
    at: [],
    tier: [],
    metric: [],
    min: [],
    max: [],
    mean: [],
    last: [],
    count: [],
  };
  for (const { workerId, tier, at, columns: metrics } of runs) {
    for (const [metric, column] of metrics) {
      for (let index = 0; index < at.length; index += 1) {
        if (!hasValue(column, index)) continue;
        const { min, max, mean, last, count } = figuresAt(column, index);
        columns.worker_id.push(workerId);
        columns.at.push(at[index] as number);
        columns.tier.push(tier);
        columns.metric.push(metric);
        columns.min.push(min);
        columns.max.push(max);
        columns.mean.push(mean);
        columns.last.push(last);
        columns.count.push(count);
      }
    }
  }
  return columns;
}
