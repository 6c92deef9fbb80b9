/**
 * Writes what the master takes in to the database, in batches: the work of the history thread, without the thread.
 *
 *     every 500 ms: open, if it is not ──► what the spool has ──► batches until nothing is left ──► maintenance
 *
 * A batch is kept until it is durable, in the database or in the spool, and written again as it is after a failure, whose outcome may
 * be unknown: its number says whether the database has it. So nothing is written twice, and nothing else is taken out of the rings
 * meanwhile.
 *
 * | while the database       | what came in                                                                       |
 * |--------------------------|------------------------------------------------------------------------------------|
 * | takes batches            | is in it within about a second                                                     |
 * | fails, or is slow        | waits in memory: samples in the rings, events in their log                         |
 * | … and memory runs short  | goes to the spool ({@link SPOOL_AT}), which is written to the database first later |
 * | … and the spool is full  | is lost as memory is reused; counted, and a gap                                    |
 *
 * After some failures the connection is made anew ({@link CLOSED_BY}); then the database says what it has.
 */
import { type Clock, endsWithin, type Timer } from '../lib/clock.ts';
import { messageOf } from '../lib/errors.ts';
import type { HistoryStatus } from '../model/history-status.ts';
import { meanRate } from '../model/rate.ts';
import type { Batch, Begun, HistoryFigures, HistoryWriter, MasterRun, Retention } from './backend.ts';
import type { BatchBuilder, Built, EarlierSamples, SampleSource } from './batch-builder.ts';
import { gapsBefore, isEmpty, samplesIn, withoutKnown } from './batch-contents.ts';
import { type Expiry, HOLD_MS, isSetBack, nextExpiry, startExpiry } from './expiry.ts';
import { type Failure, failed, HEALTHY, type Health, type Now, worked } from './health.ts';
import { HistoryError, type HistoryErrorKind } from './history-error.ts';
import {
  DRAIN_EVERY_MS,
  FIGURES_EVERY_MS,
  FIRST_RETRY_MS,
  LAST_RETRY_MS,
  MAINTAIN_EVERY_MS,
  MAX_HEARD_WORKERS,
  MAX_REFUSAL_CHECKS,
  MAX_WAITING_CLOSED_BYTES,
  MAX_WAITING_EVENTS,
  REFUSED_TIMES,
  SIGN_OF_LIFE_MS,
  SLOW_AFTER_MS,
  SPOOL_AT,
  SPOOL_FROM,
  STATUS_EVERY_MS,
  STOP_ATTEMPT_MS,
  STOP_SLOW_MS,
  TELL_LOST_EVERY_MS,
  WRITE_WITHIN_MS,
} from './history-limits.ts';
import { type BatchPart, batchOf, gapsFor, partsOf, refusedParts } from './refused-parts.ts';
import type { Spool, SpoolDamage } from './spool.ts';

export interface OpenDatabase {
  readonly writer: HistoryWriter;
  /** What it has of the workers of this boot id, and of these others. */
  earlier(bootId: string, others?: readonly string[]): Promise<ReadonlyMap<string, EarlierSamples>>;
  /** What became of it, if it is no longer the one that was opened: its file was removed. */
  problem(): string | undefined;
}

export interface RecorderOptions {
  readonly run: MasterRun;
  readonly builder: BatchBuilder;
  readonly source: Pick<SampleSource, 'waiting' | 'closedBytes'>;
  readonly open: () => Promise<OpenDatabase>;
  /** Undefined: it cannot be used. */
  readonly spool: Spool | undefined;
  readonly spoolMaxBytes: number;
  readonly retention: Retention;
  /** What a status shows besides what the recorder knows. */
  readonly shown: Pick<HistoryStatus, 'backend' | 'place' | 'retention'>;
  readonly clock: Clock;
  /** About once a second, and when the state changes. */
  readonly onStatus: (status: HistoryStatus) => void;
  /** One line for the log. */
  readonly onLoss: (message: string) => void;
  /** The database was opened, and this is its newest event. */
  readonly onLastEventId: (id: number) => void;
}

