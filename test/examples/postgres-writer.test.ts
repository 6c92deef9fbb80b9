/** examples/postgres-writer.mjs, with the engine and a real PostgreSQL server. */
import pg from 'pg';
import { expect, test } from 'vitest';
import { TelemetryManager } from '../../src/index.ts';
import { eventually } from '../support/eventually.ts';
import { describeWithPostgres } from '../support/postgres.ts';

const { TelemetryWriter } = (await import('../../examples/postgres-writer.mjs' as string)) as {
  TelemetryWriter: new (
    pool: pg.Pool,
    log: (line: string) => void,
  ) => { start(): Promise<void>; stop(): Promise<void>; flush(): Promise<void>; update: (worker: never) => void };
};

describeWithPostgres(18)('the example that writes to PostgreSQL', (server) => {
  test('has every worker’s newest values in its table, also those that came while the database refused them', async () => {
    const pool = new pg.Pool({ connectionString: await server().createDatabase() });
    const lines: string[] = [];
    const writer = new TelemetryWriter(pool, (line) => lines.push(line));
    await writer.start();
    const manager = new TelemetryManager({ maxWorkers: 10, maxDedicatedLanes: 0, sharedLanes: 1 });
    try {
      manager.setUpdateCallback(writer.update as never);
      await manager.start();
      const rowsOf = async (workerId: string) =>
        (await pool.query('SELECT * FROM telemetry WHERE worker_id = $1 ORDER BY at', [workerId])).rows as object[];
      manager.processHeartbeat({ workerId: 'a"; --', cpuUsage: 42, memoryUsage: 50 });
      const [first] = await eventually(async () => {
        const rows = await rowsOf('a"; --');
        return rows.length > 0 && rows;
      });
      expect(first).toMatchObject({ cpu_usage: 42, memory_usage: 50, is_active: true, running_tasks: [] });

      await pool.query('ALTER TABLE telemetry RENAME TO elsewhere');
      manager.processHeartbeat({ workerId: 'b', cpuUsage: 7 });
      await eventually(() => lines.some((line) => /^\d+ updates wait, 0 were dropped: .*"telemetry"/.test(line)));
      await pool.query('ALTER TABLE elsewhere RENAME TO telemetry');
      await eventually(async () => (await rowsOf('b')).length > 0);
    } finally {
      await manager.shutdown();
      await writer.stop();
      await pool.end();
    }
  }, 60_000);
});
