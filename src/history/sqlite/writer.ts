/** Writes history into an SQLite database. Calls are synchronous inside: the thread that writes does nothing else. */
import type { Clock } from '../../lib/clock.ts';
import type { Batch, Begun, HistoryFigures, HistoryWriter, MasterRun, Retention } from '../backend.ts';
import type { OnLoss } from '../database.ts';
import { HistoryError } from '../history-error.ts';
import { Connection } from './connection.ts';
import { historyError } from './errors.ts';
import { newestEventId, putEvents } from './events.ts';
import { fileOf, lastExpiry, readFigures } from './figures.ts';
import { putGaps } from './gaps.ts';
import { appendToJournal } from './journal.ts';
import { WorkerNumbers } from './known-workers.ts';
import { Maintenance } from './maintenance.ts';
import { migrate } from './migrations.ts';
import { HOUR_MS } from './periods.ts';
import { setAside } from './set-aside.ts';
import { putTaskRuns, taskRunsSince } from './task-runs.ts';

/** How long after its end a run of a task is still told to a new process. */
const ENDED_RUNS_MS = HOUR_MS;

interface Open {
  readonly db: Connection;
  /** Which file it is: another one may get its name. */
  readonly file: string | undefined;
  readonly workers: WorkerNumbers;
  readonly maintenance: Maintenance;
}

export class SqliteWriter implements HistoryWriter {
  readonly #path: string;
  readonly #onLoss: OnLoss;
  readonly #clock: Clock;
  #open: Open | undefined;
  /** The runs that were announced, and their numbers: a new database goes on with them. */
  readonly #announced = new Map<string, { readonly run: MasterRun; readonly number: number }>();
  #damaged = 0;
  /** Calls take turns: setting a database aside waits for the file system. */
  #turn: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  /** @throws HistoryError */
  static async open(path: string, onLoss: OnLoss, clock: Clock): Promise<SqliteWriter> {
    const writer = new SqliteWriter(path, onLoss, clock);
    await writer.#inTurn('open', () => undefined);
    return writer;
  }

  private constructor(path: string, onLoss: OnLoss, clock: Clock) {
    this.#path = path;
    this.#onLoss = onLoss;
    this.#clock = clock;
  }

