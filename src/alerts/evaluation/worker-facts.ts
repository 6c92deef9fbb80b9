/**
 * Facts of all workers, kept up to date from shared memory: only the rows of workers that changed since the last look are read
 * (reading/revisions.ts). Values of a worker that is neither active nor suspect nor leaving have stopped: it has no usages then.
 */
import { causeText } from '../../model/anomaly/words.ts';
import { customMetricName } from '../../model/metric-keys.ts';
import { gpusTextIn, metricsTextIn } from '../../model/record-json.ts';
import { SampleFlag } from '../../model/sample-flags.ts';
import { type Directory, readWhileThere, type WorkerEntry } from '../../reading/directory.ts';
import { newEpoch, Revisions } from '../../reading/revisions.ts';
import { scoreOf } from '../../reading/scores.ts';
import { groupOf, hasGpu } from '../../reading/values.ts';
import { SampleColumns, USAGE_KEYS, type UsageKey } from '../../store/sample-columns.ts';
import { keyOf } from '../expression/facts.ts';
import { NAMES } from '../expression/names.ts';
import { DevicesSeen } from './devices-seen.ts';
import { STALL_MS } from './evaluation-limits.ts';
import { FactTable } from './fact-table.ts';
import { type EvaluationTime, type Fleet, type Held, IS_ACTIVE, sendsValues, type WantedFacts } from './fleet.ts';
import type { WindowSet } from './window-set.ts';

const NUMBER_NAMES = [
  'state_seconds',
  'cpu_usage',
  'memory_usage',
  'storage_usage',
  'gpu_usage',
  'tasks',
  'gpus_seen',
  'missed',
  'dropped',
  'restarts',
  'interval_ms',
  'skew_ms',
  'score',
] as const;
type NumberName = (typeof NUMBER_NAMES)[number];
const TEXT_NAMES = ['worker_id', 'group', 'state', 'cause', 'lane_state', 'score_metric', 'score_reason'] as const;
type TextName = (typeof TEXT_NAMES)[number];

/** Values that a heartbeat brings, by the names of expressions, and in the columns of samples. */
const OF_SAMPLES = {
  cpu_usage: 'cpuUsage',
  memory_usage: 'memoryUsage',
  storage_usage: 'storageUsage',
  gpu_usage: 'gpuUsage',
  tasks: 'runningTasks',
  score: 'anomalyScore',
} as const;
type SampleName = keyof typeof OF_SAMPLES;
const SAMPLE_NAMES = Object.keys(OF_SAMPLES) as readonly SampleName[];
/** Counts on the board: as of each evaluation. */
const COUNTER_NAMES = ['missed', 'dropped', 'restarts'] as const;

const ROWS_AT_A_TIME = 256;

const NO_METRICS: Readonly<Record<string, number>> = Object.freeze(Object.create(null));
const NO_DEVICES: readonly Readonly<Record<string, unknown>>[] = [];
const NO_LABELS: Readonly<Record<string, string>> = Object.freeze({});

export class WorkerFacts implements Fleet {
  readonly workers = new FactTable();
  readonly #directory: Directory;
  readonly #revisions: Revisions;
  readonly #devices: DevicesSeen;
  #held: Held = { all: true, groups: new Set() };
  #metrics: readonly { readonly name: string; readonly key: string }[] = [];
  /** Names of `#metrics` whose windows are theirs: a window over the name of a field is that of the field. */
  #overTime: readonly string[] = [];
  #labels: readonly { readonly name: string; readonly key: string }[] = [];
  #wantsDropped = false;
  #wantsDevices = false;
  #isStale = true;
  /** By the monotonic clock: of this refresh, and of the one before. */
  #nowMs = 0;
  #lookedMs = 0;

