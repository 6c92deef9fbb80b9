/** Facts of a replay: the same tables as live ones, filled from series instead of shared memory. */
import { FactTable } from '../evaluation/fact-table.ts';
import { type EvaluationTime, type Fleet, type Held, sendsValues, type WantedFacts } from '../evaluation/fleet.ts';
import type { WindowSet } from '../evaluation/window-set.ts';
import { keyOf } from '../expression/facts.ts';
import { NAMES } from '../expression/names.ts';
import type { NumberTrack, ReplaySource, ReplayWorker } from './track.ts';

const METRICS = 'metrics.';

export class ReplayFleet implements Fleet {
  readonly workers = new FactTable();
  readonly historyState = 'ok';
  readonly #source: ReplaySource;
  readonly #rows: Row[];
  readonly #braked = new Set<string>();
  #nextBrake = 0;
  #labels: readonly { readonly name: string; readonly key: string }[] = [];
  #nowMs = 0;

  constructor(source: ReplaySource) {
    this.#source = source;
    this.#rows = source.workers.map((worker) => new Row(worker));
    this.workers.compute('name state_seconds', (out, rows) => {
      for (let row = 0; row < rows; row++) out[row] = (this.#nowMs - (this.#rows[row]?.stateSinceMs ?? 0)) / 1000;
    });
  }

  get held(): Held {
    return { all: false, groups: this.#braked };
  }

  want({ refs, keys }: WantedFacts): void {
    this.#labels = refs.flatMap((ref) => (ref.of === 'label' ? [{ name: ref.name, key: keyOf(ref) }] : []));
    this.workers.keepOnly(new Set([...Object.keys(NAMES.worker).map((name) => `name ${name}`), ...keys]));
  }

  refresh({ unixMs }: EvaluationTime, windows: WindowSet): void {
    this.workers.begin();
    this.#nowMs = unixMs;
    windows.reserve(this.#rows.length);
    const { brakes } = this.#source;
    for (
      let brake = brakes[this.#nextBrake];
      brake !== undefined && brake.atMs <= unixMs;
      brake = brakes[++this.#nextBrake]
    ) {
      if (brake.isActive) this.#braked.add(brake.group);
      else this.#braked.delete(brake.group);
    }
    for (const [row, known] of this.#rows.entries()) {
      known.takeChanges(unixMs);
      known.takeNumbers(unixMs, (name, atMs, value) => windows.add(row, name, atMs, value));
      this.#show(row, known, windows);
    }
  }

  metricsOf(row: number): Readonly<Record<string, number>> {
    const known = this.#rows[row];
    if (known === undefined || !sendsValues(known.state)) return {};
    const all = [...known.values].filter(([name, value]) => name.startsWith(METRICS) && !Number.isNaN(value));
    return Object.fromEntries(all.map(([name, value]) => [name.slice(METRICS.length), value]));
  }

  labelsOf(row: number): Readonly<Record<string, string>> {
    return this.#rows[row]?.worker.labels ?? {};
  }

  /** Devices are not in the history. */
  gpusOf(): undefined {
    return undefined;
  }

  #show(row: number, known: Row, windows: WindowSet): void {
    const { worker, state } = known;
    if (state === undefined) {
      if (this.workers.nameOf(row) === undefined) return;
      this.workers.remove(row);
      windows.forget(row);
      return;
    }
    if (this.workers.nameOf(row) === undefined) this.workers.place(row, worker.workerId);
    this.#text('worker_id', row, worker.workerId);
    this.#text('group', row, worker.group);
    this.#text('state', row, state);
    for (const name of ['cause', 'score_metric', 'score_reason']) this.#text(name, row, known.texts.get(name));
    this.#text('lane_state', row, known.texts.get('lane_state') ?? 'ready');
    for (const { name, key } of this.#labels) {
      this.workers.textColumn(key)[row] = Object.hasOwn(worker.labels, name) ? worker.labels[name] : undefined;
    }
    for (const flag of ['stuck', 'flapping'])
      this.workers.flagColumn(`name ${flag}`)[row] = Number(known.flags.has(flag));
    const isSending = sendsValues(state);
    for (const [name, value] of known.values) {
      const isCount = Object.hasOwn(NAMES.worker, name) && NAMES.worker[name]?.mayBeMissing !== true;
      const key = keyOf(
        name.startsWith(METRICS) ? { of: 'metric', name: name.slice(METRICS.length) } : { of: 'name', name },
      );
      this.workers.numberColumn(key)[row] = isSending || isCount ? value : Number.NaN;
    }
  }

  #text(name: string, row: number, value: string | undefined): void {
    this.workers.textColumn(`name ${name}`)[row] = value;
  }
}

/** One worker at the time of the replay. */
class Row {
  readonly worker: ReplayWorker;
  readonly values = new Map<string, number>();
  readonly texts = new Map<string, string>();
  readonly flags = new Set<string>();
  stateSinceMs = 0;
  readonly #tracks: { readonly name: string; readonly track: NumberTrack; next: number }[];
  #nextChange = 0;

  constructor(worker: ReplayWorker) {
    this.worker = worker;
    this.#tracks = Array.from(worker.numbers, ([name, track]) => ({ name, track, next: 0 }));
  }

  /** Undefined: it is not known yet, or was forgotten. */
  get state(): string | undefined {
    const state = this.texts.get('state');
    return state === 'gone' ? undefined : state;
  }

  takeChanges(nowMs: number): void {
    const { changes } = this.worker;
    for (let change = changes[this.#nextChange]; change !== undefined && change.atMs <= nowMs; ) {
      const { name, value, atMs } = change;
      if (typeof value === 'string') {
        if (name === 'state' && this.texts.get('state') !== value) this.stateSinceMs = atMs;
        this.texts.set(name, value);
      } else if (value) this.flags.add(name);
      else this.flags.delete(name);
      change = changes[++this.#nextChange];
    }
  }

  /** @param take called for each value, also those between two evaluations */
  takeNumbers(nowMs: number, take: (metric: string, atMs: number, value: number) => void): void {
    for (const entry of this.#tracks) {
      const { name, track } = entry;
      const metric = name.startsWith(METRICS) ? name.slice(METRICS.length) : name;
      while (entry.next < track.length && track.atOf(entry.next) <= nowMs) {
        const value = track.valueOf(entry.next);
        take(metric, track.atOf(entry.next), value);
        this.values.set(name, value);
        entry.next++;
      }
    }
  }
}
