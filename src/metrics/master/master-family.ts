/** What a family of the master is: how it is named, and how its series are read. */
import type { Clock } from '../../lib/clock.ts';
import type { Directory } from '../../reading/directory.ts';
import type { BoardReader } from '../../store/board.ts';
import type { MasterFigures } from '../../store/master-figures.ts';
import type { Family, Label, Series } from '../family.ts';
import type { ProcessMetrics } from './process-metrics.ts';

/** What a reading thread has of the master. */
export interface MasterSource {
  readonly directory: Directory;
  readonly clock: Pick<Clock, 'monotonicMs' | 'wallMs'>;
  /** Undefined: nothing of the process is shown but main's heap. */
  readonly process?: ProcessMetrics | undefined;
}

/** The same, read once for all families. */
export interface MasterFacts {
  readonly directory: Directory;
  readonly board: BoardReader;
  readonly figures: MasterFigures;
  /** When the master's counts began. */
  readonly startedUnixMs: number;
  readonly nowMonotonicMs: number;
  readonly nowUnixMs: number;
}

export interface MasterFamily extends Family {
  /** Names of the labels of its series. */
  readonly labels: readonly string[];
  /** No series: the family is left out. */
  readonly read: (facts: MasterFacts) => readonly Series[];
}

export function factsOf({ directory, clock }: MasterSource): MasterFacts {
  const { board } = directory;
  return {
    directory,
    board,
    figures: board.figures(),
    startedUnixMs: board.startedUnixMs,
    nowMonotonicMs: clock.monotonicMs(),
    nowUnixMs: clock.wallMs(),
  };
}

/** A gauge without labels. Undefined: at present there is none. */
export function gauge(
  name: string,
  help: string,
  read: (facts: MasterFacts) => number | undefined,
  unit?: string,
): MasterFamily {
  return {
    ...familyOf(name, 'gauge', help, unit),
    labels: [],
    read: (facts) => {
      const value = read(facts);
      return value === undefined ? [] : [{ labels: [], value }];
    },
  };
}

/** A gauge with one series per name. */
export function gaugeBy(
  name: string,
  label: string,
  help: string,
  read: (facts: MasterFacts) => Readonly<Record<string, number>>,
  unit?: string,
): MasterFamily {
  return {
    ...familyOf(name, 'gauge', help, unit),
    labels: [label],
    read: (facts) => Object.entries(read(facts)).map(([of, value]) => ({ labels: [[label, of]], value })),
  };
}

/** A count without labels since the master's start. Undefined: at present there is none. */
export function counter(
  name: string,
  help: string,
  read: (facts: MasterFacts) => number | undefined,
  unit?: string,
): MasterFamily {
  return {
    ...familyOf(name, 'counter', help, unit),
    labels: [],
    read: (facts) => {
      const value = read(facts);
      return value === undefined ? [] : [counted([], value, facts)];
    },
  };
}

/** Counts since the master's start, one series per name. */
export function counterBy(
  name: string,
  label: string,
  help: string,
  read: (facts: MasterFacts) => Readonly<Record<string, number>>,
): MasterFamily {
  return {
    ...familyOf(name, 'counter', help),
    labels: [label],
    read: (facts) => Object.entries(read(facts)).map(([of, value]) => counted([[label, of]], value, facts)),
  };
}

export function counted(labels: readonly Label[], value: number, { startedUnixMs }: MasterFacts): Series {
  return { labels, value, createdUnixMs: startedUnixMs };
}

function familyOf(name: string, type: Family['type'], help: string, unit?: string): Family {
  return { name: `pulselane_${name}`, type, help, ...(unit === undefined ? {} : { unit }) };
}
