/** Every SQL statement of docs/postgresql.md, on a real server, with the role that the page gives to its reader. */
import { readFileSync } from 'node:fs';
import { beforeAll, expect, test } from 'vitest';
import { postgres } from '../../src/history/postgres/open.ts';
import { batchOf, HOUR, KEEP_ALL, sampleRun, settle, taskRun } from '../history/history-data.ts';
import { blockOf, blocksOf, ROOT } from '../support/doc-pages.ts';
import { describeWithPostgres } from '../support/postgres.ts';

const statementsOf = (block: string) =>
  block
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');

describeWithPostgres(18)('docs/postgresql.md', (server) => {
  let reader: string;

  /** A database as the page sets it up, with two hours of a worker up to now. */
  beforeAll(async () => {
    for (const statement of statementsOf(blockOf('test:postgres-superuser', 'sql')))
      await server().sql('postgres', statement);
    const url = server().url('pulselane', 'pulselane', 'change-me');
    const writer = await postgres.openWriter({ kind: 'postgres', url }, () => undefined);
    try {
      const nowMs = Date.now();
      await writer.begin({ bootId: 'b1', startedMs: nowMs - 2 * HOUR });
      const samples = sampleRun({
        count: 1440,
        fromMs: nowMs - 2 * HOUR,
        keys: ['cpu_usage', 'memory_usage', 'running_tasks', 'metrics.queue_depth', 'gpus.0.utilization_percent'],
      });
      await writer.write(
        batchOf('b1', 1, {
          samples: [samples],
          taskRuns: [taskRun({ firstSeenMs: nowMs - HOUR, lastSeenMs: nowMs - 1, outcome: 'failed', exitCode: 1 })],
          events: [{ id: 1, atUnixMs: nowMs, type: 'state', workerId: 'worker-1', from: 'active', to: 'inactive' }],
          gaps: [{ workerId: undefined, fromMs: nowMs - HOUR, toMs: nowMs, reason: 'clock_set', lost: 0 }],
        }),
      );
      await settle(writer, nowMs + HOUR, KEEP_ALL);
    } finally {
      await writer.close();
    }
    await server().sql('postgres', 'ALTER ROLE pulselane CREATEROLE');
    await server().sql(url, blockOf('test:postgres-owner', 'sql'));
    reader = server().url('pulselane', 'pulselane_reader', 'change-me-too');
  });

  test.each(blocksOf('test:postgres', 'sql').flatMap(statementsOf))('%s', async (statement) => {
    expect((await server().sql(reader, statement)).length).toBeGreaterThan(0);
  });

  test.each(blocksOf('test:grafana', 'sql').flatMap(statementsOf))('in Grafana: %s', async (statement) => {
    // As Grafana replaces it.
    const sql = statement.replaceAll(/\$__timeFilter\((\w+)\)/g, "$1 BETWEEN now() - interval '3 hours' AND now()");
    const rows = await server().sql(reader, sql);
    expect(rows.length).toBeGreaterThan(0);
    if (sql.includes('AS time')) expect(rows[0]?.time).toBeInstanceOf(Date);
  });

  test('the reader can change nothing, and reads partitions of later days, too', async () => {
    await expect(server().sql(reader, 'DELETE FROM pulselane.samples')).rejects.toThrow(/permission denied/);
    await expect(server().sql(reader, 'CREATE TABLE pulselane.mine (x int)')).rejects.toThrow(/permission denied/);
    const tables = await server().sql(
      reader,
      `SELECT relname FROM pg_class WHERE relnamespace = 'pulselane'::regnamespace AND relkind IN ('r', 'p', 'v')
       AND NOT has_table_privilege(oid, 'SELECT')`,
    );
    expect(tables).toEqual([]);
  });

  test('the tables are those that the page names', async () => {
    const rows = await server().sql(
      reader,
      `SELECT relname FROM pg_class WHERE relnamespace = 'pulselane'::regnamespace AND relkind IN ('r', 'p', 'v') AND NOT relispartition`,
    );
    const page = readFileSync(`${ROOT}docs/postgresql.md`, 'utf8');
    expect(rows.map(({ relname }) => relname).filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });

  test('the data source of Grafana names the role, and a variable for its password', () => {
    const yaml = readFileSync(`${ROOT}deploy/grafana/pulselane-postgres.yaml`, 'utf8');
    expect(yaml).toContain(`user: ${/CREATE ROLE (pulselane_\w+)/.exec(blockOf('test:postgres-owner', 'sql'))?.[1]}`);
    expect(yaml).toMatch(/password: \$PULSELANE_READER_PASSWORD$/m);
  });
});
