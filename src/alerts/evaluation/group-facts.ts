/** Facts of groups and of the cluster: computed from those of workers, at each evaluation that has a rule for them. */
import type { AggregateCall } from '../expression/checked.ts';
import { type FactRef, keyOf } from '../expression/facts.ts';
import { NAMES } from '../expression/names.ts';
import { FactTable, MISSING_FLAG } from './fact-table.ts';
import { type Fleet, IS_ACTIVE, sendsValues } from './fleet.ts';

/** No group: the row has no worker. */
const NONE = -1;

const OWN_KEYS = Object.keys({ ...NAMES.group, ...NAMES.cluster }).map((name) => `name ${name}`);

export class GroupFacts {
  readonly groups = new FactTable();
  readonly cluster = new FactTable();
  readonly #fleet: Fleet;
  /** Of each worker's row: the row of its group. */
  #groupOf = new Int32Array(0);
  /** No row of a group before this one is free. */
  #firstFree = 0;

  constructor(fleet: Fleet) {
    this.#fleet = fleet;
    this.cluster.place(0, '');
    this.cluster.textColumn('name name')[0] = '';
    this.#define('name workers', () => 1, 'sum');
    this.#define('name active', (row) => Number(this.#isActive(row)), 'sum');
    this.#define('name inactive', (row) => Number(this.#stateOf(row) === 'inactive'), 'sum');
  }

  /** What rules read of groups or of the cluster. */
  want(refs: readonly FactRef[]): void {
    const keys = new Set([...OWN_KEYS, ...refs.map(keyOf)]);
    this.groups.keepOnly(keys);
    this.cluster.keepOnly(keys);
    for (const ref of refs) if (ref.of === 'call') this.#want(ref.call as AggregateCall, keyOf(ref));
  }

  refresh(): void {
    const { workers, held, historyState } = this.#fleet;
    this.groups.begin();
    this.cluster.begin();
    const names = workers.textColumn('name group');
    if (this.#groupOf.length < workers.rows) this.#groupOf = new Int32Array(workers.room);
    const seen = new Set<string>();
    for (let row = 0; row < workers.rows; row++) {
      const name = workers.nameOf(row) === undefined ? undefined : (names[row] ?? '');
      this.#groupOf[row] = name === undefined ? NONE : this.#rowOf(name);
      if (name !== undefined) seen.add(name);
    }
    for (let row = 0; row < this.groups.rows; row++) {
      const name = this.groups.nameOf(row);
      if (name === undefined) continue;
      if (!seen.has(name)) {
        this.groups.remove(row);
        this.#firstFree = Math.min(this.#firstFree, row);
      } else this.groups.flagColumn('name brake')[row] = Number(held.groups.has(name));
    }
    this.cluster.textColumn('name history_state')[0] = historyState;
  }

  #rowOf(name: string): number {
    const known = this.groups.rowOf(name);
    if (known !== undefined) return known;
    let free = this.#firstFree;
    while (this.groups.nameOf(free) !== undefined) free++;
    this.#firstFree = free + 1;
    this.groups.place(free, name);
    this.groups.textColumn('name name')[free] = name;
    return free;
  }

  #stateOf(row: number): string | undefined {
    return this.#fleet.workers.textColumn('name state')[row];
  }

  #isActive(row: number): boolean {
    const flag = this.#fleet.workers.flagColumn(IS_ACTIVE)[row];
    return flag === MISSING_FLAG ? sendsValues(this.#stateOf(row)) : flag === 1;
  }

  #want(call: AggregateCall, key: string): void {
    if (call.kind === 'count') {
      this.#define(key, (row) => Number(this.#stateOf(row) === call.state), 'sum');
      return;
    }
    const field: FactRef = fieldRef(call.field);
    this.#define(key, (row) => this.#fleet.workers.numbers(field)[row] as number, call.kind);
  }

  /** @param read a worker's value, by its row; NaN: it lacks it */
  #define(key: string, read: (row: number) => number, how: 'sum' | 'avg' | 'max'): void {
    this.groups.compute(key, (out, rows) => {
      this.#aggregate(out, rows, how, read, (row) => this.#groupOf[row] as number);
    });
    this.cluster.compute(key, (out) => {
      this.#aggregate(out, 1, how, read, (row) => ((this.#groupOf[row] as number) === NONE ? NONE : 0));
    });
  }

  #aggregate(
    out: Float64Array,
    rows: number,
    how: 'sum' | 'avg' | 'max',
    read: (row: number) => number,
    memberOf: (row: number) => number,
  ): void {
    out.fill(how === 'sum' ? 0 : Number.NaN, 0, rows);
    const counts = how === 'avg' ? new Float64Array(rows) : undefined;
    for (let row = 0; row < this.#fleet.workers.rows; row++) {
      const group = memberOf(row);
      if (group === NONE) continue;
      const value = read(row);
      if (Number.isNaN(value)) continue;
      const before = out[group] as number;
      if (how === 'max') out[group] = Number.isNaN(before) ? value : Math.max(before, value);
      else out[group] = (Number.isNaN(before) ? 0 : before) + value;
      if (counts !== undefined) counts[group] = (counts[group] as number) + 1;
    }
    if (counts === undefined) return;
    for (let group = 0; group < rows; group++) out[group] = (out[group] as number) / (counts[group] as number);
  }
}

/** A name of a worker's numbers, or else a custom metric. */
export function fieldRef(field: string): FactRef {
  return Object.hasOwn(NAMES.worker, field) ? { of: 'name', name: field } : { of: 'metric', name: field };
}
