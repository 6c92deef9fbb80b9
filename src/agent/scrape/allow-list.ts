/**
 * Which series are taken. `*` in a pattern stands for any text. A pattern without braces names metrics, with all their series; one
 * with braces names series as their custom metrics are called: `node_network_*{device=eth0}`.
 */
export class AllowList {
  readonly #metrics: readonly Glob[];
  readonly #series: readonly Glob[];

  constructor(patterns: readonly string[]) {
    const isOfSeries = (pattern: string) => pattern.includes('{');
    this.#metrics = patterns.filter((pattern) => !isOfSeries(pattern)).map(globOf);
    this.#series = patterns.filter(isOfSeries).map(globOf);
  }

  /** @param seriesName made only if it decides */
  has(metric: string, seriesName: () => string): boolean {
    if (this.#metrics.some((glob) => matches(glob, metric))) return true;
    if (this.#series.length === 0) return false;
    const name = seriesName();
    return this.#series.some((glob) => matches(glob, name));
  }
}

/** The texts between the stars. */
type Glob = readonly string[];

function globOf(pattern: string): Glob {
  return pattern.split('*');
}

/** Each text is looked for once from where the last one ended: its time grows with the text's length, whatever the pattern. */
function matches(glob: Glob, text: string): boolean {
  const first = glob[0] as string;
  if (glob.length === 1) return text === first;
  if (!text.startsWith(first)) return false;
  const last = glob.at(-1) as string;
  const end = text.length - last.length;
  let at = first.length;
  for (const part of glob.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= end && text.endsWith(last);
}
