/**
 * Patterns of Prometheus series, such as `node_load*` or `node_network_*{device=eth0}`. `*` stands for any text. Labels may be some of
 * a series' labels, in any order, with quotes or without, as in a query.
 */
import { shortText } from '../lib/foreign-text.ts';
import { Expected, type Kind } from './kinds.ts';

/** Plain data, since it travels to the agent's thread. */
export interface SeriesPattern {
  /** As it was given. */
  readonly text: string;
  readonly metric: string;
  readonly labels: readonly (readonly [name: string, value: string])[];
}

/** More are a list that should be a pattern. Each is compared with the names of some thousand series. */
const MAX_SERIES_PATTERNS = 200;

/** Separated by commas; commas within braces separate labels. */
export const seriesPatterns: Kind<readonly SeriesPattern[]> = {
  parse(value) {
    const texts = value
      .split(/,(?![^{]*\})/)
      .map((text) => text.trim())
      .filter((text) => text !== '');
    if (texts.length > MAX_SERIES_PATTERNS) {
      throw new Expected(`at most ${MAX_SERIES_PATTERNS} patterns, not ${texts.length}; "*" stands for any text`);
    }
    return texts.map(seriesPattern);
  },
};

function seriesPattern(text: string): SeriesPattern {
  const [, metric, inner = ''] = /^([^{}",=\s]+)\s*(?:\{(.*)\})?$/s.exec(text) ?? [];
  const labels = metric === undefined ? undefined : labelsIn(inner.trim());
  if (metric === undefined || labels === undefined) {
    throw new Expected(
      `patterns such as node_load1 or node_network_*{device=eth0}, separated by commas; ${JSON.stringify(shortText(text, 64))} is not one`,
    );
  }
  return { text, metric, labels };
}

const LABEL = /\s*([^=,{}"\s]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^,"]*?))\s*(?:,|$)/y;

/** Undefined: they are not labels with values. */
function labelsIn(text: string): [string, string][] | undefined {
  const labels: [string, string][] = [];
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const found = LABEL.exec(text);
    if (found === null) return undefined;
    const [, name = '', quoted, bare = ''] = found;
    labels.push([name, quoted?.replaceAll(/\\(["\\])/g, '$1') ?? bare]);
  }
  return labels;
}
