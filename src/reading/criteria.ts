/** Reads filters from query parameters, and reports every mistake. */
import { LANE_KINDS } from '../model/lanes.ts';
import { WORKER_STATES } from '../model/liveness.ts';
import { NO_CRITERIA, type Range } from './selection.ts';
import { METRIC_PREFIX, NUMBER_NAMES, numberReader } from './values.ts';

/** A wrong parameter. */
export interface Mistake {
  readonly name: string;
  readonly detail: string;
}

/** More than anyone needs; each is tested against every worker. */
const MAX_FILTERS = 32;

const LABEL = 'label.';
const LEAST = 'min.';
const MOST = 'max.';
const NUMBER = /^-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;

/** Filters with fixed names, besides `label.<name>`, `min.<field>` and `max.<field>`. */
export const FILTER_NAMES = ['state', 'group', 'isolation', 'prefix'] as const;

/** Whether a parameter of this name is a filter. */
export function isFilter(name: string): boolean {
  return (
    (FILTER_NAMES as readonly string[]).includes(name) ||
    [LABEL, LEAST, MOST].some((prefix) => name.startsWith(prefix) && name.length > prefix.length)
  );
}

/** Reads the filters among the parameters and ignores the rest. */
export function readCriteria(parameters: Readonly<Record<string, unknown>>) {
  const mistakes: Mistake[] = [];
  const wrong = (name: string, detail: string) => void mistakes.push({ name, detail });
  const labels: [string, string][] = [];
  const ranges = new Map<string, Range>();
  const criteria = { ...NO_CRITERIA };
  const given = Object.entries(parameters).filter(([name, value]) => isFilter(name) && value !== undefined);

  for (const [name, value] of given) {
    if (typeof value !== 'string') wrong(name, 'given more than once');
    else if (name === 'state') criteria.states = someOf(WORKER_STATES, value, (detail) => wrong(name, detail));
    else if (name === 'isolation') criteria.isolation = someOf(LANE_KINDS, value, (detail) => wrong(name, detail));
    else if (name === 'group') criteria.group = value;
    else if (name === 'prefix') criteria.prefix = value;
    else if (name.startsWith(LABEL)) labels.push([name.slice(LABEL.length), value]);
    else bound(name, value);
  }
  if (given.length > MAX_FILTERS) wrong(given[MAX_FILTERS]?.[0] ?? '', `too many filters: at most ${MAX_FILTERS}`);
  return { criteria: { ...criteria, labels, ranges: [...ranges.values()] }, mistakes };

  function bound(name: string, text: string): void {
    const isLeast = name.startsWith(LEAST);
    const field = name.slice(isLeast ? LEAST.length : MOST.length);
    const value = Number(text);
    if (numberReader(field) === undefined) {
      wrong(name, `unknown field ${JSON.stringify(field)}; expected one of ${numberNames()}`);
    } else if (!NUMBER.test(text) || !Number.isFinite(value)) {
      wrong(name, `expected a number, got ${JSON.stringify(text)}`);
    } else {
      const known = ranges.get(field) ?? { field, least: Number.NEGATIVE_INFINITY, most: Number.POSITIVE_INFINITY };
      // Adding 0 turns -0 into 0: the same number must give the same key.
      ranges.set(field, { ...known, [isLeast ? 'least' : 'most']: value + 0 });
    }
  }
}

/** What may follow `min.` and `max.`, for people. */
export function numberNames(): string {
  return `${NUMBER_NAMES.join(', ')} and ${METRIC_PREFIX}<name>`;
}

/** The words of a comma-separated list; calls `wrong` for an unknown one. */
function someOf<Word extends string>(known: readonly Word[], text: string, wrong: (detail: string) => void): Word[] {
  const words = text.split(',');
  const unknown = words.find((word) => !(known as readonly string[]).includes(word));
  if (unknown !== undefined) wrong(`unknown value ${JSON.stringify(unknown)}; expected one of ${known.join(', ')}`);
  return known.filter((word) => words.includes(word));
}
