/**
 * Main's side of the export of metrics: keeps the thread alive and informed about workers, and knows the state of each receiver even
 * when the thread is dead. Main waits for it only when the master stops, and then for a moment.
 */

import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/logging.ts';
import { masked } from '../../lib/secret-text.ts';
import type { ThreadDeath } from '../../lib/supervised-thread.ts';
import { holdThread } from '../../lib/threads.ts';
import { type ExportProblem, NOTHING_DROPPED, type ReceiverStatus } from '../../model/export-status.ts';
import type { Announcement } from '../../reading/directory.ts';
import { ReaderHost } from '../../reading/reader-host.ts';
import type { BoardMemory } from '../../store/board.ts';
import { STOP_WITHIN_MS } from './export-limits.ts';
import type { ExportSettings, FromExport, ReceiverSettings, ToExport } from './messages.ts';
import { secretsOf } from './secrets.ts';
import { carried, endedWithThread } from './status-over-threads.ts';

export interface ExportHostOptions {
  readonly board: BoardMemory;
  readonly settings: ExportSettings;
  /** One `slotAdded` per worker, all recent events and what else the master's own families need, including what `announce` is about to publish. */
  readonly roster: () => readonly Announcement[];
  /** Only newer events are told to receivers. */
  readonly lastEventId: number;
  /** Told once when a receiver becomes degraded … */
  readonly onFault: (detail: string) => void;
  /** … and once when it no longer is. */
  readonly onFaultOver: (detail: string) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class ExportHost {
  readonly #options: ExportHostOptions;
  readonly #reader: ReaderHost<ToExport, FromExport>;
  /** Of threads that have ended, and before the first report. */
  #before: readonly ReceiverStatus[];
  /** The last report of the present thread, on top of that; undefined: none yet. */
  #reported: readonly ReceiverStatus[] | undefined;
  #settings: ExportSettings;
  #lastEventId: number;
  /** Undefined: it runs. */
  #threadProblem: ExportProblem | undefined;
  /** Of each receiver: since when it is told to be degraded. */
  readonly #toldSinceUnixMs: (number | undefined)[];
  /** Of each receiver: whether it was logged that it refuses data for good. Each refusal is counted; each as a line would fill the log. */
  readonly #hasToldRefusal: boolean[];
  /** Of each receiver: whether it was logged that it cannot be reached at the start: a wrong address is seen at once, not after a minute. */
  readonly #hasToldStart: boolean[];
  #isStopping = false;
  readonly #listeners = new Set<(announcement: Announcement) => void>();

  /** @throws PulselaneError `environment` if the package is incomplete */
  constructor(options: ExportHostOptions) {
    this.#options = options;
    const { board, settings, roster, clock, lastEventId } = options;
    holdThread('metrics/export/thread');
    this.#lastEventId = lastEventId;
    this.#before = settings.receivers.map((receiver) =>
      nothingReported(receiver, settings.maxQueueBytes, clock.wallMs()),
    );
    this.#toldSinceUnixMs = settings.receivers.map(() => undefined);
    this.#hasToldRefusal = settings.receivers.map(() => false);
    this.#hasToldStart = settings.receivers.map(() => false);
    this.#settings = settings;
    this.#reader = new ReaderHost({
      script: 'metrics/export/thread',
      name: 'pulselane-exp',
      title: 'the export thread',
      data: { board },
      clock,
      roster: () => [roster()],
      onFed: () => this.#reader.post({ type: 'begin', settings: this.#settings, lastEventId: this.#lastEventId }),
      onMessage: (message) => this.#received(message),
      onDeath: (death) => this.#died(death),
      stopWithinMs: STOP_WITHIN_MS,
    });
  }

  /** For the display of threads, and for fault tests. */
  get thread(): ReaderHost<ToExport, FromExport>['thread'] {
    return this.#reader.thread;
  }

  /** In the order of the settings. */
  get receivers(): readonly ReceiverStatus[] {
    const reported = this.#reported;
    const all = reported === undefined ? this.#before : reported.map((status, n) => this.#onTop(status, n));
    const problem = this.#threadProblem;
    return problem === undefined ? all : all.map((status) => ({ ...status, state: 'degraded', problem }));
  }

  /** For a new reader. */
  get announcement(): Announcement {
    return { type: 'exports', receivers: this.receivers };
  }

  /** Calls the listener about once a second, and when a state changes. */
  follow(listener: (announcement: Announcement) => void): void {
    this.#listeners.add(listener);
  }

  start(): void {
    this.#reader.start();
  }

  /** Publishes changes to the thread, in order. */
  announce(items: readonly Announcement[]): void {
    this.#reader.announce(items);
  }

  /** The same receivers with other credentials. */
  renew(settings: ExportSettings): void {
    this.#settings = settings;
    this.#reader.post({ type: 'renew', receivers: settings.receivers });
  }

  /** Sends nothing any more: the workers are another master's. */
  abandon(): void {
    this.#isStopping = true;
    this.#reader.abandon();
  }

  /** Lets the thread send what waits, for a moment, and ends it. Idempotent. */
  async stop(): Promise<void> {
    const wasStopping = this.#isStopping;
    this.#isStopping = true;
    await this.#reader.stop();
    if (wasStopping) return;
    for (const { place, dropped } of this.receivers) {
      if (dropped.stop === 0) continue;
      this.#options.logger.warn(
        `export to ${place}: ${dropped.stop} samples still waited at the stop and were dropped`,
      );
    }
  }

  #received({ receivers, lastEventId }: FromExport): void {
    this.#reported = receivers;
    this.#lastEventId = Math.max(this.#lastEventId, lastEventId);
    this.#threadProblem = undefined;
    this.#tell();
  }

  #onTop(status: ReceiverStatus, n: number): ReceiverStatus {
    return carried(this.#before[n] as ReceiverStatus, status);
  }

  #died(death: ThreadDeath): number {
    this.#before = this.receivers.map(endedWithThread);
    this.#reported = undefined;
    if (!this.#isStopping) {
      // Whatever was thrown may quote what it was given.
      const said = masked(death.reason, this.#settings.receivers.flatMap(secretsOf));
      const reason = death.how === 'killed' ? said : `the export thread ended: ${said}`;
      const detail = `${reason}; it restarts in ${death.backOffMs} ms`;
      this.#threadProblem ??= { code: 'thread', detail, sinceUnixMs: this.#options.clock.wallMs() };
      this.#tell();
    }
    return death.backOffMs;
  }

  #tell(): void {
    for (const listener of this.#listeners) listener(this.announcement);
    for (const [n, status] of this.receivers.entries()) this.#tellOf(status, n);
  }

  #tellOf({ kind, place, problem, lastFailure, lastSentUnixMs }: ReceiverStatus, n: number): void {
    const { onFault, onFaultOver, clock, logger } = this.#options;
    if (lastFailure?.code === 'refused' && !this.#hasToldRefusal[n]) {
      this.#hasToldRefusal[n] = true;
      logger.warn(
        `${RECEIVER_NAMES[kind]} to ${place}: ${lastFailure.detail}; it is not sent again, and further refusals are only counted`,
      );
    }
    if (lastFailure !== null && lastFailure.code !== 'refused' && lastSentUnixMs === null && !this.#hasToldStart[n]) {
      this.#hasToldStart[n] = true;
      logger.warn(`${RECEIVER_NAMES[kind]} to ${place}: ${lastFailure.detail}; it is tried again`);
    }
    const sinceUnixMs = this.#toldSinceUnixMs[n];
    if (problem !== null && sinceUnixMs === undefined) {
      this.#toldSinceUnixMs[n] = problem.sinceUnixMs;
      onFault(`${RECEIVER_NAMES[kind]} to ${place} degraded: ${problem.detail}`);
    }
    if (problem === null && sinceUnixMs !== undefined) {
      this.#toldSinceUnixMs[n] = undefined;
      const seconds = Math.max(0, Math.round((clock.wallMs() - sinceUnixMs) / 1000));
      onFaultOver(`${RECEIVER_NAMES[kind]} to ${place} works again, after ${seconds} s`);
    }
  }
}

const RECEIVER_NAMES = { remote_write: 'remote write', otlp: 'OTLP export' } as const;

function nothingReported(
  { kind, place, protocol, intervalMs }: ReceiverSettings,
  maxBytes: number,
  atUnixMs: number,
): ReceiverStatus {
  return {
    kind,
    place,
    protocol,
    intervalMs,
    state: 'starting',
    problem: null,
    atUnixMs,
    lastSentUnixMs: null,
    sentMessages: 0,
    sentSamples: 0,
    failedAttempts: 0,
    dropped: NOTHING_DROPPED,
    queue: { messages: 0, samples: 0, bytes: 0, maxBytes, oldestUnixMs: null },
    series: 0,
    leftOutSeries: 0,
    collectMs: 0,
    skippedRounds: 0,
    lastFailure: null,
  };
}