/** What the database has, with what the spool had. */
interface Known {
  readonly begun: Begun;
  readonly earlier: ReadonlyMap<string, EarlierSamples>;
}

/** After these, the connection may be broken, or what is open may not be the database any more. */
const CLOSED_BY: ReadonlySet<HistoryErrorKind> = new Set(['away', 'newer', 'refused', 'damaged', 'failed']);

export class Recorder {
  readonly #options: RecorderOptions;
  #database: OpenDatabase | undefined;
  #openSinceUnixMs: number | null = null;
  /** What the database has of each worker. What the spool and the rings have twice is known by it. */
  #written = new Map<string, EarlierSamples>();
  #lastWrittenEventId = 0;
  /** Whose batches may be written: the runs that were announced on this connection. */
  #announced = new Set<string>();
  /** Built, and not durable yet. */
  #inFlight: Built | undefined;
  #timers: Timer[] = [];
  #working: Promise<unknown> | undefined;
  #saving: Promise<void> | undefined;
  /** The spool is full or cannot be written; told once, until the database takes batches. */
  #spoolFails = false;
  /** Since when a call of the database has not returned. */
  #waitingSinceMs: number | undefined;
  /** How long the last one took. */
  #lastCallMs = 0;
  #health: Health = HEALTHY;
  #attempts = 0;
  #refusals = 0;
  #retryAtMs = 0;
  #maintainAtMs = 0;
  /** Undefined until the database was open once. */
  #expiry: Expiry | undefined;
  #lookAtMs = 0;
  #figuresAtMs = 0;
  #wroteAtMs = Number.NEGATIVE_INFINITY;
  #figures: HistoryFigures | undefined;
  #durableUntilUnixMs: number | null = null;
  #samples = 0;
  #batches = 0;
  #samplesPerS = 0;
  #samplesTold = 0;
  #toldMs: number;
  #lostTaskChangesTold = 0;
  #lostTaskChangesDueMs = 0;
  #commitMs = 0;
  #isStopping = false;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#toldMs = options.clock.monotonicMs();
    this.#lastWrittenEventId = 0;
  }

  start(): void {
    const { spool, run, builder, clock } = this.#options;
    const own = spool?.heads.filter(({ bootId }) => bootId === run.bootId) ?? [];
    for (const { number, lastEventId } of own) builder.skip({ lastBatch: number, lastEventId });
    this.#timers = [clock.every(DRAIN_EVERY_MS, () => this.look()), clock.every(STATUS_EVERY_MS, () => this.#tell())];
    this.look();
  }

  /**
   * Works, unless it does already or has to wait; then it keeps memory from running short.
   */
  look(): void {
    if (this.#isStopping) return;
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#working === undefined && nowMs >= this.#retryAtMs) {
      this.#working = this.#work().finally(() => {
        this.#working = undefined;
      });
      return;
    }
    const since = this.#waitingSinceMs;
    if (since !== undefined && nowMs - since >= SLOW_AFTER_MS) {
      const seconds = Math.round((nowMs - since) / 1000);
      this.#fail({ code: 'slow', detail: `the database has not answered for ${seconds} s` });
    }
    if (this.#isMemoryShort()) this.#save(SPOOL_FROM);
  }

  /** Resolves when what was begun is done; never rejects. */
  async idle(): Promise<void> {
    while (this.#working !== undefined || this.#saving !== undefined) {
      await this.#working;
      await this.saved();
    }
  }

  /** Resolves when nothing is being written to the spool; never rejects. */
  async saved(): Promise<void> {
    await this.#saving;
  }

  /**
   * Makes durable what is there, in the database or in the spool; never rejects. Afterwards nothing is written any more. A database
   * that fails or is slow is not tried once more: a call of SQLite cannot be interrupted, and the spool would get no time.
   */
  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    for (const timer of this.#timers) timer.cancel();
    let isWritten = false;
    let isOver = false;
    const attempt = (async () => {
      await this.#working;
      const isTakingBatches = this.#database !== undefined && this.#attempts === 0;
      if (!isOver && isTakingBatches && this.#lastCallMs < STOP_SLOW_MS) isWritten = await this.#work();
    })();
    await endsWithin(this.#options.clock, STOP_ATTEMPT_MS, attempt);
    isOver = true;
    if (!isWritten) {
      await this.saved();
      this.#save(0);
      await this.saved();
      this.#tellUnsaved();
    }
    this.#tell();
    await this.#close();
  }

  // ── the database ─────────────────────────────────────────────────────────────────────────────────────────────

  /** Never rejects. @returns whether everything that was there is in the database */
  async #work(): Promise<boolean> {
    try {
      this.#database ??= await this.#open();
      const isAllWritten = await this.#writeAll(this.#database.writer);
      if (!this.#isStopping) await this.#maintain(this.#database);
      this.#attempts = 0;
      this.#become(worked(this.#health, this.#now()));
      return isAllWritten;
    } catch (error) {
      await this.#failedWith(error);
      return false;
    }
  }

  async #open(): Promise<OpenDatabase> {
    const { run, builder, spool, open, onLastEventId, clock } = this.#options;
    const database = await this.#within(open());
    try {
      this.#openSinceUnixMs = clock.wallMs();
      this.#announced = new Set();
      // Runs are numbered in the order in which they are announced: earlier ones first.
      await this.#replay(database.writer, (bootId) => bootId !== run.bootId);
      let known = await this.#begin(database);
      // What an earlier thread of this master left there: with it, it is known where the rings and the tasks go on.
      if (spool?.isEmpty === false) {
        await this.#replay(database.writer, () => true);
        known = await this.#begin(database);
      }
      const { begun, earlier } = known;
      this.#expire(this.#expiry ?? startExpiry(begun.lastExpiryMs, this.#now()));
      builder.skip(begun);
      builder.resume(earlier);
      builder.resumeTasks(begun.taskRuns, earlier, run.startedMs);
      onLastEventId(begun.newestEventId);
    } catch (error) {
      this.#openSinceUnixMs = null;
      await database.writer.close().catch(() => {});
      throw error;
    }
    return database;
  }

  /** Announces this run, and asks what the database has. */
  async #begin({ writer, earlier: ask }: OpenDatabase): Promise<Known> {
    const { run } = this.#options;
    const begun = await this.#within(writer.begin(run));
    this.#announced.add(run.bootId);
    const earlier = await this.#within(ask(run.bootId, [...new Set(begun.taskRuns.map(({ workerId }) => workerId))]));
    this.#written = new Map(earlier);
    this.#lastWrittenEventId = begun.lastEventId;
    return { begun, earlier };
  }

  /** Writes what the spool has of such runs, oldest first. */
  async #replay(writer: HistoryWriter, isMeant: (bootId: string) => boolean): Promise<void> {
    const { spool, run } = this.#options;
    this.#noteDamage();
    for (let entry = await spool?.peek(); entry !== undefined; entry = await spool?.peek()) {
      const { bootId } = entry.batch;
      if (!isMeant(bootId)) return;
      if (!this.#announced.has(bootId)) {
        await this.#within(writer.begin(entry.run));
        this.#announced.add(bootId);
      }
      await this.#write(writer, entry.batch, bootId === run.bootId);
      await spool?.advance();
      this.#noteDamage();
    }
    this.#noteDamage();
  }

  /** @returns false if the master stops while the spool has batches: what is new goes behind them then */
  async #writeAll(writer: HistoryWriter): Promise<boolean> {
    const { builder, spool, clock } = this.#options;
    for (;;) {
      // It may be adding to the spool, and only one batch is made at a time.
      await this.saved();
      if (spool?.isEmpty === false) {
        await this.#replay(writer, () => !this.#isStopping);
        if (this.#isStopping && !spool.isEmpty) return false;
        continue;
      }
      const isFresh = this.#inFlight === undefined;
      this.#inFlight ??= builder.build(clock.wallMs(), { reason: this.#lossReason() });
      const built = this.#inFlight;
      const isDue = !isEmpty(built.batch) || clock.monotonicMs() - this.#wroteAtMs >= SIGN_OF_LIFE_MS;
      if (isDue || this.#isStopping) await this.#write(writer, built.batch, true);
      // Meanwhile it may have gone to the spool, which ignores that the database has it.
      if (this.#inFlight !== built) continue;
      builder.durable(built.batch, !(isDue || this.#isStopping));
      this.#inFlight = undefined;
      if (built.isComplete) this.#durableUntilUnixMs = built.batch.atMs;
      // One that had to be tried again is old: more has come since.
      if (!built.isComplete || !isFresh) continue;
      this.#spoolFails = false;
      return true;
    }
  }

  /** @returns what was written of it */
  async #tryToWrite(writer: HistoryWriter, batch: Batch): Promise<Batch> {
    let written = batch;
    try {
      await this.#within(writer.write(batch));
    } catch (error) {
      if (!isRefusal(error) || ++this.#refusals < REFUSED_TIMES || isEmpty(batch) || this.#isStopping) throw error;
      // A database that refuses even nothing is not refusing this batch.
      if (!(await this.#wouldTake(writer, batchOf(batch, [])))) throw error;
      written = await this.#writeRest(writer, batch, error);
    }
    this.#refusals = 0;
    return written;
  }

  /** What the database refuses again and again is given up, or it would hold up all that follows. @returns what was written */
  async #writeRest(writer: HistoryWriter, batch: Batch, reason: HistoryError): Promise<Batch> {
    const { builder, onLoss } = this.#options;
    const parts = partsOf(batch);
    const isTaken = (some: readonly BatchPart[]) => this.#wouldTake(writer, batchOf(batch, some));
    const refused = await refusedParts(parts, isTaken, MAX_REFUSAL_CHECKS);
    const allButGaps = parts.filter(({ gaps }) => gaps.length === 0);
    // The second and third only if the database takes each of the rest, but not all of it together.
    for (const given of [refused, allButGaps, parts]) {
      const lost = batchOf(batch, given);
      const lostParts = new Set(given);
      const rest = batchOf(
        batch,
        parts.filter((part) => !lostParts.has(part)),
      );
      const written = given === parts ? rest : { ...rest, gaps: [...rest.gaps, ...gapsFor(lost)] };
      try {
        await this.#within(writer.write(written));
      } catch (error) {
        if (isRefusal(error)) continue;
        throw error;
      }
      const { length: taskRuns } = lost.taskRuns;
      const { length: events } = lost.events;
      const samples = samplesIn(lost);
      builder.countLost('refused', samples, events, taskRuns);
      onLoss(
        `the database refuses part of a batch of history: ${samples} samples, ${taskRuns} runs of tasks and ${events} events are lost: ${reason.message}`,
      );
      return written;
    }
    throw reason;
  }

  async #wouldTake(writer: HistoryWriter, batch: Batch): Promise<boolean> {
    try {
      await this.#within(writer.check(batch));
      return true;
    } catch (error) {
      if (isRefusal(error)) return false;
      throw error;
    }
  }

  /** A batch that was made before the database said what it has may begin with samples and events that are in it. */
  async #write(writer: HistoryWriter, made: Batch, isOwn: boolean): Promise<void> {
    const { clock } = this.#options;
    const startedMs = clock.monotonicMs();
    const missing = isOwn ? gapsBefore(made, this.#written) : [];
    const fresh = isOwn ? withoutKnown(made, this.#written, this.#lastWrittenEventId) : made;
    const batch = missing.length === 0 ? fresh : { ...fresh, gaps: [...missing, ...fresh.gaps] };
    const written = await this.#tryToWrite(writer, batch);
    this.#commitMs = clock.monotonicMs() - startedMs;
    this.#wroteAtMs = startedMs;
    if (!isOwn) return;
    this.#batches++;
    this.#samples += samplesIn(written);
    for (const { workerId = '', toMs, lost } of missing) {
      this.#options.builder.countLost(this.#lossReason(), lost);
      this.#noteWritten(workerId, { next: made.begins?.get(workerId)?.first, lastMs: toMs });
    }
    for (const { workerId, first, at } of batch.samples) {
      this.#noteWritten(workerId, { next: first + at.length, lastMs: at.at(-1) as number });
    }
    this.#lastWrittenEventId = Math.max(this.#lastWrittenEventId, batch.events.at(-1)?.id ?? 0);
  }

  /** Workers that left are forgotten when there are too many of them. */
  #noteWritten(workerId: string, written: EarlierSamples): void {
    this.#written.delete(workerId);
    this.#written.set(workerId, written);
    if (this.#written.size <= MAX_HEARD_WORKERS) return;
    for (const [silent] of this.#written) {
      this.#written.delete(silent);
      return;
    }
  }

  async #maintain({ writer, problem }: OpenDatabase): Promise<void> {
    const { retention, clock } = this.#options;
    const startedMs = clock.monotonicMs();
    if (startedMs >= this.#lookAtMs) {
      this.#lookAtMs = startedMs + MAINTAIN_EVERY_MS;
      const found = problem();
      if (found !== undefined) throw new HistoryError('away', found);
    }
    if (startedMs >= this.#figuresAtMs) {
      this.#figuresAtMs = startedMs + FIGURES_EVERY_MS;
      this.#figures = await this.#within(writer.figures());
      // A database that has just begun soon has something.
      if (this.#figures.oldestMs.raw === undefined) this.#figuresAtMs = startedMs + STATUS_EVERY_MS;
    }
    if (this.#expiry !== undefined && isSetBack(this.#expiry, this.#now())) this.#maintainAtMs = startedMs;
    while (clock.monotonicMs() >= this.#maintainAtMs) {
      // Set before: a step that fails is tried again later, and holds up no batch.
      this.#maintainAtMs = clock.monotonicMs() + MAINTAIN_EVERY_MS;
      const expiryMs = this.#expire(nextExpiry(this.#expiry ?? startExpiry(undefined, this.#now()), this.#now()));
      const isMoreDue = await this.#within(writer.maintain(clock.wallMs(), retention, expiryMs));
      if (isMoreDue) this.#maintainAtMs = clock.monotonicMs();
      // The next batch is due.
      if (this.#isStopping || clock.monotonicMs() - startedMs >= DRAIN_EVERY_MS / 2) return;
      await new Promise(setImmediate);
    }
  }

  #expire(expiry: Expiry): number {
    const before = this.#expiry?.hold;
    this.#expiry = expiry;
    const { hold, atMs } = expiry;
    if (hold !== undefined && hold.untilMs !== before?.untilMs) {
      const days = (hold.aheadMs / 86_400_000).toFixed(1);
      this.#options.onLoss(
        `the clock went forth by ${days} days while history was last kept as of ${new Date(atMs).toISOString()}: ` +
          `for ${HOLD_MS / 60_000} min nothing is deleted as too old by it, in case it is wrong`,
      );
    }
    return atMs;
  }

  async #within<T>(call: Promise<T>): Promise<T> {
    const { clock } = this.#options;
    const startedMs = clock.monotonicMs();
    this.#waitingSinceMs = startedMs;
    try {
      if (await endsWithin(clock, WRITE_WITHIN_MS, call)) return await call;
    } finally {
      this.#lastCallMs = clock.monotonicMs() - startedMs;
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
    if (this.#isMemoryShort()) this.#save(SPOOL_FROM);
    if (kind === 'full' && !this.#isStopping) await this.#freeSpace();
  }

  /** A disk may be full of what is due to be deleted. */
  async #freeSpace(): Promise<void> {
    if (this.#database === undefined) return;
    try {
      await this.#maintain(this.#database);
    } catch (error) {
      // That it is full is told already.
      if (error instanceof HistoryError && CLOSED_BY.has(error.kind)) await this.#close();
    }
  }

  async #close(): Promise<void> {
    const database = this.#database;
    this.#database = undefined;
    this.#openSinceUnixMs = null;
    if (database === undefined) return;
    const closing = database.writer.close().catch(() => {});
    await endsWithin(this.#options.clock, SLOW_AFTER_MS, closing);
  }

  // ── the spool ────────────────────────────────────────────────────────────────────────────────────────────────

  #isMemoryShort(): boolean {
    const { source, builder } = this.#options;
    if (source.closedBytes >= MAX_WAITING_CLOSED_BYTES || builder.waitingEvents >= MAX_WAITING_EVENTS) return true;
    let isShort = false;
    source.waiting((_, uncommitted, capacity, taskLogShare) => {
      isShort ||= uncommitted >= SPOOL_AT * capacity || taskLogShare >= SPOOL_AT;
    });
    return isShort;
  }

  #waitingSamples(): number {
    let samples = 0;
    this.#options.source.waiting((_, uncommitted) => {
      samples += uncommitted;
    });
    return samples;
  }

  #save(fullerThan: number): void {
    this.#saving ??= this.#spoolAll(fullerThan).finally(() => {
      this.#saving = undefined;
    });
  }

  /** Never rejects. */
  async #spoolAll(fullerThan: number): Promise<void> {
    const { builder, clock } = this.#options;
    for (;;) {
      const isFresh = this.#inFlight === undefined;
      this.#inFlight ??= builder.build(clock.wallMs(), { fullerThan, reason: this.#lossReason() });
      const built = this.#inFlight;
      if (isEmpty(built.batch)) {
        // The database may be taking it as a sign of life: then its number is used.
        builder.durable(built.batch, isFresh);
        this.#inFlight = undefined;
        if (isFresh) return;
        continue;
      }
      if (!(await this.#spooled(built.batch))) return;
      // Meanwhile the database may have taken it, which ignores it in the spool then.
      if (this.#inFlight === built) {
        builder.durable(built.batch);
        this.#inFlight = undefined;
      }
      if (built.isComplete && isFresh) return;
    }
  }

  async #spooled(batch: Batch): Promise<boolean> {
    const { spool, run, onLoss } = this.#options;
    let problem = 'there is no spool';
    try {
      if (await spool?.append({ run, batch })) return true;
      if (spool !== undefined) problem = 'HISTORY_SPOOL_MAX is reached';
    } catch (error) {
      problem = messageOf(error);
    }
    if (!this.#spoolFails) {
      onLoss(
        `the spool of history takes no more (${problem}): what memory cannot hold until the database is back is lost`,
      );
    }
    this.#spoolFails = true;
    return false;
  }

  /** After the last attempt: what is in memory only ends with the process. */
  #tellUnsaved(): void {
    const { builder, clock, onLoss } = this.#options;
    let samples = 0;
    let events = 0;
    for (let isAll = false; !isAll; ) {
      const isFresh = this.#inFlight === undefined;
      const { batch, isComplete } = this.#inFlight ?? builder.build(clock.wallMs(), { reason: this.#lossReason() });
      this.#inFlight = undefined;
      builder.durable(batch);
      samples += samplesIn(batch);
      events += batch.events.length;
      isAll = isFresh && isComplete;
    }
    if (samples + events === 0) return;
    builder.countLost(this.#lossReason(), samples, events);
    onLoss(
      `at the stop, neither the database nor the spool of history took ${samples} samples and ${events} events: they are lost`,
    );
  }

  #lossReason(): 'spool_full' | 'overwritten' {
    return this.#spoolFails ? 'spool_full' : 'overwritten';
  }

  #noteDamage(): void {
    const { spool, builder, onLoss } = this.#options;
    for (const damage of spool?.takeDamage() ?? []) {
      builder.countLost('spool_damaged', damage.samples);
      const { fromMs, toMs, samples } = damage;
      if (fromMs !== undefined && toMs !== undefined) {
        builder.addGap({ workerId: undefined, fromMs, toMs, reason: 'damaged', lost: samples });
      }
      onLoss(damageText(damage));
    }
  }

  // ── state ────────────────────────────────────────────────────────────────────────────────────────────────────

  #fail(failure: Failure): void {
    this.#become(failed(this.#health, failure, this.#now()));
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

  /** One line, and the next only after a while: the figures are in the status. */
  #tellLostTaskChanges(nowMs: number): void {
    const { builder, onLoss } = this.#options;
    const lost = builder.lostTaskChanges - this.#lostTaskChangesTold;
    if (lost <= 0 || nowMs < this.#lostTaskChangesDueMs) return;
    this.#lostTaskChangesTold += lost;
    this.#lostTaskChangesDueMs = nowMs + TELL_LOST_EVERY_MS;
    onLoss(`${lost} changes of tasks are missing in history: memory was reused before they could be stored`);
  }

  #tell(): void {
    const { clock, onStatus } = this.#options;
    const nowMs = clock.monotonicMs();
    this.#tellLostTaskChanges(nowMs);
    this.#samplesPerS = meanRate(this.#samplesPerS, this.#samples - this.#samplesTold, nowMs - this.#toldMs);
    this.#samplesTold = this.#samples;
    this.#toldMs = nowMs;
    onStatus(this.#status());
  }

  #status(): HistoryStatus {
    const { builder, spool, spoolMaxBytes, shown, clock } = this.#options;
    const { problem } = this.#health;
    const figures = this.#figures;
    return {
      ...shown,
      state: problem !== undefined ? 'degraded' : this.#durableUntilUnixMs === null ? 'starting' : 'ok',
      problem: problem ?? null,
      atUnixMs: clock.wallMs(),
      openSinceUnixMs: this.#openSinceUnixMs,
      durableUntilUnixMs: this.#durableUntilUnixMs,
      samples: this.#samples,
      batches: this.#batches,
      waitingSamples: this.#waitingSamples(),
      samplesPerS: this.#samplesPerS,
      commitMs: this.#commitMs,
      lost: builder.lost,
      lostEvents: builder.lostEvents,
      lostTaskChanges: builder.lostTaskChanges,
      closedTooLate: builder.closedTooLate,
      spool: {
        bytes: spool?.bytes ?? 0,
        maxBytes: spoolMaxBytes,
        batches: spool?.batches ?? 0,
        damaged: spool?.damaged ?? 0,
      },
      figures: figures === undefined ? null : shownFigures(figures),
    };
  }
}

function isRefusal(error: unknown): error is HistoryError {
  return error instanceof HistoryError && error.kind === 'failed';
}

function shownFigures({ bytes, oldestMs, deletedEarly, damaged }: HistoryFigures): HistoryStatus['figures'] {
  return { bytes, oldestUnixMs: oldestMs, deletedEarly, damaged };
}

function damageText({ bytes, samples, keptAs }: SpoolDamage): string {
  const lost = samples === 0 ? 'how many samples are lost is unknown' : `${samples} samples are lost`;
  const kept = keptAs === undefined ? '' : `; they are kept as ${keptAs}`;
  return `${bytes} bytes of the spool of history are damaged: ${lost}${kept}`;
}
