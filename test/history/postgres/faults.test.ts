/** What a server, its operators and the network can do to history. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import type { Batch, HistoryWriter } from '../../../src/history/backend.ts';
import { HistoryError } from '../../../src/history/history-error.ts';
import { postgres } from '../../../src/history/postgres/open.ts';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';
import { describeWithPostgres } from '../../support/postgres.ts';
import { repetitions } from '../../support/repetitions.ts';
import { batchOf, DAY, HOUR, KEEP_ALL, START_MS, sampleRun, settle } from '../history-data.ts';
import { HistoryModel, readBuckets, readSamples } from '../history-model.ts';

const RETENTION = { rawMs: DAY, minuteMs: 30 * DAY, hourMs: 700 * DAY, maxBytes: undefined };

const toClose: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of toClose.splice(0).reverse()) await close();
});

async function openWriter(url: string, losses: string[] = []): Promise<HistoryWriter> {
  const writer = await postgres.openWriter({ kind: 'postgres', url }, (loss) => losses.push(loss));
  toClose.push(() => writer.close());
  return writer;
}

async function openReader(url: string) {
  const reader = await postgres.openReader({ kind: 'postgres', url }, () => undefined);
  toClose.push(() => reader.close());
  return reader;
}

/** What the call fails with. */
async function errorOf(call: Promise<unknown>): Promise<HistoryError> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(HistoryError);
  return error as HistoryError;
}

/** Writes batches as the history thread does: until each is known to be there. */
class Recorder {
  readonly #writer: HistoryWriter;
  readonly #bootId: string;
  readonly #workerId: string;
  /** What the failures in between were. */
  readonly kinds = new Set<string>();
  written = 0;

  constructor(writer: HistoryWriter, bootId: string, workerId = 'worker-1') {
    this.#writer = writer;
    this.#bootId = bootId;
    this.#workerId = workerId;
  }

  async record(until: () => boolean): Promise<void> {
    let lastBatch = (await this.#writer.begin({ bootId: this.#bootId, startedMs: START_MS })).lastBatch;
    while (!until()) {
      const number = lastBatch + 1;
      try {
        await this.#writer.write(this.#batch(number));
        lastBatch = number;
      } catch (error) {
        this.kinds.add((error as HistoryError).kind);
        lastBatch = await eventually(() =>
          this.#writer.begin({ bootId: this.#bootId, startedMs: START_MS }).then(
            (begun) => begun.lastBatch || undefined,
            () => undefined,
          ),
        );
      }
      this.written = lastBatch;
    }
  }

  #batch(number: number): Batch {
    const samples = sampleRun({
      workerId: this.#workerId,
      first: number * 3,
      count: 3,
      fromMs: START_MS + number * 15_000,
      keys: ['cpu_usage', 'metrics.a'],
    });
    return batchOf(this.#bootId, number, { samples: [samples] });
  }
}

async function expectOnce(url: string, recorder: Recorder, workerId = 'worker-1'): Promise<void> {
  const reader = await openReader(url);
  const { items } = await readSamples(reader, { workerIds: [workerId], fromMs: 0, toMs: 1e15, keys: ['cpu_usage'] });
  const expected = Array.from({ length: recorder.written * 3 }, (_, index) => index + 3);
  expect(items.get(workerId)?.map(({ number }) => number)).toEqual(expected);
}

/** Passes everything on; when told, it swallows the server's next answer to COMMIT and ends the connection. */
class CommitCutter {
  readonly #server: Server;
  #isArmed = false;
  cuts = 0;

