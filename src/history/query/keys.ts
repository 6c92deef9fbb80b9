/** The names of metrics in requests. */
import { BASE_METRICS, type MetricKey, USUAL_METRICS } from '../samples.ts';
import { QueryProblem } from './problem.ts';

const CUSTOM_PREFIX = 'metrics.';
/** Asks for every metric that is kept. A custom metric of this name is asked for by its key. */
export const ALL_METRICS = 'all';
/** Enough to find the right one; a worker may have 64 besides the base ones. */
const MAX_NAMES_SHOWN = 100;

/**
 * The keys of the metrics that were asked for, each once: a key, the bare name of a custom metric, or several of either,
 * separated by commas. Nothing: the usual metrics.
 * @param others that exist besides the base ones
 * @throws QueryProblem that lists what exists
 */
export function keysOf(
  asked: readonly string[],
  others: ReadonlySet<MetricKey>,
  parameter: string,
): readonly MetricKey[] {
  const keyOf = (name: string): MetricKey | undefined => {
    if ((BASE_METRICS as readonly string[]).includes(name) || others.has(name)) return name;
    return others.has(CUSTOM_PREFIX + name) ? CUSTOM_PREFIX + name : undefined;
  };
  // The name of a custom metric may contain a comma.
  const names = asked.flatMap((text) => (keyOf(text) === undefined ? text.split(',') : [text]));
  if (names.length === 0) return USUAL_METRICS;
  const keys = names.map((name) => {
    // The name of a custom metric may begin or end with a blank.
    const key = keyOf(name) ?? keyOf(name.trim());
    if (key !== undefined) return key;
    throw new QueryProblem('invalid_argument', unknownText(name, others), parameter);
  });
  return [...new Set(keys)];
}

/** As {@link keysOf}, but `all` stands for all that exist: first the base metrics, then the others by name. */
export function keysOrAll(
  asked: readonly string[],
  others: ReadonlySet<MetricKey>,
  parameter: string,
): readonly MetricKey[] {
  const wantsAll = asked.some((text) => !others.has(CUSTOM_PREFIX + text) && partsOf(text).includes(ALL_METRICS));
  return wantsAll || asked.includes(ALL_METRICS) ? allOf(others) : keysOf(asked, others, parameter);
}

const partsOf = (text: string) => text.split(',').map((part) => part.trim());

function allOf(others: ReadonlySet<MetricKey>): readonly MetricKey[] {
  return [...new Set<MetricKey>([...BASE_METRICS, ...[...others].sort()])];
}

function unknownText(name: string, others: ReadonlySet<MetricKey>): string {
  const all = allOf(others);
  const more = all.length - MAX_NAMES_SHOWN;
  const shown = all.slice(0, MAX_NAMES_SHOWN).join(', ') + (more > 0 ? ` and ${more} more` : '');
  return `unknown metric ${JSON.stringify(name.slice(0, 100))}; expected one of ${shown}`;
}

/** Whether all of these are base metrics for sure, which every worker has: a blank may belong to a custom name. */
export function areBase(asked: readonly string[]): boolean {
  return asked.every((text) => text.split(',').every((name) => (BASE_METRICS as readonly string[]).includes(name)));
}
