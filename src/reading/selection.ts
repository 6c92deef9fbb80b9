/** Which workers are meant: filters, all of which a worker has to pass. */
import type { LaneKind } from '../model/lanes.ts';
import type { WorkerState } from '../model/liveness.ts';
import type { Directory, WorkerEntry } from './directory.ts';
import { ParsedRecord } from './parsed-record.ts';
import { groupOf, metricIn, numberReader, rowOf } from './values.ts';

/** Filters as plain data, which also goes from thread to thread. What is undefined or empty filters nothing. */
export interface Criteria {
  /** Any of them. */
  readonly states: readonly WorkerState[];
  /** Kinds of the lane that serves it: any of them. */
  readonly isolation: readonly LaneKind[];
  /** Empty: workers of no group. */
  readonly group: string | undefined;
  /** Of the id. */
  readonly prefix: string;
  /** Each label by its name, with exactly this value. */
  readonly labels: readonly (readonly [name: string, value: string])[];
  readonly ranges: readonly Range[];
}

/** Bounds of a number, both inclusive. */
export interface Range {
  /** As {@link numberReader} knows it. */
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
  /** @param reading of the worker, where somebody else reads it, too */
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

/** The same filters, each once and in one order. */
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
    // As texts: JSON knows no infinity.
    ...ranges.map(({ field, least, most }) => ['range', field, String(least), String(most)]),
  ];
  return filters.length === 0 ? '' : JSON.stringify(filters);
}

/** The cheap ones first: most workers are sorted out before a record is looked into. */
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
  // Finding and parsing the custom metrics costs more than all the rest.
  const isCustom = ({ field }: Range) => metricIn(field) !== undefined;
  for (const range of [...ranges.filter((range) => !isCustom(range)), ...ranges.filter(isCustom)]) {
    const read = numberReader(range.field);
    if (read !== undefined) tests.push((reading, directory) => isWithin(range, read(reading, directory)));
  }
  return tests;
}

/** What is not there is within nothing. */
function isWithin({ least, most }: Range, value: number | undefined): boolean {
  return value !== undefined && value >= least && value <= most;
}
