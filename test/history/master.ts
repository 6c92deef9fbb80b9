/** A master without threads: a fleet in shared memory, its events, and one recorder after another, in time that tests control. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { BatchBuilder } from '../../src/history/batch-builder.ts';
import { type OpenDatabase, Recorder, type RecorderOptions } from '../../src/history/recorder.ts';
import { Spool } from '../../src/history/spool.ts';
import { EventLog } from '../../src/model/events.ts';
import type { HistoryStatus } from '../../src/model/history-status.ts';
import type { TaskEvent } from '../../src/model/task-change.ts';
import type { RunningTask } from '../../src/model/telemetry.ts';
import { SampleDrain } from '../../src/reading/sample-drain.ts';
import { BoardReader } from '../../src/store/board.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { Fleet } from '../support/fleet.ts';

export interface TestedDatabase {
  readonly open: () => Promise<OpenDatabase>;
  /** Whether a call waits until the test lets it go on. */
  readonly isHanging: boolean;
}

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** One master: a fleet, its events, and one history thread after another. */
export class Master {
  readonly clock: FakeClock;
  readonly fleet: Fleet;
  readonly events = new EventLog();
  readonly statuses: HistoryStatus[] = [];
  readonly losses: string[] = [];
  readonly beats = new Map<string, number>();
  readonly #database: TestedDatabase;
  readonly #folder: string;
  readonly #spoolMaxBytes: number;
  #bootId: string;
  #lastBatch = 0;
  recorder!: Recorder;
  spool!: Spool;
  builder!: BatchBuilder;

  constructor(
    database: TestedDatabase,
    { folder = newFolder(), spoolMaxBytes = 1024 ** 2, clock = new FakeClock(1e12), ringSamples = 4 } = {},
  ) {
    this.#database = database;
    this.#folder = folder;
    this.#spoolMaxBytes = spoolMaxBytes;
    this.clock = clock;
    this.fleet = new Fleet(this.clock, 64, ringSamples);
    this.#bootId = new BoardReader(this.fleet.memory).bootId;
  }

  async startThread(options: Partial<RecorderOptions> = {}): Promise<void> {
    this.#life.isAlive = false;
    const life = { isAlive: true };
    this.#life = life;
    if (this.builder !== undefined) this.#lastBatch = this.builder.lastBatch + 1_000_000;
    const drain = new SampleDrain(new BoardReader(this.fleet.memory));
    for (const item of this.fleet.roster()) drain.apply(item);
    this.fleet.onAnnounce = (items) => {
      for (const item of items) drain.apply(item);
    };
    // The log of a new thread: what main still has.
    const events = new EventLog();
    for (const event of this.events.all()) events.add(event);
    this.#threadEvents = events;
    this.builder = new BatchBuilder({
      bootId: this.#bootId,
      source: drain,
      events,
      isKnown: (workerId) => this.beats.has(workerId),
    });
    this.builder.skip({ lastBatch: this.#lastBatch });
    this.spool = await Spool.open(this.#folder, this.#spoolMaxBytes);
    const retention = { rawMs: 1e9, minuteMs: 1e10, hourMs: 1e11, maxBytes: undefined };
    this.recorder = new Recorder({
      run: { bootId: this.#bootId, startedMs: this.clock.wallMs() },
      builder: this.builder,
      source: drain,
      open: () => whileAlive(life, this.#database.open),
      spool: this.spool,
      spoolMaxBytes: this.#spoolMaxBytes,
      retention,
      shown: { backend: 'sqlite', place: 'here', retention: { ...retention, maxBytes: null } },
      clock: {
        monotonicMs: () => this.clock.monotonicMs(),
        wallMs: () => this.clock.wallMs(),
        after: (ms, fn) => this.clock.after(ms, () => life.isAlive && fn()),
        every: (ms, fn) => this.clock.every(ms, () => life.isAlive && fn()),
      },
      onStatus: (status) => this.statuses.push(status),
      onLoss: (message) => this.losses.push(message),
      onLastEventId: () => {},
      ...options,
    });
    this.recorder.start();
    await this.#settled();
  }

  #threadEvents = new EventLog();
  /** Of the present thread: what a dead one would do or hear does not happen. */
  #life = { isAlive: false };

  event(): void {
    const event = this.events.append({ type: 'stall' }, this.clock.wallMs());
    this.#threadEvents.add(event);
  }

  beat(workerId: string, times = 1): void {
    if (!this.beats.has(workerId)) this.fleet.register(workerId);
    for (let n = 0; n < times; n++) {
      const before = this.beats.get(workerId) ?? 0;
      this.beats.set(workerId, before + 1);
      this.fleet.beat(workerId, { cpuUsage: before });
    }
  }

  /** A heartbeat that lists these tasks, and what happened to tasks since the one before. */
  tasks(workerId: string, runningTasks: RunningTask[], events: readonly TaskEvent[]): void {
    const before = this.beats.get(workerId) ?? 0;
    this.beats.set(workerId, before + 1);
    this.fleet.accept(workerId);
    this.fleet.publish(workerId, { cpuUsage: before, runningTasks }, events);
  }

  /** Lets time pass, and everything be done that does not wait for the database. */
  async pass(ms = 500): Promise<void> {
    for (let passed = 0; passed < ms; passed += 500) {
      this.clock.advance(Math.min(500, ms - passed));
      await this.#settled();
    }
  }

  async #settled(): Promise<void> {
    let isIdle = false;
    void this.recorder.idle().then(() => {
      isIdle = true;
    });
    while (!isIdle && !this.#database.isHanging) await new Promise(setImmediate);
    await this.recorder.saved();
  }

  get status(): HistoryStatus {
    return this.statuses.at(-1) as HistoryStatus;
  }
}

export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pulselane-recorder-'));
  folders.push(folder);
  return join(folder, 'history-spool');
}

async function whileAlive(
  life: { readonly isAlive: boolean },
  open: () => Promise<OpenDatabase>,
): Promise<OpenDatabase> {
  const gate = async <T>(call: () => Promise<T>): Promise<T> => {
    const never = new Promise<never>(() => {});
    if (!life.isAlive) return never;
    const result = await call();
    return life.isAlive ? result : never;
  };
  const { writer, earlier, problem } = await gate(open);
  return {
    problem,
    earlier: (bootId, others) => gate(() => earlier(bootId, others)),
    writer: {
      begin: (run) => gate(() => writer.begin(run)),
      write: (batch) => gate(() => writer.write(batch)),
      check: (batch) => gate(() => writer.check(batch)),
      maintain: (nowMs, retention, expiryMs) => gate(() => writer.maintain(nowMs, retention, expiryMs)),
      figures: () => gate(() => writer.figures()),
      close: () => writer.close(),
    },
  };
}
