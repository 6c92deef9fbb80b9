/**
 * Series that people write to try rules, in the notation of promtool's unit tests.
 *
 * | token       | values                                                     |
 * |-------------|------------------------------------------------------------|
 * | `5`         | 5                                                          |
 * | `5x3`       | 5, and three times again                                   |
 * | `5+2x3`     | 5 7 9 11                                                   |
 * | `_`, `_x3`  | no value; three times none                                 |
 * | `activex3`  | the text (or `true`, `false`), and three times again       |
 */
import { z } from 'zod';
import { durationMs, Expected } from '../../config/kinds.ts';
import { NAMES } from '../expression/names.ts';
import { nearName, suggestion } from '../expression/near-name.ts';
import { type Path, readDocument } from '../rules/document.ts';
import type { RuleProblem } from '../rules/place.ts';
import { Problems } from '../rules/problems.ts';
import { NumberTrack, type ReplayChange, type ReplaySource, type ReplayWorker } from './track.ts';

/** Of all series together: a week of one worker at 5 s has 120,960 values a name. */
const MAX_VALUES = 5_000_000;
const DEFAULT_START = '2027-01-01T00:00:00Z';

const duration = z
  .union([z.string(), z.literal(0)], { error: 'expected a duration such as 5s' })
  .transform((given, context) => {
    try {
      return durationMs({ maxMs: 3_650 * 86_400_000 }).parse(String(given));
    } catch (error) {
      if (!(error instanceof Expected)) throw error;
      context.addIssue({ code: 'custom', message: `expected ${error.message}` });
      return z.NEVER;
    }
  });
const text = z.string({ error: 'expected a text' }).min(1, { error: 'expected a text' });
const values = z.record(
  z.string(),
  z.union([z.string(), z.number(), z.boolean()], { error: 'expected values such as "50x10 95x20"' }),
  {
    error: 'expected values by name, such as { cpu_usage: "50x10 95x20" }',
  },
);

const seriesSchema = z.strictObject({
  worker: text.optional(),
  group: z.string({ error: 'expected a text' }).optional(),
  labels: z.record(z.string(), z.string({ error: 'expected a text' })).default({}),
  values,
});

const expectationSchema = z.strictObject({
  alert: text,
  worker: text.optional(),
  group: z.string().optional(),
  at: duration,
  until: duration.optional(),
});

const fixtureSchema = z.strictObject({
  interval: duration.default(5_000),
  start: z.iso.datetime({ error: `expected a time such as ${DEFAULT_START}` }).default(DEFAULT_START),
  series: z.array(z.unknown(), { error: 'expected a list of series' }),
  expect: z.array(z.unknown(), { error: 'expected a list of alerts' }).optional(),
});

/** An alert that should fire. Times count from the start of the series. */
export interface Expectation {
  readonly alert: string;
  /** A worker, a group, or empty: the cluster. */
  readonly subject: string;
  readonly atMs: number;
  /** Undefined: no matter. */
  readonly untilMs: number | undefined;
}

export interface Fixture {
  readonly source: ReplaySource;
  /** Undefined: the file expects nothing. */
  readonly expectations: readonly Expectation[] | undefined;
}

export type ParsedFixture =
  | { readonly fixture: Fixture; readonly problems?: undefined }
  | { readonly fixture?: undefined; readonly problems: readonly RuleProblem[] };

/** What a worker has without a series. */
const ALWAYS_KNOWN = [
  'worker_id',
  'group',
  'state',
  'state_seconds',
  'stuck',
  'flapping',
  'lane_state',
  'labels',
  'metrics',
];
const OF_GROUPS = ['name', 'workers', 'active', 'inactive', 'brake', 'history_state'];

export function parseFixture(file: string): ParsedFixture {
  const document = readDocument(file);
  const problems = new Problems(document.places);
  problems.addAll(document.problems);
  const fixture = document.value === undefined ? undefined : fixtureOf(document.value, problems);
  return fixture === undefined || problems.found.length > 0 ? { problems: problems.found } : { fixture };
}

function fixtureOf(value: unknown, problems: Problems): Fixture | undefined {
  const fields = problems.parse(fixtureSchema, value, [], 'fixture');
  if (fields === undefined) return undefined;
  const fromMs = Date.parse(fields.start);
  const intervalMs = Math.max(1, fields.interval);
  const workers: ReplayWorker[] = [];
  const brakes: { atMs: number; group: string; isActive: boolean }[] = [];
  const knows = new Set([...ALWAYS_KNOWN, ...OF_GROUPS]);
  const budget = { left: MAX_VALUES };
  let length = 1;
  for (const [index, one] of fields.series.entries()) {
    const path: Path = ['series', index];
    const series = problems.parse(seriesSchema, one, path, `series ${index + 1}`);
    if (series === undefined) continue;
    const read = Object.entries(series.values).map(([name, written]) => {
      const at = [...path, 'values', name];
      return { name, at, list: valuesOf(String(written), at, problems, budget) };
    });
    length = Math.max(length, ...read.map(({ list }) => list.length));
    if (series.worker === undefined) {
      for (const { name, at, list } of read) {
        if (name !== 'brake')
          problems.addAt(
            problems.places.ofKey(at),
            `series ${index + 1}: ${name} is not a series of a group; expected brake`,
          );
        for (const [step, isActive] of changesOf(list)) {
          brakes.push({ atMs: fromMs + step * intervalMs, group: series.group ?? '', isActive: isActive === true });
        }
      }
      continue;
    }
    const numbers = new Map<string, NumberTrack>();
    const changes: ReplayChange[] = [];
    if (read.every(({ name }) => name !== 'state')) changes.push({ atMs: fromMs, name: 'state', value: 'active' });
    for (const { name, at, list } of read) {
      if (!isSeriesName(name)) {
        const message = `series ${index + 1}: there is no series ${name}; ${suggestion(name, [...SERIES_NAMES, 'metrics.…'])}`;
        problems.addAt(problems.places.ofKey(at), message);
        continue;
      }
      knows.add(name);
      if (isNumberName(name)) numbers.set(name, trackOf(list, fromMs, intervalMs, at, problems));
      else
        for (const [step, entry] of changesOf(list))
          changes.push(changeOf(name, entry, fromMs + step * intervalMs, at, problems));
    }
    workers.push({
      workerId: series.worker,
      group: series.group ?? '',
      labels: series.labels,
      numbers,
      changes: changes.toSorted((a, b) => a.atMs - b.atMs),
    });
  }
  const expectations = fields.expect?.flatMap((one, index) => {
    const found = problems.parse(expectationSchema, one, ['expect', index], `expectation ${index + 1}`);
    if (found === undefined) return [];
    const { alert, worker, group, at, until } = found;
    return [{ alert, subject: worker ?? group ?? '', atMs: at, untilMs: until }];
  });
  const toMs = fromMs + (length - 1) * intervalMs;
  const source = { workers, brakes: brakes.toSorted((a, b) => a.atMs - b.atMs), fromMs, toMs, knows, stepMs: () => 0 };
  return { source, expectations };
}

