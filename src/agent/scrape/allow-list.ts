/** Which series are taken: those whose metric and labels match a pattern. */
import type { SeriesPattern } from '../../config/series-patterns.ts';
import type { Sample } from './sample-line.ts';

interface Matcher {
  readonly text: string;
  readonly metric: Glob;
  readonly labels: readonly (readonly [name: string, value: Glob])[];
}

export class AllowList {
  readonly #matchers: readonly Matcher[];
  /** Have matched a series of any exporter. */
  readonly #used = new Set<Matcher>();

  constructor(patterns: readonly SeriesPattern[]) {
    this.#matchers = patterns.map(({ text, metric, labels }) => ({
      text,
      metric: globOf(metric),
      labels: labels.map(([name, value]) => [name, globOf(value)] as const),
    }));
  }

  has(sample: Sample): boolean {
    let isChosen = false;
    for (const matcher of this.#matchers) {
      // Asked although another one has chosen it, until it is known not to be misspelt.
      if (isChosen && this.#used.has(matcher)) continue;
      if (!isMatch(matcher, sample)) continue;
      isChosen = true;
      this.#used.add(matcher);
    }
    return isChosen;
  }

  /** Patterns that no series has matched so far, as they were given. */
  get unused(): readonly string[] {
    return this.#matchers.filter((matcher) => !this.#used.has(matcher)).map(({ text }) => text);
  }
}

function isMatch({ metric, labels }: Matcher, sample: Sample): boolean {
  if (!matches(metric, sample.name)) return false;
  return labels.every(([name, glob]) => sample.labels.some(([key, value]) => key === name && matches(glob, value)));
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
