/** The names of metrics in requests. */
import { BASE_METRICS, type MetricKey } from '../samples.ts';
import { QueryProblem } from './problem.ts';

const CUSTOM_PREFIX = 'metrics.';
/** Enough to find the right one; a worker may have 64 besides the base ones. */
const MAX_NAMES_SHOWN = 100;

/**
 * The keys of the metrics that were asked for, each once: a key, the bare name of a custom metric, or several of either,
 * separated by commas. Nothing: the base metrics.
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
  if (names.length === 0) return BASE_METRICS;
  const keys = names.map((name) => {
    const key = keyOf(name.trim());
    if (key !== undefined) return key;
    throw new QueryProblem('invalid_argument', unknownText(name, others), parameter);
  });
  return [...new Set(keys)];
}

function unknownText(name: string, others: ReadonlySet<MetricKey>): string {
  const all = [...new Set<MetricKey>([...BASE_METRICS, ...[...others].sort()])];
  const more = all.length - MAX_NAMES_SHOWN;
  const shown = all.slice(0, MAX_NAMES_SHOWN).join(', ') + (more > 0 ? ` and ${more} more` : '');
  return `unknown metric ${JSON.stringify(name.slice(0, 100))}; expected one of ${shown}`;
}

/** Whether all of these are base metrics, which every worker has. */
export function areBase(asked: readonly string[]): boolean {
  return asked.every((text) =>
    text.split(',').every((name) => (BASE_METRICS as readonly string[]).includes(name.trim())),
  );
}
