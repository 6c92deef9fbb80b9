/**
 * What is usual of each worker's metrics at each hour of the week, learned from hourly rollups (model/anomaly/seasonal.ts), and what
 * is expected in the present hour, which the worker's lane is told once an hour. Turns are short, so that a fleet's are spread.
 *
 * A new thread learns from the database again. Without history (HISTORY=off) there is no such baseline.
 *
 * Each worker has its share of the baselines, its usages first: see MAX_METRICS. What is left out is counted.
 */

import type { SeasonFigures } from '../../model/alerts-status.ts';
import { HourOfWeek } from '../../model/anomaly/hour-of-week.ts';
import { expectedIn, learnHour, SEASONAL_FLOATS } from '../../model/anomaly/seasonal.ts';
import type { Directory, WorkerEntry } from '../../reading/directory.ts';
import { readWhileThere } from '../../reading/directory.ts';
import { USAGE_KEYS } from '../../store/score-word.ts';
import type { Past } from '../past.ts';
import {
  LEARN_BACK_MS,
  MAX_METRICS,
  MAX_METRICS_PER_WORKER,
  ROUND_EVERY_MS,
  SURE_FROM,
  WORKERS_PER_TURN,
} from './anomaly-limits.ts';

/** What a lane is told of one worker: by metric key, NaN: unknown from now on. */
export interface ExpectedValues {
  readonly workerId: string;
  readonly values: readonly (readonly [key: string, value: number])[];
}

/** What is usual of one metric. */
interface Baseline {
  readonly floats: Float32Array;
  /** The hours before are learned. */
  untilMs: number;
  /** Its lane expects something of it. */
  isTold: boolean;
}

interface Learned {
  readonly occupant: number;
  /** By key, in the order in which they get their share. */
  readonly baselines: Map<string, Baseline>;
  /** Keys that its lane still expects something of, without a baseline. */
  readonly dropped: Set<string>;
  /** When the hour ends for which its lane was told. */
  toldUntilMs: number;
}

const HOUR_MS = 3_600_000;

export class Seasons {
  readonly #directory: Directory;
  readonly #past: Past;
  readonly #hours: HourOfWeek;
  readonly #learned = new Map<string, Learned>();
  #metrics = 0;
  #leftOut = 0;
  /** At most so many metrics of a worker have a baseline at present. */
  #share = MAX_METRICS_PER_WORKER;
  /** Workers that come next, see {@link turn}. */
  #queue: string[] = [];
  #roundMs = Number.NEGATIVE_INFINITY;

  /** @param timeZone TIME_ZONE */
  constructor(directory: Directory, past: Past, timeZone: string) {
    this.#directory = directory;
    this.#past = past;
    this.#hours = new HourOfWeek(timeZone);
  }

  get figures(): SeasonFigures {
    return { kept: this.#metrics, leftOut: this.#leftOut };
  }

  /**
   * Learns the hours that are over, of some workers.
   * @returns what their lanes are to be told
   * @throws if the past cannot be read at present
   */
  async turn(nowMs: number): Promise<readonly ExpectedValues[]> {
    const due = this.#due(nowMs);
    if (due.length === 0) return [];
    const untilMs = Math.floor(nowMs / HOUR_MS) * HOUR_MS;
    try {
      await this.#learn(due, untilMs);
    } catch (error) {
      // They are the next ones. What was learned of them until now is not read again.
      for (const { workerId } of due) this.#queue.push(workerId);
      throw error;
    }
    const told: ExpectedValues[] = [];
    for (const { workerId } of due) {
      const learned = this.#learned.get(workerId);
      if (learned === undefined) continue;
      const values = this.#expected(learned, nowMs);
      if (values.length > 0) told.push({ workerId, values });
    }
    return told;
  }

  #due(nowMs: number): WorkerEntry[] {
    // Also after a step back of the wall clock.
    if (this.#queue.length === 0 && Math.abs(nowMs - this.#roundMs) >= ROUND_EVERY_MS) {
      this.#roundMs = nowMs;
      this.#beginRound();
    }
    const due: WorkerEntry[] = [];
    while (due.length < WORKERS_PER_TURN) {
      const workerId = this.#queue.pop();
      if (workerId === undefined) break;
      const entry = this.#directory.get(workerId);
      if (entry === undefined) continue;
      const learned = this.#learnedOf(entry);
      const isNew = this.#addTo(learned, keysOf(this.#directory, entry), nowMs);
      if (isNew || learned.dropped.size > 0 || learned.toldUntilMs <= nowMs) due.push(entry);
    }
    return due;
  }

