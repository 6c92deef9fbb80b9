/** The windows that rules need: each once, fed with values by the name of their metric. Rows are those of the table of workers. */
import type { WindowCall } from '../expression/checked.ts';
import { keyOf } from '../expression/facts.ts';
import { MAX_WINDOW_BYTES } from './evaluation-limits.ts';
import { Window } from './windows.ts';

export class WindowSet {
  readonly #maxBytes: number;
  readonly #windows = new Map<string, Window>();
  readonly #byMetric = new Map<string, Window[]>();
  #rows = 0;

  constructor(maxBytes = MAX_WINDOW_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** From now on these; what is known of those that stay is kept. @returns the new ones */
  set(calls: Iterable<WindowCall>): readonly Window[] {
    const wanted = new Map(Array.from(calls, (call) => [keyOf({ of: 'call', call }), call] as const));
    for (const key of this.#windows.keys()) if (!wanted.has(key)) this.#windows.delete(key);
    const added: Window[] = [];
    for (const [key, call] of wanted) {
      if (this.#windows.has(key)) continue;
      const window = new Window(call);
      this.#windows.set(key, window);
      added.push(window);
    }
    this.#byMetric.clear();
    for (const window of this.#windows.values()) {
      const { metric } = window.call;
      this.#byMetric.set(metric, [...(this.#byMetric.get(metric) ?? []), window]);
    }
    this.#makeRoom();
    return added;
  }

  /** Names of the metrics that are looked at. */
  get metrics(): Iterable<string> {
    return this.#byMetric.keys();
  }

  has(metric: string): boolean {
    return this.#byMetric.has(metric);
  }

  get(call: WindowCall): Window | undefined {
    return this.#windows.get(keyOf({ of: 'call', call }));
  }

  get bytes(): number {
    let bytes = 0;
    for (const window of this.#windows.values()) bytes += window.bytes;
    return bytes;
  }

  /** Why the call has no values; undefined: there is room for it. */
  problemOf(call: WindowCall): string | undefined {
    const window = this.get(call);
    if (window === undefined || window.hasRoom) return undefined;
    const mebibytes = Math.round(this.#maxBytes / 1024 ** 2);
    return `all windows together would need more than ${mebibytes} MiB for ${this.#rows} workers; use fewer different windows`;
  }

  /** Makes room for workers in rows below this number. */
  reserve(rows: number): void {
    if (rows <= this.#rows) return;
    this.#rows = rows;
    this.#makeRoom();
  }

  forget(row: number): void {
    for (const window of this.#windows.values()) window.forget(row);
  }

  add(row: number, metric: string, atMs: number, value: number): void {
    const windows = this.#byMetric.get(metric);
    if (windows === undefined || Number.isNaN(value)) return;
    for (const window of windows) window.add(row, atMs, value);
  }

  /** A value of each row at the same time; NaN: none. */
  addAll(metric: string, atMs: number, values: Float64Array, rows: number): void {
    for (const window of this.#byMetric.get(metric) ?? []) {
      for (let row = 0; row < rows; row++) {
        const value = values[row] as number;
        if (!Number.isNaN(value)) window.add(row, atMs, value);
      }
    }
  }

  /** The windows of the first rules have room first. */
  #makeRoom(): void {
    let left = this.#maxBytes;
    for (const window of this.#windows.values()) {
      const bytes = Window.bytesPerRow(window.call) * this.#rows;
      if (bytes > left) window.release();
      else {
        window.reserve(this.#rows);
        left -= bytes;
      }
    }
  }
}
