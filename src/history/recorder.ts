/**
 * Writes what the master takes in to the database, in batches: the work of the history thread, without the thread.
 *
 *     every 500 ms: open, if it is not ──► what is left from before ──► batches until nothing is left ──► maintenance
 *
 * A batch is kept until it is durable, and written again as it is after a failure, whose outcome may be unknown: its number says
 * whether the database has it. So nothing is written twice, and what is behind it waits in the rings.
 *
 * | state   | entered when                                 | then                                                    |
 * |---------|----------------------------------------------|---------------------------------------------------------|
 * | closed  | created; or the database failed              | opens it, after a back-off                              |
 * | open    | `begin` has answered                         | writes; some failures close it: see {@link CLOSED_BY}   |
 * | stopped | `stop`                                       | everything there was is durable, or it was not possible |
 */
import { type Clock, endsWithin, type Timer } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';
import type { HistoryStatus } from '../model/history-status.ts';
import { meanRate } from '../model/rate.ts';
import type { Batch, HistoryFigures, HistoryWriter, MasterRun, Retention } from './backend.ts';
import type { BatchBuilder } from './batch-builder.ts';
import { isEmpty, samplesIn } from './batch-contents.ts';
import { type Failure, failed, HEALTHY, type Health, type Now, worked } from './health.ts';
import { HistoryError, type HistoryErrorKind } from './history-error.ts';
import {
  DRAIN_EVERY_MS,
  FIGURES_EVERY_MS,
  FIRST_RETRY_MS,
  LAST_RETRY_MS,
  MAINTAIN_EVERY_MS,
  SIGN_OF_LIFE_MS,
  SLOW_AFTER_MS,
  STATUS_EVERY_MS,
  WRITE_WITHIN_MS,
} from './history-limits.ts';

export interface OpenDatabase {
  readonly writer: HistoryWriter;
  /** Of each worker with samples of this boot id: the number after its last one. */
  durable(bootId: string): Promise<ReadonlyMap<string, number>>;
}

export interface RecorderOptions {
  readonly run: MasterRun;
  readonly builder: BatchBuilder;
  readonly open: () => Promise<OpenDatabase>;
  readonly retention: Retention;
  /** What a status shows besides what the recorder knows. */
  readonly shown: Pick<HistoryStatus, 'backend' | 'place' | 'spool' | 'retention'>;
  readonly clock: Clock;
  /** About once a second, and when the state changes. */
  readonly onStatus: (status: HistoryStatus) => void;
  /** The database was opened, and this is its newest event. */
  readonly onLastEventId: (id: number) => void;
}

/** After these, the connection may be broken, or what is open may not be the database any more. */
const CLOSED_BY: ReadonlySet<HistoryErrorKind> = new Set(['away', 'newer', 'refused', 'damaged', 'failed']);

