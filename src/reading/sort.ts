/** In which order workers are listed: by some of their values, and in the end by their id, which no two share. */
import { PulselaneError } from '../lib/errors.ts';
import { WORKER_STATES } from '../model/liveness.ts';
import { numberNames } from './criteria.ts';
import type { Directory, WorkerEntry } from './directory.ts';
import { ParsedRecord } from './parsed-record.ts';
import { groupOf, numberReader, type Read, rowOf } from './values.ts';

/** What one field of the sort is worth; null, which comes last in both directions, if the worker has none. */
export type SortValue = number | string | null;

/** Where something stands in a sorted list. */
export interface SortPosition {
  /** One for each field of the sort. */
  readonly values: readonly SortValue[];
  readonly workerId: string;
}

export interface Sort {
  /** Equal for equal sorts; empty for the one by id. */
  readonly key: string;
  /** What it sorts by before the id. */
  readonly fields: readonly string[];
  /** @param reading of the worker, where somebody else reads it, too */
  positionOf(entry: WorkerEntry, directory: Directory, reading?: ParsedRecord): SortPosition;
  /** Below 0: `left` comes first. 0 only for one and the same id with the same values. */
  compare(left: SortPosition, right: SortPosition): number;
}

/** More than anybody means to sort by; each costs a reading of every worker. */
const MAX_SORT_FIELDS = 8;
/** Of a text, so much counts: positions travel in URLs. */
const MAX_TEXT_UNITS = 256;

const ID = 'worker_id';

const OTHERS = {
  /** In the order of a life: registered, active, suspect, … */
  state: (reading, { board }) => WORKER_STATES.indexOf(board.state(rowOf(reading))),
  group: ({ entry }) => groupOf(entry).slice(0, MAX_TEXT_UNITS) || undefined,
  last_update_at: (reading, { board }) => board.lastUpdateS(rowOf(reading)),
} as const satisfies Readonly<Record<string, Read<number | string>>>;

interface Step {
  readonly name: string;
  readonly isDescending: boolean;
  readonly read: Read<number | string>;
}

/**
 * @param text fields with commas between them, each with `-` before it for descending; undefined: by id.
 * @throws PulselaneError `invalid_argument`, naming what cannot be sorted by.
 */
export function sortOf(text: string | undefined): Sort {
  const all = text === undefined ? [] : text.split(',').map(stepOf);
  if (all.length > MAX_SORT_FIELDS) throw invalid(`more than ${MAX_SORT_FIELDS} fields`);
  const names = all.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw invalid(`${JSON.stringify(twice)} is given twice`);
  // Behind the id nothing is left to decide.
  const idAt = names.indexOf(ID);
  const steps = idAt === -1 ? all : all.slice(0, idAt);
  const idDescends = all[idAt]?.isDescending === true;
  return {
    key: keyOf(steps, idDescends),
    fields: steps.map(({ name }) => name),
    positionOf: (entry, directory, reading = new ParsedRecord(entry)) => ({
      values: steps.map(({ read }) => read(reading, directory) ?? null),
      workerId: entry.workerId,
    }),
    compare(left, right) {
      for (let index = 0; index < steps.length; index++) {
        const order = compareValues(
          left.values[index] as SortValue,
          right.values[index] as SortValue,
          (steps[index] as Step).isDescending,
        );
        if (order !== 0) return order;
      }
      return compareValues(left.workerId, right.workerId, idDescends);
    },
  };
}

function stepOf(text: string): Step {
  const isDescending = text.startsWith('-');
  const name = isDescending ? text.slice(1) : text;
  const read = name === ID ? ({ entry }: ParsedRecord) => entry.workerId : readerOf(name);
  if (read === undefined) {
    const names = [ID, ...Object.keys(OTHERS)].join(', ');
    throw invalid(`${JSON.stringify(name)} is nothing to sort by: there are ${names}, ${numberNames()}`);
  }
  return { name, isDescending, read };
}

function readerOf(name: string): Read<number | string> | undefined {
  return Object.hasOwn(OTHERS, name) ? OTHERS[name as keyof typeof OTHERS] : numberReader(name);
}

function keyOf(steps: readonly Step[], idDescends: boolean): string {
  const words = steps.map(({ name, isDescending }) => `${isDescending ? '-' : ''}${name}`);
  return [...words, ...(idDescends ? [`-${ID}`] : [])].join(',');
}

/** Texts by their code units. Values of one field are of one type, if they are there. */
function compareValues(left: SortValue, right: SortValue, isDescending: boolean): number {
  if (left === right) return 0;
  if (left === null) return 1;
  if (right === null) return -1;
  return left < right === isDescending ? 1 : -1;
}

function invalid(detail: string): PulselaneError {
  return new PulselaneError('invalid_argument', detail);
}
