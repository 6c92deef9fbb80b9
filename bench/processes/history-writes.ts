/** How fast samples are encoded, decoded and written. */
import { join } from 'node:path';
import { constants, zstdCompressSync } from 'node:zlib';
import pg from 'pg';
import type { HistoryWriter } from '../../src/history/backend.ts';
import { decodeSamples, encodeSamples } from '../../src/history/codec/sample-blob.ts';
import { postgres } from '../../src/history/postgres/open.ts';
import { rollUp } from '../../src/history/rollup.ts';
import type { SampleRun } from '../../src/history/samples.ts';
import { sqlite } from '../../src/history/sqlite/open.ts';
import { obstacleTo, PostgresServer } from '../../test/support/postgres-server.ts';
import { SAMPLES_PER_HOUR } from '../history/fill.ts';
import { PlainRows } from '../history/plain-rows.ts';
import { withFolder } from '../history/temporary.ts';
import { WALK_INTERVAL_MS, WALK_KEYS, WALK_START_MS, Walk } from '../history/walks.ts';
import { answerParent } from '../lib/child.ts';

/** In millions of numbers per second of CPU, and bytes per number. */
export interface CodecRates {
  readonly encode: number;
  readonly decode: number;
  readonly rollUp: number;
  readonly zstdEncode: number;
  readonly bytes: number;
  readonly zstdBytes: number;
}

export interface WriteRates {
  /** Samples per second until they are durable. */
  readonly perSecond: number;
  /** Samples per second if each is a row and a commit of its own. */
  readonly insertsPerSecond: number;
  /** The same rows, one commit for each batch. */
  readonly rowsPerSecond: number;
}

const calls = { codec, sqliteWrites, postgresWrites };
export type HistoryWritesCalls = typeof calls;

answerParent(calls);

const CODEC_ROUNDS = 6;
/** Until code is compiled, as it is in a thread that runs for days. */
const CODEC_WARM_UPS = 4;

/** An hour of many workers. */
function codec(workers: number): CodecRates {
  const runs = Array.from({ length: workers }, (_, worker) => new Walk(worker).next(SAMPLES_PER_HOUR));
  const numbers = workers * SAMPLES_PER_HOUR * WALK_KEYS.length;
  const blobs = runs.map((run) => encodeSamples([run]));
  const rate = (work: () => void): number => {
    for (let round = 0; round < CODEC_WARM_UPS; round++) work();
    const before = process.cpuUsage();
    for (let round = 0; round < CODEC_ROUNDS; round++) work();
    return (numbers * CODEC_ROUNDS) / cpuUs(before);
  };
  let zstdBytes = 0;
  return {
    encode: rate(() => runs.forEach((run) => void encodeSamples([run]))),
    decode: rate(() => blobs.forEach((blob) => void decodeSamples('', blob))),
    rollUp: rate(() => runs.forEach((run) => void rollUp('', [run], '1m'))),
    zstdEncode: rate(() => {
      zstdBytes = runs.reduce((sum, run) => sum + zstdOf(run), 0);
    }),
    bytes: blobs.reduce((sum, blob) => sum + blob.length, 0) / numbers,
    zstdBytes: zstdBytes / numbers,
  };
}

/** Doubles, compressed as they are, column by column. */
function zstdOf({ at, columns }: SampleRun): number {
  const level = { params: { [constants.ZSTD_c_compressionLevel]: 3 } };
  let bytes = 0;
  for (const column of [at, ...columns.values()]) {
    bytes += zstdCompressSync(new Uint8Array(column.buffer, column.byteOffset, column.byteLength), level).length;
  }
  return bytes;
}

function cpuUs(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

/** Each batch holds one sample of each worker: what comes within an interval. */
interface WriteSpec {
  readonly workers: number;
  readonly batches: number;
  readonly inserts: number;
}

function sqliteWrites({ workers, batches, inserts }: WriteSpec): Promise<WriteRates> {
  return withFolder(async (folder) => {
    const path = join(folder, 'history.db');
    const writer = await sqlite.openWriter({ kind: 'sqlite', path }, fail);
    const samplesPerSecond = await timedBatches(writer, workers, batches);
    await writer.close();
    const rows = new PlainRows(join(folder, 'rows.db'));
    const walk = new Walk(0).next(Math.max(inserts, workers * 2));
    const insertsPerSecond = perSecond(inserts, () => {
      for (let index = 0; index < inserts; index++) rows.insert(0, walk, index);
    });
    const rowsPerSecond = perSecond(workers * 2, () => rows.insertAll(1, walk));
    rows.close();
    return { perSecond: samplesPerSecond, insertsPerSecond, rowsPerSecond };
  });
}

/** Undefined: no server can run here. */
async function postgresWrites({ workers, batches, inserts }: WriteSpec): Promise<WriteRates | undefined> {
  if (obstacleTo(18) !== undefined) return undefined;
  const server = await PostgresServer.start(18, { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on' });
  try {
    const url = await server.createDatabase();
    const writer = await postgres.openWriter({ kind: 'postgres', url }, fail);
    const samplesPerSecond = await timedBatches(writer, workers, batches);
    await writer.close();
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const rates = await plainPostgres(client, workers, inserts);
    await client.end();
    return { perSecond: samplesPerSecond, ...rates };
  } finally {
    await server.remove();
  }
}

async function plainPostgres(client: pg.Client, workers: number, inserts: number) {
  const columns = WALK_KEYS.map((key) => key.replaceAll('.', '_'));
  await client.query(`CREATE TABLE public.rows (worker int, at timestamptz,
    ${columns.map((name) => `${name} float8`).join(', ')}, PRIMARY KEY (worker, at))`);
  const count = 2 + columns.length;
  const text = `INSERT INTO public.rows VALUES (${Array.from({ length: count }, (_, index) => `$${index + 1}`)})`;
  const walk = new Walk(0).next(inserts + workers);
  const insert = (index: number) => {
    const metrics = WALK_KEYS.map((key) => walk.columns.get(key)?.[index]);
    return client.query({ name: 'insert', text, values: [0, new Date(walk.at[index] as number), ...metrics] });
  };
  const timed = async (from: number, to: number): Promise<number> => {
    const startMs = performance.now();
    for (let index = from; index < to; index++) await insert(index);
    return ((to - from) * 1000) / (performance.now() - startMs);
  };
  const insertsPerSecond = await timed(0, inserts);
  await client.query('BEGIN');
  const rowsPerSecond = await timed(inserts, inserts + workers);
  await client.query('COMMIT');
  return { insertsPerSecond, rowsPerSecond };
}

/** @returns samples per second until they are durable */
async function timedBatches(writer: HistoryWriter, workers: number, batches: number): Promise<number> {
  const bootId = 'writes';
  await writer.begin({ bootId, startedMs: WALK_START_MS });
  const walks = Array.from({ length: workers }, (_, worker) => new Walk(worker));
  let tookMs = 0;
  for (let number = 1; number <= batches; number++) {
    const samples = walks.map((walk) => ({ ...walk.next(1), run: 0 }));
    const atMs = WALK_START_MS + number * WALK_INTERVAL_MS;
    const startMs = performance.now();
    await writer.write({ bootId, number, atMs, samples, gaps: [], taskRuns: [], events: [] });
    tookMs += performance.now() - startMs;
  }
  return (workers * batches * 1000) / tookMs;
}

function perSecond(count: number, work: () => void): number {
  const startMs = performance.now();
  work();
  return (count * 1000) / (performance.now() - startMs);
}

function fail(message: string): never {
  throw new Error(message);
}
