/** Exports over HTTP: a listening server and its threads, over an SQLite database. */
import { mkdtempSync, rmSync } from 'node:fs';
import { type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { buffer, text } from 'node:stream/consumers';
import { zstdDecompressSync } from 'node:zlib';
import { parquetReadObjects } from 'hyparquet';
import { describe, expect, onTestFinished, test } from 'vitest';
import { sqlite } from '../../src/history/sqlite/open.ts';
import { MAX_EXPORTS } from '../../src/http/http-limits.ts';
import type { HistoryStatus } from '../../src/model/history-status.ts';
import { BoardReader } from '../../src/store/board.ts';
import { run } from '../cli/run.ts';
import { batchOf, HOUR, sampleRun, settle } from '../history/history-data.ts';
import { eventually } from '../support/eventually.ts';
import { NOW_S, serve } from './support.ts';

const NOW = NOW_S * 1000;
const PATH = '/api/v1/history/export';
/** Of each of three workers: more than sockets hold on the way, 10 MB each. */
const SAMPLES = 50_000;

/** Two workers that are gone, and one that is there: a minute of samples each, the last of them with a metric of its own. */
async function serveExports(count = 12) {
  const folder = mkdtempSync(join(tmpdir(), 'pulselane-export-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const place = { kind: 'sqlite', path: join(folder, 'history.db') } as const;
  const writer = await sqlite.openWriter(place, () => {});
  onTestFinished(() => writer.close());
  const served = await serve({ history: place });
  const { bootId } = new BoardReader(served.fleet.memory);
  await writer.begin({ bootId, startedMs: NOW });
  const keys = (workerId: string) => (workerId === 'here' ? ['cpu_usage', 'metrics.fps'] : ['cpu_usage']);
  // A batch has what came since the last one.
  const perBatch = HOUR / 5000;
  for (let first = 0; first < count; first += perBatch) {
    const size = Math.min(perBatch, count - first);
    const fromMs = NOW - 5000 * (count - first);
    const samples = ['gone-1', 'gone-2', 'here'].map((workerId) =>
      sampleRun({ workerId, first, count: size, fromMs, keys: keys(workerId), value: (n) => n / 4 }),
    );
    await writer.write(batchOf(bootId, first / perBatch + 1, { atMs: fromMs + 5000 * size, samples }));
    if (size === perBatch) await settle(writer, fromMs + 5000 * size);
  }
  served.fleet.register('here');
  const rowsOf = async (query: string) => {
    const response = await fetch(`${served.url}${PATH}?format=jsonl&${query}`);
    const body = await response.text();
    if (response.status !== 200) return { status: response.status, body: JSON.parse(body) as { detail: string } };
    const rows = body
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    return { status: 200, rows, workers: [...new Set(rows.map(({ worker_id }) => worker_id))].sort() };
  };
  return { ...served, folder, writer, rowsOf };
}

/** An answer as it comes, with its trailers. */
function get(url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { agent: false }, resolve);
    asked.on('error', reject);
    asked.end();
  });
}

/** The whole answer for a client of HTTP/1.0. Rejects if the connection is reset. */
function getOld(url: string): Promise<string> {
  const { hostname, port, host, pathname, search } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(`GET ${pathname}${search} HTTP/1.0\r\nHost: ${host}\r\n\r\n`);
  return text(socket);
}

