/** The engine as the library has it: with history, if it is wanted. */
import { resolve } from 'node:path';
import { withCredentials } from '../config/database-environment.ts';
import { databaseAddress, databaseUrl, formatDatabase } from '../config/database-url.ts';
import type { MemoryAmount } from '../config/kinds.ts';
import { Expected } from '../config/kinds.ts';
import { checkOptionNames } from '../config/option-names.ts';
import {
  OPTION_NAMES as ENGINE_OPTION_NAMES,
  type TelemetryManagerOptions as EngineOptions,
} from '../engine/manager-options.ts';
import { TelemetryManager as Engine } from '../engine/telemetry-manager.ts';
import type { HistoryHost } from '../history/host.ts';
import type { HistorySettings } from '../history/messages.ts';
import { systemClock } from '../lib/clock.ts';
import { type DirectoryLock, lockDirectory } from '../lib/directory-lock.ts';
import { PulselaneError } from '../lib/errors.ts';
import { silentLogger } from '../lib/logging.ts';
import { makeDirectory } from '../lib/make-directory.ts';
import { databaseFile, makeHistory } from './history.ts';
import { HistoryReading } from './history-reading.ts';

/** All members are optional; the defaults are those of the master's settings. Times are in ms, sizes in bytes. */
export interface HistoryOptions {
  /** For the SQLite database, or, with `databaseUrl`, for what waits while that is away. No other process may use it. Default: `./data`. */
  readonly dataDir?: string;
  /** PostgreSQL instead of SQLite: `postgres://user:password@host:5432/database`. */
  readonly databaseUrl?: string;
  /** How long samples, rollups of a minute and of an hour are kept: each at least an hour. */
  readonly rawMs?: number;
  readonly minuteMs?: number;
  readonly hourMs?: number;
  /** Maximum size of the database; default: 10 GiB, or 20 % of the free disk space if that is less; no limit with `databaseUrl`. */
  readonly maxBytes?: number;
  /** Maximum size of what waits in `dataDir` while the database is away; default: 1 GiB. */
  readonly spoolMaxBytes?: number;
  /** How long samples stay in memory; default: an hour. */
  readonly ringTimeMs?: number;
  /** Memory budget for them; default: a tenth of the memory. */
  readonly ringMemory?: MemoryAmount;
  /** Maximum number of custom metrics and metrics of devices kept per worker, 0 to 256; default: 64. */
  readonly metrics?: number;
}

export interface TelemetryManagerOptions extends Omit<EngineOptions, 'samples'> {
  /** Keeps what was: heartbeats, events and runs of tasks. Default: nothing is kept. */
  readonly history?: HistoryOptions;
}

/** Samples are what history is made of, and its options say how long they stay in memory. */
const { samples: _, ...OTHER_OPTION_NAMES } = ENGINE_OPTION_NAMES;
const OPTION_NAMES: Readonly<Record<keyof TelemetryManagerOptions, true>> = { ...OTHER_OPTION_NAMES, history: true };

const HISTORY_OPTION_NAMES: Readonly<Record<keyof HistoryOptions, true>> = {
  dataDir: true,
  databaseUrl: true,
  rawMs: true,
  minuteMs: true,
  hourMs: true,
  maxBytes: true,
  spoolMaxBytes: true,
  ringTimeMs: true,
  ringMemory: true,
  metrics: true,
};

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const YEAR_MS = 365 * DAY_MS;
const MIB = 1024 ** 2;
const GIB = 1024 ** 3;
const RING_TIME_MS = HOUR_MS;

export class TelemetryManager extends Engine {
  readonly #options: TelemetryManagerOptions;
  readonly #settings: HistorySettings | undefined;
  readonly #host: HistoryHost | undefined;
  readonly #reading: HistoryReading | undefined;
  #lock: DirectoryLock | undefined;
  #hasBegun = false;

  /** @throws PulselaneError `invalid_argument` for an unknown or a wrong option, naming it */
  constructor(options: TelemetryManagerOptions = {}) {
    checkOptionNames(options, OPTION_NAMES);
    const { history, ...engineOptions } = options;
    const settings = history === undefined ? undefined : historySettings(history);
    super(history === undefined ? engineOptions : { ...engineOptions, samples: samplesOf(history) });
    this.#options = options;
    this.#settings = settings;
    if (settings === undefined) return;
    const { clock = systemClock, logger = silentLogger } = options;
    const host = makeHistory(settings, this, { clock, logger });
    const reading = new HistoryReading(settings.place, {
      directory: this.directory,
      clock,
      logger,
      status: () => host.status,
    });
    this.onAnnouncement((announcement) => reading.announced([announcement]));
    host.follow((announcement) => {
      this.directory.apply(announcement);
      reading.announced([announcement]);
    });
    this.#host = host;
    this.#reading = reading;
  }