  // By row.
  readonly #entries: (WorkerEntry | undefined)[] = [];
  /** When it came into its state: by the wall clock, as the board says; and by the monotonic one, from the first look at it on. */
  #stateSinceS = new Float64Array(0);
  #stateSinceMs = new Float64Array(0);
  /** Number of the next sample to take, and when the last one taken was received. */
  #nextSample = new Float64Array(0);
  #takenMs = new Float64Array(0);
  readonly #samples = new SampleColumns();
  readonly #numbers = {} as Record<NumberName, Float64Array>;
  readonly #texts = {} as Record<TextName, (string | undefined)[]>;
  #flags: readonly Uint8Array[] = [];

  /** @param devices what was known of workers' devices before */
  constructor(directory: Directory, devices = new DevicesSeen()) {
    this.#directory = directory;
    this.#devices = devices;
    this.#revisions = new Revisions(directory, newEpoch());
    this.workers.compute('name state_seconds', (out, rows) => {
      for (let row = 0; row < rows; row++) {
        out[row] = Math.max(0, this.#nowMs - (this.#stateSinceMs[row] as number)) / 1000;
      }
    });
  }

  get held(): Held {
    return this.#held;
  }

  get historyState(): string {
    return this.#directory.history?.state ?? 'off';
  }

  want({ refs, keys }: WantedFacts): void {
    const named = (of: 'metric' | 'label') =>
      refs.flatMap((ref) => (ref.of === of ? [{ name: ref.name, key: keyOf(ref) }] : []));
    this.#metrics = named('metric');
    this.#overTime = this.#metrics.map(({ name }) => name).filter((name) => !Object.hasOwn(NAMES.worker, name));
    this.#labels = named('label');
    this.#wantsDropped = keys.has('name dropped');
    this.#wantsDevices = keys.has('name gpus_seen') || keys.has('name gpus');
    const own = [...NUMBER_NAMES, ...TEXT_NAMES, 'stuck', 'flapping'].map((name) => `name ${name}`);
    this.workers.keepOnly(new Set([IS_ACTIVE, ...own, ...keys]));
    // New columns are empty.
    this.#isStale = true;
  }

  refresh(now: EvaluationTime, windows: WindowSet): void {
    const { board } = this.#directory;
    this.workers.begin();
    this.#lookedMs = this.#nowMs;
    this.#nowMs = now.monotonicMs;
    this.#held = this.#heldAt(now.monotonicMs);
    const changed = this.#revisions.look();
    for (let row = 0; row < this.#entries.length; row++) {
      if (this.#entries[row] === undefined) continue;
      const entry = this.#revisions.entryAt(row);
      const { workerId, occupant } = this.#entries[row] as WorkerEntry;
      // Another occupant with the same id was removed and registered anew: it has nothing of the one before.
      if (entry?.workerId !== workerId || entry.occupant !== occupant) this.#remove(row, windows);
    }
    const rows = this.#directory.rows.length;
    // Windows are the larger part of the memory, so that it does not double.
    if (rows > this.#stateSinceS.length) this.#grow(Math.ceil(rows / ROWS_AT_A_TIME) * ROWS_AT_A_TIME);
    windows.reserve(this.#stateSinceS.length);
    const toRead = this.#isStale ? this.#present() : changed;
    this.#isStale = false;
    this.#samples.usages = new Set(USAGE_KEYS.filter((key) => windows.has(nameOfUsage(key))));
    this.#takeColumns();
    for (const entry of toRead) readWhileThere(board, entry, () => this.#read(entry, now, windows));
    this.#feedCounters(now, windows);
    if (!this.#held.all) this.#devices.keepOnly((workerId) => this.workers.rowOf(workerId) !== undefined);
  }

  metricsOf(row: number): Readonly<Record<string, number>> {
    const entry = this.#entries[row];
    if (entry === undefined || !this.#hasValues(row)) return NO_METRICS;
    return readWhileThere(this.#directory.board, entry, () => metricsIn(entry)) ?? NO_METRICS;
  }

  labelsOf(row: number): Readonly<Record<string, string>> {
    return this.#entries[row]?.facts?.labels ?? NO_LABELS;
  }

  gpusOf(row: number): readonly Readonly<Record<string, unknown>>[] | undefined {
    const entry = this.#entries[row];
    if (entry === undefined || !this.#hasValues(row)) return undefined;
    const none = this.#devices.of(entry.workerId)?.hasListed === true ? NO_DEVICES : undefined;
    return readWhileThere(this.#directory.board, entry, () => devicesIn(entry) ?? none);
  }

  #hasValues(row: number): boolean {
    return sendsValues(this.workers.textColumn('name state')[row]);
  }

  *#present(): Generator<WorkerEntry> {
    for (let row = 0; row < this.#directory.rows.length; row++) {
      const entry = this.#revisions.entryAt(row);
      if (entry !== undefined) yield entry;
    }
  }

  #read(entry: WorkerEntry, now: EvaluationTime, windows: WindowSet): void {
    const { row, slot, facts } = entry;
    const { board } = this.#directory;
    const isNew = this.#entries[row] === undefined;
    if (isNew) this.#place(entry, windows);
    else if (this.#entries[row]?.numbersFrom !== entry.numbersFrom) this.#beginSamples(entry, windows);
    this.#entries[row] = entry;

    const state = board.state(row);
    this.#setStateSince(row, board.stateSinceS(row), now, isNew);
    this.#text('worker_id', row, entry.workerId);
    this.#text('group', row, groupOf(entry));
    this.#text('state', row, state);
    this.#text('cause', row, board.cause(row));
    this.#text('lane_state', row, board.laneState(row));
    for (const { name, key } of this.#labels) {
      const labels = facts?.labels;
      this.workers.textColumn(key)[row] =
        labels !== undefined && Object.hasOwn(labels, name) ? labels[name] : undefined;
    }
    const [isActive, stuck, flapping] = this.#flags as readonly [Uint8Array, Uint8Array, Uint8Array];
    isActive[row] = Number(board.isActive(row));
    stuck[row] = Number(board.stuck(row) !== undefined);
    flapping[row] = Number(board.isFlapping(row));
    this.#number('missed', row, board.missed(row));
    this.#number('restarts', row, board.restarts(row));
    this.#number('interval_ms', row, board.intervalMs(row));
    this.#number('skew_ms', row, board.skewMs(row) ?? Number.NaN);
    if (this.#wantsDropped || windows.has('dropped')) this.#number('dropped', row, droppedOf(entry, this.#directory));

    const record = sendsValues(state) ? slot.numbers() : undefined;
    this.#number('cpu_usage', row, record?.cpuUsage ?? Number.NaN);
    this.#number('memory_usage', row, record?.memoryUsage ?? Number.NaN);
    this.#number('storage_usage', row, record?.storageUsage ?? Number.NaN);
    this.#number('tasks', row, record?.runningTasks ?? Number.NaN);
    const gpu = record !== undefined && hasGpu(entry, record) ? record.gpuUsage : Number.NaN;
    this.#number('gpu_usage', row, gpu);
    if (this.#wantsDevices) this.#seeDevices(entry, record !== undefined);
    const score = record === undefined ? undefined : scoreOf(entry, board);
    this.#number('score', row, score?.score ?? Number.NaN);
    this.#text('score_metric', row, score?.cause?.metric);
    this.#text('score_reason', row, score?.cause && causeText(score.cause));
    const metrics = record !== undefined && this.#metrics.length > 0 ? metricsIn(entry) : NO_METRICS;
    for (const { name, key } of this.#metrics) this.workers.numberColumn(key)[row] = metrics[name] ?? Number.NaN;
    if (record !== undefined) this.#feed(entry, record.receivedMonotonicMs, record.ordinal, metrics, now, windows);
  }

  /** A step of the wall clock after the change of the state is no time in the state. */
  #setStateSince(row: number, sinceS: number, now: EvaluationTime, isNew: boolean): void {
    if (!isNew && this.#stateSinceS[row] === sinceS) return;
    this.#stateSinceS[row] = sinceS;
    const sinceMs = now.monotonicMs - Math.max(0, now.unixMs - sinceS * 1000);
    // It changed after the look before. The board has whole seconds.
    this.#stateSinceMs[row] = isNew ? sinceMs : Math.max(sinceMs, this.#lookedMs - 1000);
  }

  #number(name: NumberName, row: number, value: number): void {
    this.#numbers[name][row] = value;
  }

  /** Most stay as they are, and to compare is cheaper than to write. */
  #text(name: TextName, row: number, value: string | undefined): void {
    const column = this.#texts[name];
    if (column[row] !== value) column[row] = value;
  }

  /** Looked up once for all workers. */
  #takeColumns(): void {
    const { workers } = this;
    for (const name of NUMBER_NAMES) this.#numbers[name] = workers.numberColumn(`name ${name}`);
    for (const name of TEXT_NAMES) this.#texts[name] = workers.textColumn(`name ${name}`);
    this.#flags = [IS_ACTIVE, 'name stuck', 'name flapping'].map((key) => workers.flagColumn(key));
  }

  /** @param isCurrent the record is of now */
  #seeDevices({ workerId, row, slot, facts }: WorkerEntry, isCurrent: boolean): void {
    const listed = isCurrent && slot.listsGpus ? (devicesIn({ slot })?.length ?? 0) : 0;
    const most = this.#devices.see(workerId, listed, facts?.totalGpu ?? 0);
    this.#number('gpus_seen', row, most === 0 ? Number.NaN : most);
  }

  #place(entry: WorkerEntry, windows: WindowSet): void {
    const { room } = this.workers;
    this.workers.place(entry.row, entry.workerId);
    // Columns that grow are other arrays.
    if (this.workers.room !== room) this.#takeColumns();
    while (this.#entries.length <= entry.row) this.#entries.push(undefined);
    this.#beginSamples(entry, windows);
  }

  /** With all samples that the ring still has. */
  #beginSamples({ row, slot }: WorkerEntry, windows: WindowSet): void {
    windows.forget(row);
    this.#nextSample[row] = slot.firstSample;
    this.#takenMs[row] = Number.NEGATIVE_INFINITY;
  }

  #remove(row: number, windows: WindowSet): void {
    this.#devices.forget((this.#entries[row] as WorkerEntry).workerId);
    this.workers.remove(row);
    this.#entries[row] = undefined;
    windows.forget(row);
  }

  /** Windows get every sample that the ring has; without rings, the newest value of each evaluation. */
  #feed(
    entry: WorkerEntry,
    receivedMs: number,
    ordinal: number,
    metrics: Readonly<Record<string, number>>,
    now: EvaluationTime,
    windows: WindowSet,
  ): void {
    const { row, slot } = entry;
    // Values of an earlier master have no time here.
    if (ordinal < 0) return;
    if (slot.sampleCapacity > 0) {
      const hasWanted =
        SAMPLE_NAMES.some((name) => windows.has(name)) || this.#overTime.some((name) => windows.has(name));
      if (!hasWanted) {
        this.#nextSample[row] = slot.samplesEnd;
        return;
      }
      // The record is the newest sample: most workers have sent once. Its own score is that of the sample, which is there once it is scored.
      const end = slot.samplesEnd;
      const count = (end - (this.#nextSample[row] as number)) >>> 0;
      if (count > 1 || windows.has('score')) {
        slot.samplesSince(this.#nextSample[row] as number, this.#samples);
        this.#nextSample[row] = this.#samples.to;
        this.#feedSamples(row, now, windows);
        this.#takenMs[row] = Math.max(receivedMs, this.#takenMs[row] as number);
        return;
      }
      this.#nextSample[row] = end;
    }
    if (receivedMs <= (this.#takenMs[row] as number)) return;
    this.#takenMs[row] = receivedMs;
    for (const name of SAMPLE_NAMES) {
      if (!windows.has(name)) continue;
      const value = name === 'score' ? (slot.score?.score ?? Number.NaN) : (this.#numbers[name][row] as number);
      windows.add(row, name, receivedMs, value);
    }
    for (const name of this.#overTime) windows.add(row, name, receivedMs, metrics[name] ?? Number.NaN);
  }

  #feedSamples(row: number, now: EvaluationTime, windows: WindowSet): void {
    const samples = this.#samples;
    const { count, flags, receivedMonotonicMs: at } = samples;
    // One that came while the record before was read is there already. Times of samples are in whole ms.
    let first = 0;
    while (first < count && (at[first] as number) <= Math.floor(this.#takenMs[row] as number)) first++;
    for (const name of SAMPLE_NAMES) {
      if (!windows.has(name)) continue;
      const values = samples[OF_SAMPLES[name]];
      for (let n = first; n < count; n++) {
        if (name === 'gpu_usage' && ((flags[n] as number) & SampleFlag.hasGpu) === 0) continue;
        windows.add(row, name, Math.min(at[n] as number, now.monotonicMs), values[n] as number);
      }
    }
    for (const [column, key] of samples.metricKeys.entries()) {
      const name = customMetricName(key);
      if (name === undefined || !this.#overTime.includes(name) || !windows.has(name)) continue;
      const values = samples.metrics[column] as Float64Array;
      for (let n = first; n < count; n++)
        windows.add(row, name, Math.min(at[n] as number, now.monotonicMs), values[n] as number);
    }
  }

  #feedCounters({ monotonicMs }: EvaluationTime, windows: WindowSet): void {
    for (const name of COUNTER_NAMES) {
      if (!windows.has(name)) continue;
      windows.addAll(name, monotonicMs, this.workers.numberColumn(`name ${name}`), this.workers.rows);
    }
  }

  #heldAt(monotonicMs: number): Held {
    const { writtenMonotonicMs, attentive, holds } = this.#directory.board.figures();
    const isStalled = writtenMonotonicMs === 0 || monotonicMs - writtenMonotonicMs > STALL_MS || !attentive.mayJudge;
    return {
      all: isStalled || holds.graceEndsUnixMs !== undefined,
      groups: new Set(this.#directory.holds.brakes.flatMap(({ group, silentGroups }) => silentGroups ?? [group])),
    };
  }

  #grow(rows: number): void {
    this.#stateSinceS = larger(this.#stateSinceS, rows);
    this.#stateSinceMs = larger(this.#stateSinceMs, rows);
    this.#nextSample = larger(this.#nextSample, rows);
    this.#takenMs = larger(this.#takenMs, rows);
  }
}

function larger(array: Float64Array, length: number): Float64Array<ArrayBuffer> {
  const copy = new Float64Array(length);
  copy.set(array);
  return copy;
}

function nameOfUsage(key: UsageKey): string {
  return key === 'anomaly_score' ? 'score' : key;
}

/** Arrived, and never shown. */
function droppedOf({ row, slot }: WorkerEntry, { board }: Directory): number {
  const replaced = (['backlog', 'quarantine', 'memory'] as const).reduce(
    (sum, reason) => sum + board.replacedFor(row, reason),
    0,
  );
  return (slot.rejected >>> 0) + board.lost(row) + replaced;
}

function metricsIn({ slot }: Pick<WorkerEntry, 'slot'>): Readonly<Record<string, number>> {
  const text = metricsTextIn(slot.jsonBehindTasks());
  if (text === undefined) return NO_METRICS;
  // Without a prototype, since any text may be a name.
  return Object.assign(Object.create(null), JSON.parse(text)) as Readonly<Record<string, number>>;
}

function devicesIn({ slot }: Pick<WorkerEntry, 'slot'>): readonly Readonly<Record<string, unknown>>[] | undefined {
  const text = slot.listsGpus ? gpusTextIn(slot.jsonBehindTasks()) : undefined;
  if (text === undefined) return undefined;
  const devices = JSON.parse(text) as readonly Readonly<Record<string, unknown>>[];
  return devices.map((device) => ({ ...device, index: BigInt(Number(device.index)) }));
}
