/**
 * What is usual of each worker's metrics at each hour of the week, learned from hourly rollups (model/anomaly/seasonal.ts), and what
 * is expected in the present hour, which the worker's lane is told once an hour. Turns are short, so that a fleet's are spread.
 *
 * A new thread learns from the database again. Without history (HISTORY=off) there is no such baseline.
 */
import { HourOfWeek } from '../../model/anomaly/hour-of-week.ts';
import { expectedIn, learnHour, SEASONAL_FLOATS } from '../../model/anomaly/seasonal.ts';
import type { Directory, WorkerEntry } from '../../reading/directory.ts';
import { readWhileThere } from '../../reading/directory.ts';
import { USAGE_KEYS } from '../../store/score-word.ts';
import type { Past } from '../past.ts';
import { LEARN_BACK_MS, MAX_METRICS, MAX_METRICS_PER_WORKER, SURE_FROM, WORKERS_PER_TURN } from './anomaly-limits.ts';

/** What a lane is told of one worker: by metric key, NaN: unknown from now on. */
export interface ExpectedValues {
  readonly workerId: string;
  readonly values: readonly (readonly [key: string, value: number])[];
}

interface Learned {
  readonly occupant: number;
  readonly keys: readonly string[];
  /** SEASONAL_FLOATS for each key. */
  readonly floats: Float32Array;
  /** The hours before are learned. */
  untilMs: number;
  /** When the hour ends for which its lane was told. */
  toldUntilMs: number;
  /** Keys of which the lane expects something. */
  readonly told: Set<string>;
}

const HOUR_MS = 3_600_000;

export class Seasons {
  readonly #directory: Directory;
  readonly #past: Past;
  readonly #hours: HourOfWeek;
  readonly #learned = new Map<string, Learned>();
  #metrics = 0;
  /** Workers that come next, see {@link turn}. */
  #queue: string[] = [];

  /** @param timeZone TIME_ZONE */
  constructor(directory: Directory, past: Past, timeZone: string) {
    this.#directory = directory;
    this.#past = past;
    this.#hours = new HourOfWeek(timeZone);
  }

  /** Metrics with a baseline, at most MAX_METRICS. */
  get metrics(): number {
    return this.#metrics;
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
    await this.#learn(due, untilMs);
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
    if (this.#queue.length === 0) {
      this.#forget();
      this.#queue = Array.from(this.#directory.all(), ({ workerId }) => workerId);
    }
    const due: WorkerEntry[] = [];
    while (due.length < WORKERS_PER_TURN) {
      const workerId = this.#queue.pop();
      if (workerId === undefined) break;
      const entry = this.#directory.get(workerId);
      if (entry === undefined) continue;
      const learned = this.#learnedOf(entry, nowMs);
      if (learned !== undefined && learned.toldUntilMs <= nowMs) due.push(entry);
    }
    return due;
  }

  #learnedOf(entry: WorkerEntry, nowMs: number): Learned | undefined {
    const { workerId, occupant } = entry;
    const known = this.#learned.get(workerId);
    if (known?.occupant === occupant) return known;
    if (known !== undefined) this.#drop(workerId, known);
    const slot = readWhileThere(this.#directory.board, entry, () => entry.slot.metricKeys) ?? [];
    const custom = slot.filter((key) => key.startsWith('metrics.'));
    const keys = [...USAGE_KEYS, 'running_tasks', ...custom].slice(0, MAX_METRICS_PER_WORKER);
    if (this.#metrics + keys.length > MAX_METRICS) return undefined;
    this.#metrics += keys.length;
    const floats = new Float32Array(keys.length * SEASONAL_FLOATS);
    const learned = { occupant, keys, floats, untilMs: nowMs - LEARN_BACK_MS, toldUntilMs: 0, told: new Set<string>() };
    this.#learned.set(workerId, learned);
    return learned;
  }

  async #learn(due: readonly WorkerEntry[], untilMs: number): Promise<void> {
    const behind = due.flatMap(({ workerId }) => {
      const learned = this.#learned.get(workerId);
      return learned !== undefined && learned.untilMs < untilMs ? [{ workerId, learned }] : [];
    });
    const keys = new Set(behind.flatMap(({ learned }) => learned.keys));
    const fromMs = Math.min(...behind.map(({ learned }) => learned.untilMs));
    for (const key of keys) {
      const having = behind.filter(({ learned }) => learned.keys.includes(key));
      const workerIds = having.map(({ workerId }) => workerId);
      const request = { workerIds, key, fromMs, toMs: untilMs, resolutionMs: HOUR_MS };
      const means = new Map<string, Map<number, { sum: number; count: number }>>();
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
      for (const { workerId, learned } of having) {
        const at = learned.keys.indexOf(key) * SEASONAL_FLOATS;
        const hours = [...(means.get(workerId) ?? [])].sort(([left], [right]) => left - right);
        for (const [hour, { sum, count }] of hours) {
          if (hour < learned.untilMs || hour >= untilMs) continue;
          // Zones are whole quarters of an hour from UTC: the middle says to which hour most of it belongs.
          learnHour(learned.floats, at, this.#hours.of(hour + HOUR_MS / 2), sum / count);
        }
      }
    }
    for (const { learned } of behind) learned.untilMs = untilMs;
  }

  #expected(learned: Learned, nowMs: number): (readonly [string, number])[] {
    const hour = this.#hours.of(nowMs);
    const into = { value: Number.NaN, sureness: 0 };
    const values: (readonly [string, number])[] = [];
    for (const [index, key] of learned.keys.entries()) {
      expectedIn(learned.floats, index * SEASONAL_FLOATS, hour, into);
      if (into.sureness >= SURE_FROM && Number.isFinite(into.value)) {
        learned.told.add(key);
        values.push([key, into.value]);
      } else if (learned.told.delete(key)) values.push([key, Number.NaN]);
    }
    learned.toldUntilMs = this.#hours.endOf(nowMs);
    return values;
  }

  #forget(): void {
    for (const [workerId, learned] of this.#learned) {
      if (this.#directory.get(workerId)?.occupant !== learned.occupant) this.#drop(workerId, learned);
    }
  }

  #drop(workerId: string, { keys }: Learned): void {
    this.#metrics -= keys.length;
    this.#learned.delete(workerId);
  }
}