describe('an export', () => {
  test('has every sample of every worker, also of those that were removed', async () => {
    const { rowsOf, url } = await serveExports();
    const { rows, workers } = await rowsOf('');
    expect(workers).toEqual(['gone-1', 'gone-2', 'here']);
    expect(rows).toHaveLength(12 + 12 + 24);
    expect(rows?.[0]).toEqual({
      worker_id: 'gone-1',
      at: new Date(NOW - 60_000).toISOString(),
      ...{ tier: 'raw', metric: 'cpu_usage', min: 0, max: 0, mean: 0, last: 0, count: 1 },
    });
    const csv = await fetch(`${url}${PATH}`);
    expect(csv.headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect(csv.headers.get('content-disposition')).toMatch(
      /^attachment; filename="pulselane-\d{8}T\d{6}Z-\d{8}T\d{6}Z\.csv"$/,
    );
    expect((await csv.text()).split('\n')).toHaveLength(12 + 12 + 24 + 2);
    const old = await getOld(`${url}${PATH}`);
    expect([old.startsWith('HTTP/1.1 200 '), old.includes('Trailer'), old.split('\n').length]).toEqual([
      ...[true, false],
      12 + 12 + 24 + 2 + old.slice(0, old.indexOf('worker_id,')).split('\n').length - 1,
    ]);
    const parquet = await fetch(`${url}${PATH}?format=parquet`);
    const objects = await parquetReadObjects({
      file: await parquet.arrayBuffer(),
      compressors: { ZSTD: (input) => zstdDecompressSync(input) },
    });
    expect(objects).toHaveLength(48);
  });

  test('has the workers, metrics, tier and time that were asked for', async () => {
    const { rowsOf, fleet } = await serveExports();
    expect((await rowsOf('prefix=gone-')).workers).toEqual(['gone-1', 'gone-2']);
    expect((await rowsOf('worker=gone-2')).workers).toEqual(['gone-2']);
    fleet.beat('here', { cpuUsage: 5 });
    expect((await rowsOf('state=active')).workers).toEqual(['here']);
    expect((await rowsOf('state=active&prefix=gone')).workers).toEqual([]);
    const fps = await rowsOf('metric=fps');
    expect([fps.workers, fps.rows?.length]).toEqual([['here'], 12]);
    const minutes = await rowsOf('tier=1m&metric=cpu_usage&worker=here');
    expect(minutes.rows?.map(({ count }) => count as number).reduce((sum, count) => sum + count)).toBe(12);
    const third = await rowsOf(`worker=here&metric=cpu_usage&from=${NOW_S - 60}&to=${NOW_S - 40}`);
    expect(third.rows?.map(({ last }) => last)).toEqual([0, 0.25, 0.5, 0.75]);
  });

  test.each([
    ['format=xml', 400, 'format: expected one of csv, jsonl, parquet'],
    ['tier=5m', 400, 'tier: expected one of raw, 1m, 1h'],
    ['from=-1h&to=-2h', 400, 'from: expected a time before'],
    ['metric=cpu', 400, 'metric: unknown metric "cpu"; expected one of cpu_usage'],
    ['worker=ghost', 404, 'no worker is called "ghost", now or in history'],
    ['worker=here&prefix=h', 400, 'worker: names the only one'],
    ['fields=state', 400, 'fields: unknown query parameter; expected one of'],
    ['min.cpu=1', 400, 'min.cpu: unknown field'],
  ])('?%s is answered with %d', async (query, status, detail) => {
    const { url } = await serveExports();
    const response = await fetch(`${url}${PATH}?${query}`);
    expect(response.status).toBe(status);
    expect(((await response.json()) as { detail: string }).detail).toContain(detail);
  });

  test('names in a trailer what the database does not have yet', async () => {
    const { url, fleet } = await serveExports();
    const whole = await get(`${url}${PATH}`);
    await text(whole);
    expect(whole.trailers).toEqual({});
    fleet.onAnnounce([
      {
        type: 'history',
        status: {
          state: 'degraded',
          problem: { code: 'away', detail: 'connection refused', sinceUnixMs: NOW },
          durableUntilUnixMs: NOW - 30_000,
        } as HistoryStatus,
      },
    ]);
    const lacking = await get(`${url}${PATH}`);
    await text(lacking);
    expect(lacking.trailers['pulselane-missing']).toBe(
      `what came in after ${new Date(NOW - 30_000).toISOString()} is not in the database yet: connection refused`,
    );
    await expect(getOld(`${url}${PATH}`)).rejects.toThrow('ECONNRESET');
    const { stderr, exitCode } = await run(['export', '--url', url], { isTTY: false });
    expect([stderr.startsWith('pulselane: the export is incomplete: what came in after'), exitCode]).toEqual([true, 1]);
    const before = await get(`${url}${PATH}?to=${NOW_S - 40}`);
    await text(before);
    expect(before.trailers).toEqual({});
  });

  test('has everything else where the database is damaged, and names the damage in a trailer', async () => {
    const { url, folder, writer } = await serveExports(1000);
    await settle(writer, NOW);
    await writer.close();
    const db = new DatabaseSync(join(folder, 'history.db'));
    const sealed = db.prepare('SELECT min(id) AS id FROM raw_hours').get() as { id: number };
    db.prepare(`UPDATE raw_hours SET samples = x'00ff' WHERE id = ?`).run(sealed.id);
    db.close();
    const answer = await get(`${url}${PATH}?tier=raw&metric=cpu_usage&format=jsonl`);
    const lines = (await text(answer)).split('\n').length - 1;
    expect(answer.trailers['pulselane-missing']).toMatch(
      /^1 damaged part of the database \(the first: worker \S+, from 20/,
    );
    expect([lines > 2000, lines < 3000]).toEqual([true, true]);
  });

  test('waits for a client that does not read, and so do others beyond the most at a time', async () => {
    const { url } = await serveExports(SAMPLES);
    const slow = await Promise.all(Array.from({ length: MAX_EXPORTS }, () => get(`${url}${PATH}?from=-30d`)));
    const refused = await get(`${url}${PATH}`);
    expect([refused.statusCode, await text(refused)]).toEqual([
      503,
      expect.stringContaining('too many exports: 4 are'),
    ]);
    const [first, ...others] = slow as [IncomingMessage, ...IncomingMessage[]];
    // One that goes makes room; one that reads in the end gets everything.
    for (const other of others) other.destroy();
    const lines = (await buffer(first)).toString().split('\n');
    expect(lines).toHaveLength(4 * SAMPLES + 2);
    await eventually(async () => {
      const again = await get(`${url}${PATH}?from=-1h&worker=here`);
      await text(again);
      return again.statusCode === 200;
    });
  }, 60_000);
});
