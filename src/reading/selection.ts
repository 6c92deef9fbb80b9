/** Selects workers by filters, all of which a worker must pass. */
import type { LaneKind } from '../model/lanes.ts';
import type { WorkerState } from '../model/liveness.ts';
import type { Directory, WorkerEntry } from './directory.ts';
import { ParsedRecord } from './parsed-record.ts';
import { groupOf, metricIn, numberReader, rowOf } from './values.ts';

/** Filters as plain data that can be sent to another thread. An undefined or empty one filters nothing. */
export interface Criteria {
  /** One of these. */
  readonly states: readonly WorkerState[];
  /** The kind of the worker's lane is one of these. */
  readonly isolation: readonly LaneKind[];
  /** Empty: workers without a group. */
  readonly group: string | undefined;
  /** The start of the id. */
  readonly prefix: string;
  /** Labels with exactly these values. */
  readonly labels: readonly (readonly [name: string, value: string])[];
  readonly ranges: readonly Range[];
}

/** Bounds of a number, both inclusive. */
export interface Range {
  /** A name that {@link numberReader} accepts. */
  readonly field: string;
  readonly least: number;
  readonly most: number;
}

export const NO_CRITERIA: Criteria = {
  states: [],
  isolation: [],
  group: undefined,
  prefix: '',
  labels: [],
  ranges: [],
};

export interface Selection {
  /** Equal for selections of equal filters; empty for all workers. */
  readonly key: string;
  readonly criteria: Criteria;
  /** @param reading the worker's parsed record, if the caller shares one */
  matches(entry: WorkerEntry, directory: Directory, reading?: ParsedRecord): boolean;
}

type Test = (reading: ParsedRecord, directory: Directory) => boolean;

export function selectionBy(given: Criteria): Selection {
  const criteria = canonical(given);
  const tests = testsOf(criteria);
  return {
    key: keyOf(criteria),
    criteria,
    matches: (entry, directory, reading = new ParsedRecord(entry)) => tests.every((test) => test(reading, directory)),
  };
}

export const ALL: Selection = selectionBy(NO_CRITERIA);

/** Normalises filters: without duplicates and in a fixed order. */
function canonical({ states, isolation, group, prefix, labels, ranges }: Criteria): Criteria {
  return {
    states: [...new Set(states)].sort(),
    isolation: [...new Set(isolation)].sort(),
    group,
    prefix,
    labels: [...labels].sort(([left], [right]) => byCodeUnits(left, right)),
    ranges: [...ranges].sort((left, right) => byCodeUnits(left.field, right.field)),
  };
}

function byCodeUnits(left: string, right: string): number {
  return left < right ? -1 : Number(left > right);
}

function keyOf({ states, isolation, group, prefix, labels, ranges }: Criteria): string {
  const filters = [
    ...(states.length === 0 ? [] : [['state', ...states]]),
    ...(isolation.length === 0 ? [] : [['isolation', ...isolation]]),
    ...(group === undefined ? [] : [['group', group]]),
    ...(prefix === '' ? [] : [['prefix', prefix]]),
    ...labels.map(([name, value]) => ['label', name, value]),
    // As strings: JSON has no infinity.
    ...ranges.map(({ field, least, most }) => ['range', field, String(least), String(most)]),
  ];
  return filters.length === 0 ? '' : JSON.stringify(filters);
}

/** Cheap tests first: they exclude most workers before a record is read. */
function testsOf({ states, isolation, group, prefix, labels, ranges }: Criteria): Test[] {
  const tests: Test[] = [];
  if (prefix !== '') tests.push(({ entry }) => entry.workerId.startsWith(prefix));
  if (states.length > 0) tests.push((reading, { board }) => states.includes(board.state(rowOf(reading))));
  if (isolation.length > 0) tests.push((reading, { board }) => isolation.includes(board.lane(rowOf(reading)).kind));
  if (group !== undefined) tests.push(({ entry }) => groupOf(entry) === group);
  for (const [name, value] of labels) {
    tests.push(
      ({ entry: { facts } }) =>
        facts !== undefined && Object.hasOwn(facts.labels, name) && facts.labels[name] === value,
    );
  }
  // Finding and parsing the custom metrics costs more than all other tests together.
  const isCustom = ({ field }: Range) => metricIn(field) !== undefined;
  for (const range of [...ranges.filter((range) => !isCustom(range)), ...ranges.filter(isCustom)]) {
    const read = numberReader(range.field);
    if (read !== undefined) tests.push((reading, directory) => isWithin(range, read(reading, directory)));
  }
  return tests;
}

/** A missing value is in no range. */
function isWithin({ least, most }: Range, value: number | undefined): boolean {
  return value !== undefined && value >= least && value <= most;
}
