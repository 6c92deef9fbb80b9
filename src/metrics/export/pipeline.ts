/**
 * One receiver: collects rounds for it, keeps its queue, and sends. Receivers share nothing, so that none waits for another.
 *
 *     Collector ─ slices ─► Exporter.encode ─ messages ─► ExportQueue ─► Exporter.send ─► receiver
 */
import type { Clock, Timer } from '../../lib/clock.ts';
import { endsWithin } from '../../lib/clock.ts';
import type { WorkerEvent } from '../../model/events.ts';
import { type ExportDropReason, NOTHING_DROPPED, type ReceiverStatus } from '../../model/export-status.ts';
import type { Collector } from './collector.ts';
import { afterAttempt, NOTHING_SENT, outcomeOfAll, problemOf } from './delivery.ts';
import { FLUSH_WITHIN_MS } from './export-limits.ts';
import type { Exporter, Message, Outcome, RoundSlice } from './exporter.ts';
import type { ReceiverSettings } from './messages.ts';
import { ExportQueue } from './queue.ts';

export interface PipelineOptions {
  readonly exporter: Exporter;
  readonly collector: Collector<unknown>;
  readonly intervalMs: number;
  readonly maxQueueBytes: number;
  readonly clock: Clock;
  /** The receiver took something again, or has been away for long. */
  readonly onChange: () => void;
  /** Calls `fn` in a later turn of the event loop. Default: `setImmediate`. */
  readonly nextTurn?: (fn: () => void) => void;
  /** 0 to 1. Default: `Math.random`. */
  readonly random?: () => number;
}

export class Pipeline {
  readonly #options: PipelineOptions;
  readonly #queue: ExportQueue<Message>;
  readonly #dropped = { ...NOTHING_DROPPED };
  #delivery = NOTHING_SENT;
  #rounds: Timer | undefined;
  /** The round that is being collected. */
  #collecting: Promise<void> | undefined;
  #lastRoundUnixMs = 0;
  #collectMs = 0;
  #skippedRounds = 0;
  /** While there is something to send and it is not time to wait. */
  #sending: Promise<void> | undefined;
  #retry: Timer | undefined;
  readonly #givenUp = new AbortController();
  #isStopping = false;
  #lastSentUnixMs: number | null = null;
  #sentMessages = 0;
  #sentSamples = 0;
  #failedAttempts = 0;
  #lastFailure: ReceiverStatus['lastFailure'] = null;
  #wasDegraded = false;

  constructor(options: PipelineOptions) {
    this.#options = options;
    this.#queue = new ExportQueue(options.maxQueueBytes, (reason, samples) => this.#drop(reason, samples));
  }

