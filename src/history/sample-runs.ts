/** Cutting and joining samples of one worker. Columns are shared with the given runs where possible, never changed. */
import type { MetricKey, SampleRun } from './samples.ts';

/** In the order of receipt. */
export function compareRuns(a: Position, b: Position): number {
  return a.run - b.run || a.first - b.first;
}

export type Position = Pick<SampleRun, 'run' | 'first'>;

/** Samples `from` to before `to`, by index. */
export function sliceRun(run: SampleRun, from: number, to: number): SampleRun {
  if (from === 0 && to === run.at.length) return run;
  return {
    workerId: run.workerId,
    run: run.run,
    first: run.first + from,
    at: run.at.subarray(from, to),
    flags: run.flags.subarray(from, to),
    columns: new Map([...run.columns].map(([key, column]) => [key, column.subarray(from, to)])),
  };
}

/** The samples that were received within [fromMs, toMs): several runs if the clock went back. */
export function runsWithin(run: SampleRun, fromMs: number, toMs: number): SampleRun[] {
  const parts: SampleRun[] = [];
  const { at } = run;
  const { length } = at;
  for (let index = 0; index < length; ) {
    const start = index;
    while (index < length && (at[index] as number) >= fromMs && (at[index] as number) < toMs) index++;
    if (index > start) parts.push(sliceRun(run, start, index));
    else index++;
  }
  return parts;
}

/** Consecutive samples for which `groupOf` is the same. */
export function runsBy(run: SampleRun, groupOf: (atMs: number) => number): { value: number; part: SampleRun }[] {
  const parts: { value: number; part: SampleRun }[] = [];
  const { at } = run;
  let start = 0;
  while (start < at.length) {
    const value = groupOf(at[start] as number);
    let end = start + 1;
    while (end < at.length && groupOf(at[end] as number) === value) end++;
    parts.push({ value, part: sliceRun(run, start, end) });
    start = end;
  }
  return parts;
}

/** Joins runs, given in order, that follow each other without a gap; a metric that one of them lacks becomes NaN there. */
export function joinRuns(runs: readonly SampleRun[]): SampleRun[] {
  const joined: SampleRun[] = [];
  let start = 0;
  while (start < runs.length) {
    let end = start + 1;
    while (end < runs.length && follows(runs[end - 1] as SampleRun, runs[end] as SampleRun)) end++;
    joined.push(concatenated(runs.slice(start, end)));
    start = end;
  }
  return joined;
}

function follows(a: SampleRun, b: SampleRun): boolean {
  return a.run === b.run && a.first + a.at.length === b.first;
}

function concatenated(runs: readonly SampleRun[]): SampleRun {
  const head = runs[0] as SampleRun;
  if (runs.length === 1) return head;
  const count = runs.reduce((sum, run) => sum + run.at.length, 0);
  const at = new Float64Array(count);
  const flags = new Uint8Array(count);
  const columns = new Map<MetricKey, Float64Array>();
  let offset = 0;
  for (const run of runs) {
    at.set(run.at, offset);
    flags.set(run.flags, offset);
    for (const [key, column] of run.columns) {
      let whole = columns.get(key);
      if (whole === undefined) {
        whole = new Float64Array(count).fill(Number.NaN);
        columns.set(key, whole);
      }
      whole.set(column, offset);
    }
    offset += run.at.length;
  }
  return { workerId: head.workerId, run: head.run, first: head.first, at, flags, columns };
}