  /** Shares out anew. */
  #beginRound(): void {
    this.#forget();
    this.#queue = [];
    const having: number[] = new Array(MAX_METRICS_PER_WORKER + 1).fill(0);
    let all = 0;
    for (const entry of this.#directory.all()) {
      const keys = keysOf(this.#directory, entry).length;
      const most = Math.min(keys, MAX_METRICS_PER_WORKER);
      having[most] = (having[most] as number) + 1;
      all += keys;
      this.#queue.push(entry.workerId);
    }
    this.#share = shareOf(having, MAX_METRICS);
    for (const learned of this.#learned.values()) this.#shrink(learned);
    const shared = having.reduce((sum, workers, metrics) => sum + workers * Math.min(metrics, this.#share), 0);
    this.#leftOut = all - Math.min(shared, MAX_METRICS);
  }

  #learnedOf({ workerId, occupant }: WorkerEntry): Learned {
    const known = this.#learned.get(workerId);
    if (known?.occupant === occupant) return known;
    if (known !== undefined) this.#drop(workerId, known);
    const learned = { occupant, baselines: new Map<string, Baseline>(), dropped: new Set<string>(), toldUntilMs: 0 };
    this.#learned.set(workerId, learned);
    return learned;
  }

  /** @returns whether there is a new one */
  #addTo({ baselines, dropped }: Learned, keys: readonly string[], nowMs: number): boolean {
    const before = baselines.size;
    for (const key of keys) {
      if (baselines.size >= this.#share || this.#metrics >= MAX_METRICS) break;
      if (baselines.has(key)) continue;
      const isTold = dropped.delete(key);
      baselines.set(key, { floats: new Float32Array(SEASONAL_FLOATS), untilMs: nowMs - LEARN_BACK_MS, isTold });
      this.#metrics++;
    }
    return baselines.size > before;
  }

  /** Leaves it its share. */
  #shrink({ baselines, dropped }: Learned): void {
    for (const [key, { isTold }] of [...baselines].slice(this.#share)) {
      baselines.delete(key);
      this.#metrics--;
      if (isTold) dropped.add(key);
    }
  }

  /** Metric by metric: each is learned whole, or not at all if it cannot be read. */
  async #learn(due: readonly WorkerEntry[], untilMs: number): Promise<void> {
    // By key, and from when on: one worker whose hours are all to be read does not make those of the others read again.
    const readings = new Map<string, { key: string; fromMs: number; of: Map<string, Baseline> }>();
    for (const { workerId } of due) {
      for (const [key, baseline] of this.#learned.get(workerId)?.baselines ?? []) {
        const { untilMs: fromMs } = baseline;
        if (fromMs >= untilMs) continue;
        const id = `${Math.floor(fromMs / HOUR_MS)} ${key}`;
        const reading = readings.get(id) ?? { key, fromMs, of: new Map<string, Baseline>() };
        readings.set(id, reading);
        reading.fromMs = Math.min(reading.fromMs, fromMs);
        reading.of.set(workerId, baseline);
      }
    }
    for (const { key, fromMs, of } of readings.values()) {
      const means = await this.#hourlyMeans(key, [...of.keys()], fromMs, untilMs);
      for (const [workerId, baseline] of of) {
        const hours = [...(means.get(workerId) ?? [])].sort(([left], [right]) => left - right);
        for (const [hour, { sum, count }] of hours) {
          if (hour < baseline.untilMs || hour >= untilMs) continue;
          // Zones are whole quarters of an hour from UTC: the middle says to which hour most of it belongs.
          learnHour(baseline.floats, 0, this.#hours.of(hour + HOUR_MS / 2), sum / count);
        }
        baseline.untilMs = untilMs;
      }
    }
  }

  async #hourlyMeans(
    key: string,
    workerIds: readonly string[],
    fromMs: number,
    toMs: number,
  ): Promise<Map<string, Map<number, { sum: number; count: number }>>> {
    const means = new Map<string, Map<number, { sum: number; count: number }>>();
    const request = { workerIds, key, fromMs, toMs, resolutionMs: HOUR_MS };
    await this.#past.read(request, (workerId, { at, count, mean }) => {
      const hours = means.get(workerId) ?? new Map<number, { sum: number; count: number }>();
      means.set(workerId, hours);
      for (let n = 0; n < at.length; n++) {
        const [value, weight] = [mean[n] as number, count[n] as number];
        if (!(weight > 0) || !Number.isFinite(value)) continue;
        const hour = Math.floor((at[n] as number) / HOUR_MS) * HOUR_MS;
        const known = hours.get(hour) ?? { sum: 0, count: 0 };
        hours.set(hour, { sum: known.sum + value * weight, count: known.count + weight });
      }
    });
    return means;
  }

  #expected(learned: Learned, nowMs: number): (readonly [string, number])[] {
    const hour = this.#hours.of(nowMs);
    const into = { value: Number.NaN, sureness: 0 };
    const values: (readonly [string, number])[] = Array.from(learned.dropped, (key) => [key, Number.NaN]);
    learned.dropped.clear();
    for (const [key, baseline] of learned.baselines) {
      expectedIn(baseline.floats, 0, hour, into);
      const isSure = into.sureness >= SURE_FROM && Number.isFinite(into.value);
      if (isSure) values.push([key, into.value]);
      else if (baseline.isTold) values.push([key, Number.NaN]);
      baseline.isTold = isSure;
    }
    learned.toldUntilMs = this.#hours.endOf(nowMs);
    return values;
  }

  #forget(): void {
    for (const [workerId, learned] of this.#learned) {
      if (this.#directory.get(workerId)?.occupant !== learned.occupant) this.#drop(workerId, learned);
    }
  }

  #drop(workerId: string, { baselines }: Learned): void {
    this.#metrics -= baselines.size;
    this.#learned.delete(workerId);
  }
}

/** Metrics of a worker that may have a baseline, usages first. */
function keysOf({ board }: Directory, entry: WorkerEntry): string[] {
  const columns = readWhileThere(board, entry, () => entry.slot.metricKeys) ?? [];
  return [...USAGE_KEYS, 'running_tasks', ...columns.filter((key) => key.startsWith('metrics.'))];
}

/**
 * The largest share with which all have room: whoever wants less leaves the rest to others.
 * @param having how many workers want so many metrics, by that number
 * @returns at least 1: then the first workers have one each
 */
function shareOf(having: readonly number[], room: number): number {
  for (let share = having.length - 1; share > 1; share--) {
    const needed = having.reduce((sum, workers, metrics) => sum + workers * Math.min(metrics, share), 0);
    if (needed <= room) return share;
  }
  return 1;
}