  get status(): ReceiverStatus {
    const { exporter, collector, intervalMs, clock } = this.#options;
    const atUnixMs = clock.wallMs();
    const problem = problemOf(this.#delivery, atUnixMs) ?? null;
    return {
      kind: exporter.kind,
      place: exporter.place,
      protocol: exporter.protocol,
      intervalMs,
      state: problem !== null ? 'degraded' : this.#lastSentUnixMs === null ? 'starting' : 'ok',
      problem,
      atUnixMs,
      lastSentUnixMs: this.#lastSentUnixMs,
      sentMessages: this.#sentMessages,
      sentSamples: this.#sentSamples,
      failedAttempts: this.#failedAttempts,
      dropped: { ...this.#dropped },
      queue: this.#queue.status,
      series: collector.series,
      leftOutSeries: collector.leftOut,
      collectMs: this.#collectMs,
      skippedRounds: this.#skippedRounds,
      lastFailure: this.#lastFailure,
    };
  }

  /** The first round is collected at once. */
  start(): void {
    const { clock, intervalMs, exporter } = this.#options;
    if (exporter.wantsRounds === false) return;
    this.#rounds = clock.every(intervalMs, () => this.#startRound());
    this.#startRound();
  }

  events(events: readonly WorkerEvent[]): void {
    this.#add(this.#options.exporter.encodeEvents?.(events) ?? []);
  }

  /** The settings with other credentials: what waits because an attempt failed is tried with them at once. */
  renew(settings: ReceiverSettings): void {
    this.#options.exporter.renew(settings);
    if (this.#retry === undefined) return;
    this.#retry.cancel();
    this.#retry = undefined;
    this.#send();
  }

  /**
   * Sends what waits, for a moment, and drops the rest. No series ends: as a Prometheus that stops, a master is expected to go on
   * where it left off, and alerts on its series must not change because it restarts.
   */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const { clock, exporter } = this.#options;
    this.#rounds?.cancel();
    this.#retry?.cancel();
    this.#retry = undefined;
    const flush = async () => {
      await this.#collecting;
      // One that waits for the receiver gets one more attempt.
      await this.#sending;
      await this.#sendAll();
    };
    const isDone = await endsWithin(clock, FLUSH_WITHIN_MS, flush());
    if (!isDone) this.#givenUp.abort();
    this.#queue.dropAll('stop');
    exporter.close();
  }

  #startRound(): void {
    if (this.#collecting !== undefined) {
      this.#skippedRounds++;
      return;
    }
    this.#collecting = this.#collect().finally(() => {
      this.#collecting = undefined;
    });
  }

  async #collect(): Promise<void> {
    const { clock, collector, exporter, nextTurn = setImmediate } = this.#options;
    const beganMs = clock.monotonicMs();
    await collector.prepare();
    // Also when the clock was set back: a receiver takes no sample that is older than its last one. Series may end 1 ms before a round.
    const atUnixMs = Math.max(Math.floor(clock.wallMs()), this.#lastRoundUnixMs + 2);
    this.#lastRoundUnixMs = atUnixMs;
    for (const slice of collector.round(atUnixMs) as Iterable<RoundSlice<unknown>>) {
      this.#add(exporter.encode(slice));
      await new Promise<void>((resolve) => nextTurn(resolve));
    }
    this.#add(exporter.endRound?.() ?? []);
    this.#collectMs = clock.monotonicMs() - beganMs;
  }

  #add(messages: readonly Message[]): void {
    for (const message of messages) this.#queue.add(message);
    if (messages.length > 0) this.#send();
  }

  #send(): void {
    if (this.#sending !== undefined || this.#retry !== undefined || this.#isStopping) return;
    this.#sending = this.#sendAll().finally(() => {
      this.#sending = undefined;
    });
  }

  async #sendAll(): Promise<void> {
    const { clock, exporter, random = Math.random } = this.#options;
    for (;;) {
      const message = this.#queue.take(clock.wallMs());
      if (message === undefined) return;
      const outcome = outcomeOfAll(await exporter.send(message, this.#givenUp.signal), message.samples);
      if (this.#givenUp.signal.aborted) return;
      const now = { monotonicMs: clock.monotonicMs(), wallMs: clock.wallMs() };
      this.#delivery = afterAttempt(this.#delivery, outcome, now, random());
      this.#account(message, outcome);
      this.#tellChange();
      if (outcome.type !== 'retry') continue;
      if (!this.#isStopping) this.#sendAgainAt(this.#delivery.notBeforeMs - now.monotonicMs);
      return;
    }
  }

  #sendAgainAt(inMs: number): void {
    this.#retry = this.#options.clock.after(inMs, () => {
      this.#retry = undefined;
      this.#send();
    });
  }

  #account(message: Message, outcome: Outcome): void {
    switch (outcome.type) {
      case 'taken': {
        const { rejected, detail = 'the receiver rejected a part of a message' } = outcome;
        this.#queue.settle();
        this.#sentMessages++;
        this.#sentSamples += message.samples - rejected;
        this.#lastSentUnixMs = this.#options.clock.wallMs();
        if (rejected > 0) {
          this.#drop('rejected', rejected);
          this.#failed('refused', detail);
        }
        return;
      }
      case 'refused':
        this.#failedAttempts++;
        this.#failed('refused', outcome.detail);
        this.#queue.drop('refused');
        return;
      case 'retry':
        this.#failedAttempts++;
        this.#failed(outcome.code, outcome.detail);
        return;
      case 'again':
        return;
      default:
        outcome satisfies never;
    }
  }

  #failed(code: NonNullable<ReceiverStatus['lastFailure']>['code'], detail: string): void {
    this.#lastFailure = { code, detail, atUnixMs: this.#options.clock.wallMs() };
  }

  #drop(reason: ExportDropReason, samples: number): void {
    this.#dropped[reason] += samples;
  }

  #tellChange(): void {
    const isDegraded = problemOf(this.#delivery, this.#options.clock.wallMs()) !== undefined;
    if (isDegraded === this.#wasDegraded) return;
    this.#wasDegraded = isDegraded;
    this.#options.onChange();
  }
}