export class Recorder {
  readonly #options: RecorderOptions;
  #database: OpenDatabase | undefined;
  #openSinceUnixMs: number | null = null;
  /** Built, and not durable yet. */
  #inFlight: { readonly batch: Batch; readonly isComplete: boolean } | undefined;
  #timers: Timer[] = [];
  #working: Promise<void> | undefined;
  /** Since when a call of the database has not returned. */
  #waitingSinceMs: number | undefined;
  #health: Health = HEALTHY;
  #attempts = 0;
  #retryAtMs = 0;
  #maintainAtMs = 0;
  #figuresAtMs = 0;
  #wroteAtMs = Number.NEGATIVE_INFINITY;
  #figures: HistoryFigures | undefined;
  #durableUntilUnixMs: number | null = null;
  #samples = 0;
  #batches = 0;
  #samplesPerS = 0;
  #samplesTold = 0;
  #toldMs: number;
  #commitMs = 0;
  #isStopping = false;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#toldMs = options.clock.monotonicMs();
  }

  start(): void {
    const { clock } = this.#options;
    this.#timers = [clock.every(DRAIN_EVERY_MS, () => this.look()), clock.every(STATUS_EVERY_MS, () => this.#tell())];
    this.look();
  }

  /** Works, unless it does already or has to wait. */
  look(): void {
    if (this.#isStopping) return;
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#working !== undefined) {
      const since = this.#waitingSinceMs;
      if (since === undefined || nowMs - since < SLOW_AFTER_MS) return;
      const seconds = Math.round((nowMs - since) / 1000);
      this.#fail({ code: 'slow', detail: `the database has not answered for ${seconds} s` });
      return;
    }
    if (nowMs < this.#retryAtMs) return;
    this.#working = this.#work().finally(() => {
      this.#working = undefined;
    });
  }

  /** Makes durable what is there, once; never rejects. Afterwards nothing is written any more. */
  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    for (const timer of this.#timers) timer.cancel();
    await this.#working;
    await this.#work();
    this.#tell();
    await this.#close();
  }

  // ── work ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Never rejects. */
  async #work(): Promise<void> {
    try {
      this.#database ??= await this.#open();
      await this.#writeAll(this.#database.writer);
      if (!this.#isStopping) await this.#maintain(this.#database.writer);
      this.#attempts = 0;
      this.#succeed();
    } catch (error) {
      await this.#failedWith(error);
    }
  }

  async #open(): Promise<OpenDatabase> {
    const { run, builder, open, onLastEventId, clock } = this.#options;
    const database = await this.#within(open());
    try {
      const begun = await this.#within(database.writer.begin(run));
      const durable = await this.#within(database.durable(run.bootId));
      builder.resume(begun.lastBatch, begun.lastEventId, durable);
      onLastEventId(begun.lastEventId);
    } catch (error) {
      await database.writer.close().catch(() => {});
      throw error;
    }
    this.#openSinceUnixMs = clock.wallMs();
    return database;
  }

  async #writeAll(writer: HistoryWriter): Promise<void> {
    const { builder, clock } = this.#options;
    for (;;) {
      const fresh = this.#inFlight === undefined;
      this.#inFlight ??= builder.build(clock.wallMs());
      const built = this.#inFlight;
      const startedMs = clock.monotonicMs();
      const isDue = !isEmpty(built.batch) || startedMs - this.#wroteAtMs >= SIGN_OF_LIFE_MS || this.#isStopping;
      if (isDue) {
        await this.#within(writer.write(built.batch));
        this.#commitMs = clock.monotonicMs() - startedMs;
        this.#wroteAtMs = startedMs;
        this.#batches++;
        this.#samples += samplesIn(built.batch);
      } else builder.unused(built.batch);
      this.#inFlight = undefined;
      if (built.isComplete) this.#durableUntilUnixMs = built.batch.atMs;
      // One that had to be tried again is old: more has come since.
      if (built.isComplete && fresh) return;
    }
  }

  async #maintain(writer: HistoryWriter): Promise<void> {
    const { clock, retention } = this.#options;
    const startedMs = clock.monotonicMs();
    if (startedMs >= this.#figuresAtMs) {
      this.#figuresAtMs = startedMs + FIGURES_EVERY_MS;
      this.#figures = await this.#within(writer.figures());
    }
    while (clock.monotonicMs() >= this.#maintainAtMs) {
      const isMoreDue = await this.#within(writer.maintain(clock.wallMs(), retention));
      if (!isMoreDue) this.#maintainAtMs = clock.monotonicMs() + MAINTAIN_EVERY_MS;
      // The next batch is due.
      if (this.#isStopping || clock.monotonicMs() - startedMs >= DRAIN_EVERY_MS / 2) return;
      await new Promise(setImmediate);
    }
  }

  async #within<T>(call: Promise<T>): Promise<T> {
    const { clock } = this.#options;
    this.#waitingSinceMs = clock.monotonicMs();
    try {
      if (await endsWithin(clock, WRITE_WITHIN_MS, call)) return await call;
    } finally {
      this.#waitingSinceMs = undefined;
    }
    // Its outcome does not matter any more: the connection is closed.
    call.catch(() => {});
    throw new HistoryError('away', `the database has not answered for ${WRITE_WITHIN_MS / 1000} s`);
  }

  async #failedWith(error: unknown): Promise<void> {
    const { clock } = this.#options;
    const kind = error instanceof HistoryError ? error.kind : 'failed';
    this.#fail({ code: kind, detail: messageOf(error) });
    this.#retryAtMs = clock.monotonicMs() + Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#attempts);
    this.#attempts++;
    if (CLOSED_BY.has(kind)) await this.#close();
  }

  async #close(): Promise<void> {
    const database = this.#database;
    this.#database = undefined;
    this.#openSinceUnixMs = null;
    if (database === undefined) return;
    const closing = database.writer.close().catch(() => {});
    await endsWithin(this.#options.clock, SLOW_AFTER_MS, closing);
  }

  // ── state ────────────────────────────────────────────────────────────────────────────────────────────────────

  #fail(failure: Failure): void {
    this.#become(failed(this.#health, failure, this.#now()));
  }

  #succeed(): void {
    this.#become(worked(this.#health, this.#now()));
  }

  #become(health: Health): void {
    const before = this.#health.problem?.code;
    this.#health = health;
    if (before !== health.problem?.code) this.#tell();
  }

  #now(): Now {
    const { clock } = this.#options;
    return { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
  }

  #tell(): void {
    const { clock, onStatus } = this.#options;
    const nowMs = clock.monotonicMs();
    this.#samplesPerS = meanRate(this.#samplesPerS, this.#samples - this.#samplesTold, nowMs - this.#toldMs);
    this.#samplesTold = this.#samples;
    this.#toldMs = nowMs;
    onStatus(this.#status());
  }

  #status(): HistoryStatus {
    const { builder, shown, clock } = this.#options;
    const { problem } = this.#health;
    const figures = this.#figures;
    return {
      ...shown,
      state: problem !== undefined ? 'degraded' : this.#openSinceUnixMs === null ? 'starting' : 'ok',
      problem: problem ?? null,
      atUnixMs: clock.wallMs(),
      openSinceUnixMs: this.#openSinceUnixMs,
      durableUntilUnixMs: this.#durableUntilUnixMs,
      samples: this.#samples,
      batches: this.#batches,
      samplesPerS: this.#samplesPerS,
      commitMs: this.#commitMs,
      lost: { overwritten: builder.lostSamples, spool_full: 0, spool_damaged: 0, refused: 0 },
      lostEvents: builder.lostEvents,
      closedTooLate: builder.closedTooLate,
      figures:
        figures === undefined
          ? null
          : {
              bytes: figures.bytes,
              oldestUnixMs: figures.oldestMs,
              deletedEarly: figures.deletedEarly,
              damaged: figures.damaged,
            },
    };
  }
}