  begin(run: MasterRun): Promise<Begun> {
    return this.#inTurn('write', (open) => {
      const begun = open.db.write(() => begin(open.db, run));
      this.#announced.set(run.bootId, { run, number: begun.run });
      return begun;
    });
  }

  write(batch: Batch): Promise<void> {
    return this.#inTurn('write', (open) => open.db.write(() => write(open, batch)));
  }

  check(batch: Batch): Promise<void> {
    return this.#inTurn('write', (open) => {
      open.db.writeAndUndo(() => write(open, batch));
      open.workers.forget();
    });
  }

  maintain(nowMs: number, retention: Retention, expiryMs = nowMs): Promise<boolean> {
    return this.#inTurn('maintain', ({ maintenance }) => maintenance.step(nowMs, retention, expiryMs));
  }

  figures(): Promise<HistoryFigures> {
    return this.#inTurn('read', ({ db }) => readFigures(db, this.#path, this.#damaged));
  }

  close(): Promise<void> {
    const closed = this.#turn.then(() => {
      this.#isClosed = true;
      this.#release();
    });
    this.#turn = closed;
    return closed;
  }

  /** A damaged database is set aside, and the call is made again on a new one. */
  #inTurn<T>(verb: string, call: (open: Open) => T): Promise<T> {
    const result = this.#turn.then(async () => {
      try {
        return this.#attempt(call);
      } catch (error) {
        const reason = historyError(error, `${verb} ${this.#path}`);
        if (reason.kind !== 'damaged') throw reason;
        try {
          await this.#beginAnew(reason);
          return this.#attempt(call);
        } catch (second) {
          throw historyError(second, `${verb} ${this.#path}`);
        }
      }
    });
    this.#turn = result.catch(() => {});
    return result;
  }

  #attempt<T>(call: (open: Open) => T): T {
    if (this.#isClosed) throw new HistoryError('failed', `${this.#path} is closed`);
    if (this.#open !== undefined && this.#open.file !== fileOf(this.#path)) this.#beginAnewElsewhere();
    this.#open ??= this.#opened();
    try {
      return call(this.#open);
    } catch (error) {
      this.#open.workers.forget();
      throw error;
    }
  }

  #opened(): Open {
    const db = new Connection(this.#path, { readOnly: false });
    try {
      migrate(db, this.#path);
    } catch (error) {
      db.close();
      throw error;
    }
    const onDamage = (what: string) => {
      this.#damaged++;
      this.#onLoss(`${this.#path}: cannot read ${what}`);
    };
    const workers = new WorkerNumbers(db);
    const maintenance = new Maintenance(db, this.#path, this.#clock, {
      onDamage,
      onLoss: this.#onLoss,
      onWorkersDeleted: () => workers.forget(),
    });
    return { db, file: fileOf(this.#path), workers, maintenance };
  }

  async #beginAnew(reason: HistoryError): Promise<void> {
    this.#release();
    const aside = await setAside(this.#path, this.#clock);
    this.#reopen();
    this.#onLoss(
      `${reason.message}; it is kept as ${aside}, and history begins anew: all that was recorded before is in that file only`,
    );
  }

  /** What is written to a file that has no name any more is lost. */
  #beginAnewElsewhere(): void {
    this.#release();
    this.#reopen();
    this.#onLoss(
      `${this.#path} was removed or replaced while the master ran: history goes on in the file of that name`,
    );
  }

  #reopen(): void {
    const opened = this.#opened();
    this.#open = opened;
    opened.db.write(() => {
      for (const { run, number } of this.#announced.values()) begin(opened.db, run, number);
    });
  }

  #release(): void {
    try {
      this.#open?.db.close();
    } finally {
      this.#open = undefined;
    }
  }
}

/** @param number undefined: the next one */
function begin(db: Connection, { bootId, startedMs }: MasterRun, number?: number): Begun {
  db.run(
    `INSERT INTO master_runs (run, boot_id, started_ms, last_batch, up_until_ms) VALUES (?, ?, ?, 0, ?)
     ON CONFLICT (boot_id) DO NOTHING`,
    number ?? null,
    bootId,
    startedMs,
    startedMs,
  );
  return {
    ...runOf(db, bootId),
    newestEventId: newestEventId(db),
    lastExpiryMs: lastExpiry(db, bootId),
    taskRuns: taskRunsSince(db, startedMs - ENDED_RUNS_MS),
  };
}

function runOf(db: Connection, bootId: string): { run: number; lastBatch: number; lastEventId: number } {
  const row = db.get<{ run: number; last_batch: number; last_event_id: number }>(
    'SELECT run, last_batch, last_event_id FROM master_runs WHERE boot_id = ?',
    bootId,
  );
  if (row === undefined) throw new HistoryError('failed', `a batch of the run ${bootId}, which was not announced`);
  return { run: row.run, lastBatch: row.last_batch, lastEventId: row.last_event_id };
}

function write({ db, workers }: Open, batch: Batch): void {
  const { run, lastBatch, lastEventId } = runOf(db, batch.bootId);
  if (batch.number <= lastBatch) return;
  const stored = batch.samples
    .filter(({ at }) => at.length > 0)
    .map((unnumbered) => {
      const samples = { ...unnumbered, run };
      return { worker: workers.enter(samples), samples };
    });
  appendToJournal(db, stored, batch.atMs);
  putGaps(db, batch.gaps);
  putTaskRuns(db, batch.taskRuns);
  putEvents(db, batch.events);
  db.run(
    'UPDATE master_runs SET last_batch = ?, up_until_ms = ?, last_event_id = ? WHERE run = ?',
    batch.number,
    batch.atMs,
    Math.max(lastEventId, batch.events.at(-1)?.id ?? 0),
    run,
  );
}
