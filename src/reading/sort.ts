/** The order of lists: by some fields, and finally by the unique id. */
import { PulselaneError } from '../lib/errors.ts';
import { WORKER_STATES } from '../model/liveness.ts';
import { numberNames } from './criteria.ts';
import type { Directory, WorkerEntry } from './directory.ts';
import { ParsedRecord } from './parsed-record.ts';
import { groupOf, numberReader, type Read, rowOf } from './values.ts';

/** A worker's value of one sort field; null, which sorts last in both directions, if it has none. */
export type SortValue = number | string | null;

/** A position in a sorted list. */
export interface SortPosition {
  /** One value per sort field. */
  readonly values: readonly SortValue[];
  readonly workerId: string;
}

export interface Sort {
  /** Equal for equal sorts; empty for the sort by id. */
  readonly key: string;
  /** The sort fields before the id. */
  readonly fields: readonly string[];
  /** @param reading the worker's parsed record, if the caller shares one */
  positionOf(entry: WorkerEntry, directory: Directory, reading?: ParsedRecord): SortPosition;
  /** Negative if `left` comes first; 0 only for the same id with the same values. */
  compare(left: SortPosition, right: SortPosition): number;
}

/** More than anyone needs; each is read from every worker. */
const MAX_SORT_FIELDS = 8;
/** Only the start of a long text counts, because positions travel in URLs. */
const MAX_TEXT_UNITS = 256;

const ID = 'worker_id';

const OTHERS = {
  /** In lifecycle order: registered, active, suspect, … */
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
 * @param text comma-separated fields, each with `-` in front for descending; undefined: by id
 * @throws PulselaneError `invalid_argument`, naming the field that cannot be sorted by
 */
export function sortOf(text: string | undefined): Sort {
  const all = text === undefined ? [] : text.split(',').map(stepOf);
  if (all.length > MAX_SORT_FIELDS) throw invalid(`too many fields: at most ${MAX_SORT_FIELDS}`);
  const names = all.map(({ name }) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw invalid(`${JSON.stringify(twice)} is given twice`);
  // Ids are unique, so fields after the id do not matter.
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
    throw invalid(`cannot sort by ${JSON.stringify(name)}; expected one of ${names}, ${numberNames()}`);
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

/** Texts compare by code units. Values of one field have one type, if present. */
function compareValues(left: SortValue, right: SortValue, isDescending: boolean): number {
  if (left === right) return 0;
  if (left === null) return 1;
  if (right === null) return -1;
  return left < right === isDescending ? 1 : -1;
}

function invalid(detail: string): PulselaneError {
  return new PulselaneError('invalid_argument', detail);
}
