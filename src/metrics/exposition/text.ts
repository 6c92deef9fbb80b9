/**
 * Lines of the text formats. The parts of a line that do not change with its value are made once: a cache keeps
 * `seriesStart`, and appends `numberText(value)` and a line feed.
 */
import {
  DEFAULT_STATE_LABEL,
  describedName,
  type Family,
  type FamilyWithSeries,
  type Histogram,
  type Label,
  type Series,
} from '../family.ts';
import type { Format } from './format.ts';
import { escapeLabelName, escapeMetricName, isLegacyLabelName, isLegacyMetricName } from './names.ts';

/** The family's comment lines. Its series must follow at once: lines of one family stand together. */
export function familyHeader(family: Family, format: Format): string {
  const { help, unit } = family;
  const isOpenMetrics = format.syntax === 'openmetrics';
  const name = quotedMetricName(isOpenMetrics ? openMetricsName(family, format) : exposedName(family, format));
  const helpText = isOpenMetrics ? escapeQuoted(help) : help.replace(/[\\\n]/g, escapeCharacter);
  const unitLine = isOpenMetrics && unit !== undefined ? `# UNIT ${name} ${unit}\n` : '';
  return `# HELP ${name} ${helpText}\n# TYPE ${name} ${typeName(family, format)}\n${unitLine}`;
}

/** Everything of a series' line before its value. Of histograms, `histogramLines` writes the lines. */
export function seriesStart(family: Family, labels: readonly Label[], format: Format): string {
  const all = format.syntax === 'openmetrics' && family.type === 'stateset' ? withState(family, labels) : labels;
  return lineStart(exposedName(family, format), all, format);
}

/** A value as Go and Python read it. JavaScript's shortest decimal reads back as the same double. */
export function numberText(value: number): string {
  if (Number.isFinite(value)) return Object.is(value, -0) ? '-0' : String(value);
  if (Number.isNaN(value)) return 'NaN';
  return value > 0 ? '+Inf' : '-Inf';
}

/** What follows the last family. */
export function textEnd(format: Format): string {
  return format.syntax === 'openmetrics' ? '# EOF\n' : '';
}

/** A family with its lines. */
export function familyText({ family, series }: FamilyWithSeries, format: Format): string {
  let text = familyHeader(family, format);
  for (const one of series) text += seriesLines(family, one, format);
  return text;
}

function seriesLines(family: Family, { labels, value, createdUnixMs }: Series, format: Format): string {
  const lines =
    typeof value === 'number'
      ? `${seriesStart(family, labels, format)}${numberText(value)}\n`
      : histogramLines(family, labels, value, format);
  if (format.syntax !== 'openmetrics' || createdUnixMs === undefined) return lines;
  return `${lines}${lineStart(`${openMetricsName(family, format)}_created`, labels, format)}${createdUnixMs / 1000}\n`;
}

/** Classic buckets: text has no native ones. */
function histogramLines(family: Family, labels: readonly Label[], histogram: Histogram, format: Format): string {
  const name = exposedName(family, format);
  const bucket = (upperBound: number, count: number): string =>
    `${lineStart(`${name}_bucket`, [...labels, ['le', upperBoundText(upperBound)]], format)}${count}\n`;
  let text = '';
  for (const [index, upperBound] of histogram.upperBounds.entries()) {
    text += bucket(upperBound, histogram.cumulativeCounts[index] as number);
  }
  text += bucket(Number.POSITIVE_INFINITY, histogram.count);
  text += `${lineStart(`${name}_sum`, labels, format)}${numberText(histogram.sum)}\n`;
  return `${text}${lineStart(`${name}_count`, labels, format)}${histogram.count}\n`;
}

/** OpenMetrics wants a fraction, and Prometheus writes one for protobuf: so it is one series in all formats. */
export function upperBoundText(upperBound: number): string {
  const text = numberText(upperBound);
  return /^-?\d+$/.test(text) ? `${text}.0` : text;
}

/** With its type's suffix, as series have it: `x_total`, `x_info`; of histograms without `_bucket`. */
export function exposedName(family: Family, { escaping }: Format): string {
  return escapeMetricName(describedName(family), escaping);
}

/** Without the suffix, also if escaping has doubled its underscore. */
function openMetricsName(family: Family, format: Format): string {
  const suffixLength = describedName(family).length - family.name.length;
  const name = exposedName(family, format);
  return name.slice(0, name.length - suffixLength);
}

function typeName({ type }: Family, { syntax }: Format): string {
  return syntax === 'plain' && (type === 'info' || type === 'stateset') ? 'gauge' : type;
}

/**
 * OpenMetrics names the label that holds a state after its family. The plain label stays beside it, so that a query fits
 * whatever format was negotiated.
 */
function withState(family: Family, labels: readonly Label[]): readonly Label[] {
  const stateLabel = family.stateLabel ?? DEFAULT_STATE_LABEL;
  const state = labels.find(([name]) => name === stateLabel);
  return state === undefined ? labels : [...labels, [family.name, state[1]]];
}

function lineStart(name: string, labels: readonly Label[], format: Format): string {
  const parts = uniqueLabels(labels, format).map(
    ([label, value]) => `${quotedLabelName(label)}="${escapeQuoted(value)}"`,
  );
  if (!isLegacyMetricName(name)) parts.unshift(`"${escapeQuoted(name)}"`);
  const braces = parts.length === 0 ? '' : `{${parts.join(',')}}`;
  return isLegacyMetricName(name) ? `${name}${braces} ` : `${braces} `;
}

/**
 * Labels with escaped names. Of two names that escape to the same one the first stays: with both, Prometheus would refuse
 * the whole scrape.
 */
export function uniqueLabels(labels: readonly Label[], { escaping }: Format): readonly Label[] {
  const names = new Set<string>();
  const unique: Label[] = [];
  for (const [name, value] of labels) {
    const escaped = escapeLabelName(name, escaping);
    if (names.has(escaped)) continue;
    names.add(escaped);
    unique.push([escaped, value]);
  }
  return unique;
}

const quotedMetricName = (name: string): string => (isLegacyMetricName(name) ? name : `"${escapeQuoted(name)}"`);
const quotedLabelName = (name: string): string => (isLegacyLabelName(name) ? name : `"${escapeQuoted(name)}"`);

/** For between double quotes. */
export function escapeQuoted(text: string): string {
  return /[\\"\n]/.test(text) ? text.replace(/[\\"\n]/g, escapeCharacter) : text;
}

function escapeCharacter(character: string): string {
  return character === '\n' ? '\\n' : `\\${character}`;
}
