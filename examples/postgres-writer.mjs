// Writes the newest values of each worker into a table of your own in PostgreSQL: setUpdateCallback collects updates, and a
// timer writes them in batches, so that the engine never waits for the database.
//
//     npm install pg ../pulselane/packages/pulselane-0.2.0.tgz
//     PGHOST=db.example PGDATABASE=fleet node postgres-writer.mjs
//
// For everything that ever came, see the option `history` in docs/embedding.md.
import pg from 'pg';
import { TelemetryManager } from 'pulselane';

/** Commits are few, and a second of updates is not much to lose. */
const WRITE_EVERY_MS = 1000;
/** While the database is away, the oldest updates make room beyond it. */
const MAX_WAITING = 100_000;
/** 7 parameters each; PostgreSQL takes 65,535 at a time. */
const MAX_ROWS = 5000;

export class TelemetryWriter {
  #pool;
  #log;
  #waiting = [];
  #dropped = 0;
  #timer;
  #writing = Promise.resolve();

  /** @param pool of `pg` */
  constructor(pool, log = console.error) {
    this.#pool = pool;
    this.#log = log;
    // An idle connection that breaks must not end the program.
    pool.on('error', (error) => log(`PostgreSQL: ${error.message}`));
  }

  async start() {
    await this.#pool.query(`CREATE TABLE IF NOT EXISTS telemetry (
      worker_id text NOT NULL, at timestamptz NOT NULL, is_active boolean NOT NULL,
      cpu_usage double precision NOT NULL, memory_usage double precision NOT NULL, gpu_usage double precision NOT NULL,
      running_tasks jsonb NOT NULL)`);
    await this.#pool.query('CREATE INDEX IF NOT EXISTS telemetry_worker_at ON telemetry (worker_id, at)');
    this.#timer = setInterval(() => void this.flush(), WRITE_EVERY_MS);
  }

  /** For setUpdateCallback. Returns at once. */
  update = (worker) => {
    this.#waiting.push(worker);
    if (this.#waiting.length <= MAX_WAITING) return;
    this.#waiting.shift();
    this.#dropped += 1;
  };

  /** Writes what waits. Never rejects: what was not written waits for the next time. */
  flush() {
    this.#writing = this.#writing.then(() => this.#write());
    return this.#writing;
  }

  async #write() {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MAX_ROWS);
      try {
        await this.#pool.query(insert(batch), batch.flatMap(valuesOf));
      } catch (error) {
        this.#waiting.unshift(...batch);
        this.#log(`${this.#waiting.length} updates wait, ${this.#dropped} were dropped: ${error.message}`);
        return;
      }
    }
  }

  /** Writes the rest. */
  async stop() {
    clearInterval(this.#timer);
    await this.flush();
  }
}

/** `INSERT … VALUES ($1, …, $7), ($8, …)` */
function insert(batch) {
  const row = (_, n) => `(${Array.from({ length: 7 }, (_, column) => `$${n * 7 + column + 1}`).join(', ')})`;
  return `INSERT INTO telemetry VALUES ${batch.map(row).join(', ')}`;
}

function valuesOf({ workerId, lastUpdate, isActive, cpuUsage, memoryUsage, gpuUsage, runningTasks }) {
  return [
    workerId,
    new Date(lastUpdate * 1000),
    isActive,
    cpuUsage,
    memoryUsage,
    gpuUsage,
    JSON.stringify(runningTasks),
  ];
}

if (import.meta.main) {
  const pool = new pg.Pool();
  const writer = new TelemetryWriter(pool);
  await writer.start();
  const manager = new TelemetryManager();
  manager.setUpdateCallback(writer.update);
  await manager.start();
  manager.processHeartbeat({ workerId: 'worker-1', cpuUsage: 42, memoryUsage: 50 }); // your program's heartbeats

  process.once('SIGINT', async () => {
    await manager.shutdown();
    await writer.stop();
    await pool.end();
  });
}