  private constructor(port: number) {
    this.#server = createServer((client) => {
      const server = connect(port, '127.0.0.1');
      const end = () => {
        client.destroy();
        server.destroy();
      };
      for (const socket of [client, server] as Socket[]) socket.on('error', end).on('close', end);
      client.pipe(server);
      server.on('data', (bytes) => {
        // The tag of a command that is complete.
        if (!this.#isArmed || !bytes.includes('COMMIT\0')) client.write(bytes);
        else {
          this.#isArmed = false;
          this.cuts++;
          end();
        }
      });
    });
  }

  static async start(port: number): Promise<CommitCutter> {
    const cutter = new CommitCutter(port);
    cutter.#server.listen(0, '127.0.0.1');
    await once(cutter.#server, 'listening');
    toClose.push(async () => void cutter.#server.close());
    return cutter;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  cutNext(): void {
    this.#isArmed = true;
  }
}

describeWithPostgres(18)('faults of history', (server) => {
  test('a server that crashes amid batches loses and doubles nothing', async () => {
    const url = await server().createDatabase();
    const recorder = new Recorder(await openWriter(url), 'b1');
    const rounds = repetitions(2, 30);
    let round = 0;
    const recording = recorder.record(() => round === rounds);
    for (; round < rounds; round++) {
      const before = recorder.written;
      await eventually(() => recorder.written > before + 3);
      await server().stop(round % 2 === 0 ? 'QUIT' : 'INT');
      await server().start();
    }
    await recording;
    expect([...recorder.kinds]).toEqual(['away']);
    await expectOnce(url, recorder);
  });

  test('a connection that is ended amid batches loses and doubles nothing', async () => {
    const url = await server().createDatabase();
    const recorder = new Recorder(await openWriter(url), 'b1');
    const rounds = repetitions(10, 300);
    let round = 0;
    const recording = recorder.record(() => round === rounds);
    for (; round < rounds; round++) {
      const before = recorder.written;
      await eventually(() => recorder.written > before);
      await server().sql(
        url,
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pulselane'`,
      );
    }
    await recording;
    expect([...recorder.kinds]).toEqual(['away']);
    await expectOnce(url, recorder);
  });

  test('a batch whose commit gets no answer is found by begin', async () => {
    const url = await server().createDatabase();
    const cutter = await CommitCutter.start(server().port);
    const writer = await openWriter(url.replace(`:${server().port}/`, `:${cutter.port}/`));
    await writer.begin({ bootId: 'b1', startedMs: START_MS });
    const batch = batchOf('b1', 1, { samples: [sampleRun({ count: 2 })] });
    await writer.maintain(START_MS, KEEP_ALL);
    cutter.cutNext();
    expect((await errorOf(writer.write(batch))).kind).toBe('away');
    expect(cutter.cuts).toBe(1);
    expect(await writer.begin({ bootId: 'b1', startedMs: START_MS })).toMatchObject({ lastBatch: 1 });
    await writer.write(batch);
    const { items } = await readSamples(await openReader(url), {
      workerIds: ['worker-1'],
      fromMs: 0,
      toMs: 1e15,
      keys: [],
    });
    expect(items.get('worker-1')).toHaveLength(2);
  });

  test('two masters write, roll up and delete at the same time', async () => {
    const url = await server().createDatabase();
    const recorders = await Promise.all(
      ['b1', 'b2'].map(async (bootId) => {
        const writer = await openWriter(url);
        // Of one worker that changes masters, and one of each.
        return { writer, recorder: new Recorder(writer, bootId, bootId === 'b1' ? 'worker-1' : 'worker-2') };
      }),
    );
    await Promise.all(
      recorders.map(async ({ writer, recorder }) => {
        await recorder.record(() => recorder.written >= 30);
        await Promise.all([
          settle(writer, START_MS + 3 * HOUR, RETENTION),
          recorder.record(() => recorder.written >= 60),
        ]);
      }),
    );
    const reader = await openReader(url);
    for (const [index, { recorder }] of recorders.entries()) {
      expect([...recorder.kinds]).toEqual([]);
      const workerId = `worker-${index + 1}`;
      await expectOnce(url, recorder, workerId);
      const request = { workerIds: [workerId], fromMs: 0, toMs: 1e15, keys: ['cpu_usage'], tier: '1h' as const };
      const before = (await readBuckets(reader, request)).items;
      await settle(recorders[0]?.writer as HistoryWriter, START_MS + 3 * HOUR, RETENTION);
      expect((await readBuckets(reader, request)).items).toEqual(before);
      expect(before.get(workerId)?.map(({ values }) => values.cpu_usage?.count)).toEqual([recorder.written * 3]);
    }
  });

  test('samples that come after their day was deleted are added to the rollups', async () => {
    const url = await server().createDatabase();
    const writer = await openWriter(url);
    const { run } = await writer.begin({ bootId: 'b1', startedMs: START_MS });
    const model = new HistoryModel();
    const write = async (number: number, first: number, fromMs: number) => {
      const keys = [
        'cpu_usage',
        number % 2 === 0 ? 'metrics.even' : 'metrics.odd',
        'metrics.any',
        'gpus.0.power_watts',
      ];
      const batch = batchOf('b1', number, { samples: [sampleRun({ first, count: 100, fromMs, stepMs: 7000, keys })] });
      await writer.write(batch);
      model.write(batch, run);
    };
    await write(1, 1, START_MS);
    await settle(writer, START_MS + 3 * DAY, RETENTION);
    await write(2, 101, START_MS + 60_000);
    await write(3, 201, START_MS + 3 * DAY);
    await settle(writer, START_MS + 3 * DAY, RETENTION);
    const reader = await openReader(url);
    const range = { workerIds: ['worker-1'], fromMs: 0, toMs: 1e15, keys: undefined };
    for (const tier of ['1m', '1h'] as const) {
      const { items } = await readBuckets(reader, { ...range, tier });
      expect(items.get('worker-1')).toEqual(model.buckets('worker-1', tier, 0, 1e15, undefined));
    }
    const { items } = await readSamples(reader, range);
    expect(items.get('worker-1')?.map(({ number }) => number)[0]).toBe(201);
  });

  test('deleting does not wait for a long reader, which keeps what it reads, and is done when it has ended', async () => {
    const url = await server().createDatabase();
    const writer = await openWriter(url);
    await writer.begin({ bootId: 'b1', startedMs: START_MS });
    await writer.write(batchOf('b1', 1, { samples: [sampleRun({ count: 20_000, stepMs: 1000 })] }));
    const reader = await openReader(url);
    let parts = 0;
    let isSettled: Promise<void> | undefined;
    const names = async () =>
      (await server().sql(url, `SELECT relname FROM pg_class WHERE relname ~ '^samples_[0-9]*$'`)).map(
        ({ relname }) => relname,
      );
    const reading = reader.samples(
      { workerIds: ['worker-1'], fromMs: 0, toMs: 1e15, keys: undefined },
      {
        part: ({ at }) => {
          parts += at.length;
          isSettled ??= settle(writer, START_MS + 3 * DAY, RETENTION);
        },
        gap: () => undefined,
      },
      () => false,
    );
    await reading;
    await isSettled;
    expect(parts).toBe(20_000);
    // The next hour's look finds what was in use.
    await settle(writer, START_MS + 3 * DAY + 2 * HOUR, RETENTION);
    expect(await names()).not.toContain('samples_20260301');
    const { items } = await readBuckets(reader, {
      workerIds: ['worker-1'],
      fromMs: 0,
      toMs: 1e15,
      keys: undefined,
      tier: '1h',
    });
    expect(items.get('worker-1')?.reduce((sum, { values }) => sum + (values.cpu_usage?.count ?? 0), 0)).toBe(20_000);
  });

  test('a detachment that was interrupted is finished', async () => {
    const url = await server().createDatabase();
    const writer = await openWriter(url);
    await writer.begin({ bootId: 'b1', startedMs: START_MS });
    await writer.write(batchOf('b1', 1, { samples: [sampleRun({ count: 10 })] }));
    await settle(writer, START_MS + 2 * HOUR, RETENTION);
    const reading = new pg.Client({ connectionString: url });
    await reading.connect();
    await reading.query('BEGIN; SELECT count(*) FROM pulselane.samples');
    await settle(writer, START_MS + 3 * DAY, RETENTION);
    const pending = () =>
      server().sql(url, 'SELECT inhrelid::regclass AS name FROM pg_inherits WHERE inhdetachpending');
    expect(await pending()).toEqual([{ name: 'pulselane.samples_20260301' }]);
    // Batches go on meanwhile.
    await writer.write(batchOf('b1', 2, { samples: [sampleRun({ first: 11, fromMs: START_MS + 3 * DAY })] }));
    await reading.end();
    await settle(writer, START_MS + 3 * DAY + 2 * HOUR, RETENTION);
    expect(await pending()).toEqual([]);
    expect(await server().sql(url, `SELECT to_regclass('pulselane.samples_20260301') AS name`)).toEqual([
      { name: null },
    ]);
  });

  test('above the maximum size the oldest days go first, are counted and told once', async () => {
    const url = await server().createDatabase();
    const losses: string[] = [];
    const writer = await openWriter(url, losses);
    await writer.begin({ bootId: 'b1', startedMs: START_MS });
    for (let day = 0; day < 4; day++) {
      const samples = sampleRun({ first: 1 + day * 2000, count: 2000, stepMs: 1000, fromMs: START_MS + day * DAY });
      await writer.write(batchOf('b1', day + 1, { samples: [samples] }));
    }
    await settle(writer, START_MS + 3 * DAY + 2 * HOUR, KEEP_ALL);
    const { bytes } = await writer.figures();
    await settle(writer, START_MS + 3 * DAY + 2 * HOUR, { ...KEEP_ALL, maxBytes: bytes - 100_000 });
    const figures = await writer.figures();
    expect(figures.bytes).toBeLessThan(bytes - 100_000);
    expect(figures.deletedEarly).toBe(2000);
    expect(figures.oldestMs).toEqual({ raw: START_MS + DAY, '1m': START_MS, '1h': START_MS });
    expect(losses).toEqual([
      expect.stringMatching(
        /reached its maximum size of \d+ MiB: what was received before 2026-03-02T00:00:00.000Z is deleted early$/,
      ),
    ]);
  });

  test('a database that becomes read-only is said to be so, and is written again afterwards', async () => {
    const url = await server().createDatabase();
    const name = new URL(url).pathname.slice(1);
    const writer = await openWriter(url);
    await writer.begin({ bootId: 'b1', startedMs: START_MS });
    const setReadOnly = async (isReadOnly: boolean) => {
      await server().sql('postgres', `ALTER DATABASE ${name} SET default_transaction_read_only = ${isReadOnly}`);
      await server().sql(
        'postgres',
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${name}'`,
      );
      await eventually(() =>
        writer.figures().then(
          () => true,
          () => false,
        ),
      );
    };
    await setReadOnly(true);
    const batch = batchOf('b1', 1, { samples: [sampleRun()] });
    expect((await errorOf(writer.write(batch))).kind).toBe('read_only');
    expect(await (await openReader(url)).workers(undefined)).toEqual([]);
    await setReadOnly(false);
    await writer.write(batch);
    expect(await (await openReader(url)).workers(undefined)).toHaveLength(1);
  });

  test.each([
    [
      'a wrong password',
      'refused',
      /password authentication failed for user "postgres"$/,
      (url: string) => url.replace(/:[^:@]+@/, ':hunter2@'),
    ],
    ['no password', 'refused', /password/, (url: string) => url.replace(/:[^:@]+@/, '@')],
    [
      'a missing database',
      'refused',
      /database "nowhere" does not exist$/,
      (url: string) => url.replace(/\/[^/]+$/, '/nowhere'),
    ],
    ['a server without TLS', 'refused', /does not support SSL/, (url: string) => `${url}?sslmode=require`],
    [
      'a file of certificates that is not there',
      'refused',
      /no such file or directory, open '\/nowhere.pem'$/,
      (url: string) => `${url}?sslrootcert=/nowhere.pem`,
    ],
  ])('%s is told without the password: %s', async (_, kind, message, change) => {
    const url = change(await server().createDatabase());
    const place = { kind: 'postgres' as const, url };
    const reader = await openReader(url);
    for (const call of [() => openWriter(place.url), () => reader.workers(undefined)]) {
      const error = await errorOf(call());
      expect(error.kind).toBe(kind);
      expect(error.message).toMatch(message);
      expect(error.message).toMatch(/^PostgreSQL at 127\.0\.0\.1:\d+\/\w+: /);
      expect(`${error.stack}`).not.toMatch(/hunter2|open-sesame/);
    }
  });

  test('a reader that waits for a lock is cancelled, and asks again on another connection', async () => {
    const url = await server().createDatabase();
    const writer = await openWriter(url);
    await writer.begin({ bootId: 'b1', startedMs: START_MS });
    await writer.write(batchOf('b1', 1, { samples: [sampleRun()] }));
    const reader = await openReader(url);
    const holder = new pg.Client({ connectionString: url });
    await holder.connect();
    await holder.query('BEGIN; LOCK TABLE pulselane.samples IN ACCESS EXCLUSIVE MODE');
    let isCancelled = false;
    const request = { workerIds: ['worker-1'], fromMs: 0, toMs: 1e15, keys: undefined };
    const visit = { part: () => undefined, gap: () => undefined };
    const reading = errorOf(reader.samples(request, visit, () => isCancelled));
    const waiting = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'DECLARE%'`;
    await eventually(async () => (await server().sql(url, waiting)).length === 1);
    isCancelled = true;
    expect(await reading).toMatchObject({ kind: 'failed', message: 'cancelled' });
    // The server notices that nobody waits for the answer.
    await eventually(async () => (await server().sql(url, waiting)).length === 0);
    await holder.end();
    expect((await readSamples(reader, request)).items.get('worker-1')).toHaveLength(1);
  });

  test('of a worker whose metrics change their names, the newest are known', async () => {
    const url = await server().createDatabase();
    const writer = await openWriter(url);
    await writer.begin({ bootId: 'b1', startedMs: START_MS });
    for (let number = 1; number <= 3; number++) {
      const keys = Array.from({ length: 600 }, (_, index) => `metrics.${number}-${index}`);
      await writer.write(
        batchOf('b1', number, { samples: [sampleRun({ first: number, keys: ['cpu_usage', ...keys] })] }),
      );
    }
    const [known] = await (await openReader(url)).workers(['worker-1']);
    expect(known?.keys).toHaveLength(1000);
    expect(known?.keys).toEqual(expect.arrayContaining(['metrics.3-0', 'metrics.3-599', 'metrics.2-599']));
  });

  test('a server that is not there is away', async () => {
    const url = `postgres://u:hunter2@127.0.0.1:${await freePort()}/db`;
    const reader = await openReader(url);
    for (const call of [() => openWriter(url), () => reader.workers(undefined)]) {
      expect(await errorOf(call())).toMatchObject({ kind: 'away', message: expect.stringContaining('ECONNREFUSED') });
    }
    const socket = await errorOf(openWriter('postgres://u:hunter2@/db?host=/nowhere'));
    expect(socket).toMatchObject({
      kind: 'away',
      message: expect.stringMatching(/^PostgreSQL at \/nowhere:5432\/db: .*ENOENT/),
    });
  });

  test('a Unix socket will do', async () => {
    const url = new URL(await server().createDatabase());
    const name = url.pathname.slice(1);
    const writer = await openWriter(
      `postgres://postgres:${url.password}@/${name}?host=${server().folder}&port=${server().port}`,
    );
    await writer.begin({ bootId: 'b1', startedMs: START_MS });
  });

  test('a role that may create no schema is told what to grant; with its own schema it does', async () => {
    const url = new URL(await server().createDatabase());
    const database = url.pathname.slice(1);
    await server().sql(url.href, `CREATE ROLE "plain-${database}" LOGIN PASSWORD 'x-secret'`);
    url.username = `plain-${database}`;
    url.password = 'x-secret';
    const error = await errorOf(openWriter(url.href));
    expect(error.kind).toBe('refused');
    expect(error.message).toContain(`permission denied for database ${database}`);
    const grant =
      /run (CREATE SCHEMA IF NOT EXISTS pulselane AUTHORIZATION "[\w-]+"), or GRANT CREATE ON DATABASE (\w+) TO/.exec(
        error.message,
      );
    expect(grant?.[2]).toBe(database);
    await server().sql(server().url(database), grant?.[1] as string);
    const writer = await openWriter(url.href);
    await writer.begin({ bootId: 'b1', startedMs: START_MS });
    await writer.write(batchOf('b1', 1, { samples: [sampleRun()] }));
    await settle(writer, START_MS + 3 * DAY, RETENTION);
  });
});