/** Names of numbers, texts and truth values that a series may have. */
const SERIES_NAMES = Object.entries(NAMES.worker)
  .filter(
    ([name, { type }]) =>
      ['int', 'double', 'string', 'bool'].includes(type) && !['worker_id', 'group', 'state_seconds'].includes(name),
  )
  .map(([name]) => name);

function isSeriesName(name: string): boolean {
  return SERIES_NAMES.includes(name) || /^metrics\../.test(name);
}

function isNumberName(name: string): boolean {
  const type = Object.hasOwn(NAMES.worker, name) ? NAMES.worker[name]?.type : 'double';
  return type === 'int' || type === 'double';
}

type Entry = number | string | boolean | undefined;

const NUMBER = '-?\\d+(?:\\.\\d+)?(?:e[-+]?\\d+)?';
const TOKEN = new RegExp(
  `^(?:(?<missing>_)(?:x(?<times>\\d+))?|(?<from>${NUMBER})(?:(?<step>[-+]\\d+(?:\\.\\d+)?)?x(?<more>\\d+))?|(?<word>[a-z_]+?)(?:x(?<again>\\d+))?)$`,
  'i',
);

function valuesOf(written: string, path: Path, problems: Problems, budget: { left: number }): Entry[] {
  const list: Entry[] = [];
  const take = (entry: Entry) => {
    if (budget.left-- > 0) list.push(entry);
  };
  for (const token of written.trim().split(/\s+/)) {
    const groups = TOKEN.exec(token)?.groups;
    if (groups === undefined) {
      problems.add(
        path,
        `${path.at(-1)}: found ${JSON.stringify(token)}; expected values such as 5, 5x10, 5+2x10, _x3 or activex10`,
      );
      return list;
    }
    const { missing, times = '1', from, step = '0', more = '0', word, again = '0' } = groups;
    if (missing !== undefined) for (let n = 0; n < Number(times) && budget.left >= 0; n++) take(undefined);
    else if (from !== undefined)
      for (let n = 0; n <= Number(more) && budget.left >= 0; n++) take(Number(from) + n * Number(step));
    else
      for (let n = 0; n <= Number(again) && budget.left >= 0; n++)
        take(word === 'true' ? true : word === 'false' ? false : word);
    if (budget.left < 0) {
      problems.add(
        path,
        `${path.at(-1)}: all series together have more than ${MAX_VALUES} values; at most that many are allowed`,
      );
      return list;
    }
  }
  return list;
}

function trackOf(
  list: readonly Entry[],
  fromMs: number,
  intervalMs: number,
  path: Path,
  problems: Problems,
): NumberTrack {
  const track = new NumberTrack();
  const wrong = list.find((entry) => entry !== undefined && typeof entry !== 'number');
  if (wrong !== undefined) problems.add(path, `${path.at(-1)}: found ${JSON.stringify(wrong)}; expected numbers`);
  for (const [step, entry] of list.entries())
    track.add(fromMs + step * intervalMs, typeof entry === 'number' ? entry : Number.NaN);
  // Behind the last value there is none.
  track.add(fromMs + list.length * intervalMs, Number.NaN);
  return track;
}

/** The first of equal ones in a row; missing ones change nothing. */
function changesOf(list: readonly Entry[]): [number, Entry][] {
  const changes: [number, Entry][] = [];
  for (const [step, entry] of list.entries()) {
    if (entry !== undefined && entry !== changes.at(-1)?.[1]) changes.push([step, entry]);
  }
  return changes;
}

function changeOf(name: string, entry: Entry, atMs: number, path: Path, problems: Problems): ReplayChange {
  const { type, values: known } = NAMES.worker[name] ?? {};
  const isRight = type === 'bool' ? typeof entry === 'boolean' : typeof entry === 'string';
  const isKnown = known === undefined || known.includes(String(entry));
  if (!isRight)
    problems.add(
      path,
      `${name}: found ${JSON.stringify(entry)}; expected ${type === 'bool' ? 'true or false' : 'a text'}`,
    );
  else if (!isKnown) {
    const meant = nearName(String(entry), known);
    problems.add(
      path,
      `${name} is never ${JSON.stringify(entry)}; ${meant === undefined ? `expected one of ${known.join(', ')}` : `did you mean ${meant}?`}`,
    );
  }
  return { atMs, name, value: typeof entry === 'boolean' ? entry : String(entry) };
}