  /**
   * What was. Its methods return promises.
   * @throws PulselaneError `failed_precondition` without the option `history`
   */
  get history(): HistoryReading {
    if (this.#reading !== undefined) return this.#reading;
    throw new PulselaneError('failed_precondition', 'nothing of the past is kept: this needs the option history');
  }

  /** @throws PulselaneError as the engine does; `environment` if `history.dataDir` cannot be used, or another process uses it */
  override async start(): Promise<void> {
    const settings = this.#settings;
    if (settings === undefined) return super.start();
    // Of a second start, the lock would name this process as the other one.
    if (this.#hasBegun) {
      throw new PulselaneError('unavailable', 'a TelemetryManager can be started only once; create another');
    }
    this.#hasBegun = true;
    this.#lock = await this.#lockFolder(settings.dataDir).catch((error: unknown) => {
      this.#hasBegun = false;
      throw error;
    });
    try {
      await super.start();
    } catch (error) {
      await this.#lock.release();
      throw error;
    }
    this.#host?.start();
  }

  async #lockFolder(dataDir: string): Promise<DirectoryLock> {
    const { clock = systemClock, logger = silentLogger } = this.#options;
    await makeDirectory(dataDir);
    return await lockDirectory(dataDir, {
      clock,
      logger,
      onLost: () => {
        logger.error(`${dataDir}: another process has taken it over; history is no longer written`);
        this.#host?.abandon();
      },
    });
  }

  override async shutdown(): Promise<void> {
    await super.shutdown();
    // After the lanes, so that nothing that they have applied is missing.
    await this.#host?.stop();
    await this.#reading?.stop();
    await this.#lock?.release();
  }
}

/** @throws PulselaneError `invalid_argument`, naming the option */
function historySettings(options: HistoryOptions): HistorySettings {
  if (typeof options !== 'object' || options === null) throw wrong('history', 'an object, such as {}');
  checkOptionNames(options, HISTORY_OPTION_NAMES);
  const { dataDir = './data', databaseUrl: url, maxBytes } = options;
  if (typeof dataDir !== 'string' || dataDir === '') throw wrong('history.dataDir', 'a path');
  // The working directory may change.
  const folder = resolve(dataDir);
  const rawMs = inRange(options, 'rawMs', HOUR_MS, 100 * YEAR_MS, DAY_MS);
  const minuteMs = Math.max(rawMs, inRange(options, 'minuteMs', HOUR_MS, 100 * YEAR_MS, 30 * DAY_MS));
  return {
    place:
      url === undefined
        ? { kind: 'sqlite', path: databaseFile(folder) }
        : { kind: 'postgres', url: withCredentials(checkedUrl(url)) },
    shownPlace: url === undefined ? databaseFile(folder) : formatDatabase(databaseAddress(url)),
    dataDir: folder,
    rawMs,
    minuteMs,
    hourMs: Math.max(minuteMs, inRange(options, 'hourMs', HOUR_MS, 100 * YEAR_MS, 2 * YEAR_MS)),
    maxBytes: maxBytes === undefined ? undefined : inRange(options, 'maxBytes', 64 * MIB, 1024 * 1024 * GIB, 0),
    spoolMaxBytes: inRange(options, 'spoolMaxBytes', MIB, 1024 * GIB, GIB),
  };
}

/** @throws PulselaneError `invalid_argument`, naming the option */
function samplesOf(options: HistoryOptions): NonNullable<EngineOptions['samples']> {
  const { ringMemory } = options;
  return {
    spanMs: inRange(options, 'ringTimeMs', 10_000, DAY_MS, RING_TIME_MS),
    metrics: inRange(options, 'metrics', 0, 256, 64),
    ...(ringMemory === undefined ? {} : { memory: ringMemory }),
  };
}

function inRange(
  options: HistoryOptions,
  name: 'rawMs' | 'minuteMs' | 'hourMs' | 'maxBytes' | 'spoolMaxBytes' | 'ringTimeMs' | 'metrics',
  min: number,
  max: number,
  fallback: number,
): number {
  const value = options[name] ?? fallback;
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  if (options[name] === undefined) return fallback;
  throw wrong(`history.${name}`, `a whole number from ${min} to ${max}`);
}

/** Its text is not repeated: it may contain a password. */
function checkedUrl(url: string): string {
  try {
    return databaseUrl.parse(url);
  } catch (error) {
    if (!(error instanceof Expected)) throw error;
    throw wrong('history.databaseUrl', error.message);
  }
}

function wrong(name: string, expected: string): PulselaneError {
  return new PulselaneError('invalid_argument', `${name}: expected ${expected}`);
}
