/** How the large tables are stored: in partitions, or in hypertables of TimescaleDB. */
import { expect, test } from 'vitest';
import { postgres } from '../../../src/history/postgres/open.ts';
import { describeWithPostgres } from '../../support/postgres.ts';
import { batchOf, DAY, START_MS, sampleRun, settle } from '../history-data.ts';

const RETENTION = { rawMs: DAY, minuteMs: 30 * DAY, hourMs: 700 * DAY, maxBytes: undefined };

/** Two days of samples, of which the first is deleted. */
async function fill(url: string): Promise<void> {
  const writer = await postgres.openWriter({ kind: 'postgres', url }, () => undefined);
  try {
    await writer.begin({ bootId: 'b1', startedMs: START_MS });
    await writer.write(batchOf('b1', 1, { samples: [sampleRun({ count: 10 })] }));
    await writer.write(
      batchOf('b1', 2, { samples: [sampleRun({ first: 11, count: 10, fromMs: START_MS + 2 * DAY })] }),
    );
    await settle(writer, START_MS + 2 * DAY + 1000, RETENTION);
  } finally {
    await writer.close();
  }
}

const kinds = `SELECT relname::text, relkind::text FROM pg_class WHERE relnamespace = 'pulselane'::regnamespace
  AND relname IN ('samples', 'samples_1m', 'samples_1h') ORDER BY relname`;

describeWithPostgres(18)('without TimescaleDB', (server) => {
  test('each day of samples is a partition, whose name says which, and deleting one gives its space back', async () => {
    const url = await server().createDatabase();
    await fill(url);
    expect((await server().sql(url, kinds)).map(({ relkind }) => relkind)).toEqual(['p', 'p', 'p']);
    const partitions = await server().sql(
      url,
      `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'pulselane.samples'::regclass ORDER BY 1`,
    );
    // That of the next day is there before it is needed.
    expect(partitions.map(({ name }) => name)).toEqual(['pulselane.samples_20260303', 'pulselane.samples_20260304']);
  });
});

describeWithPostgres(14)('without TimescaleDB', (server) => {
  test('samples of the year 10000 are refused, and those of 9999 are not', async () => {
    const url = await server().createDatabase();
    const writer = await postgres.openWriter({ kind: 'postgres', url }, () => undefined);
    try {
      await writer.begin({ bootId: 'b1', startedMs: START_MS });
      const of = (year: number) => batchOf('b1', 1, { samples: [sampleRun({ fromMs: Date.UTC(year, 1) })] });
      await expect(writer.write(of(10_000))).rejects.toThrow('beyond 0000 to 9999');
      await writer.write(of(9999));
    } finally {
      await writer.close();
    }
  });
});

describeWithPostgres('timescaledb')('with TimescaleDB', (server) => {
  test('the three are hypertables, whose old chunks are deleted and whose size counts', async () => {
    const url = await server().createDatabase();
    await fill(url);
    expect((await server().sql(url, kinds)).map(({ relkind }) => relkind)).toEqual(['r', 'r', 'r']);
    const chunks = await server().sql(
      url,
      `SELECT range_start FROM timescaledb_information.chunks WHERE hypertable_name = 'samples'`,
    );
    expect(chunks).toEqual([{ range_start: new Date(START_MS + 2 * DAY) }]);
    const reader = await postgres.openReader({ kind: 'postgres', url }, () => undefined);
    const { bytes } = await reader.figures();
    await reader.close();
    const [rest] = await server().sql(
      url,
      `SELECT sum(pg_total_relation_size(oid))::int AS bytes FROM pg_class
       WHERE relnamespace = 'pulselane'::regnamespace AND relkind = 'r'`,
    );
    expect(bytes).toBeGreaterThan(rest?.bytes as number);
  });
});
