/** Which format a client gets. See https://prometheus.io/docs/instrumenting/content_negotiation */
import { DEFAULT_FORMAT, ESCAPINGS, type Escaping, type Format, formatOf, type MediaTypeName } from './format.ts';

/**
 * The format with the highest quality of those that the client accepts; the first of equal ones, and wildcards last. A
 * client that accepts none of them gets text 0.0.4, as from Prometheus's own libraries: better than no metrics.
 * @param accept the header; absent: text 0.0.4
 */
export function negotiate(accept: string | undefined): Format {
  const ranges = split(accept ?? '', ',').map(rangeOf);
  let best: { readonly format: Format; readonly quality: number; readonly isWildcard: boolean } | undefined;
  for (const { type, parameters, quality } of ranges) {
    const name = mediaTypeOf(type, parameters);
    if (name === undefined || quality === 0) continue;
    const isWildcard = type.endsWith('/*');
    const isBetter =
      best === undefined || quality > best.quality || (quality === best.quality && best.isWildcard && !isWildcard);
    if (isBetter) best = { format: formatOf(name, escapingOf(parameters)), quality, isWildcard };
  }
  return best?.format ?? DEFAULT_FORMAT;
}

type Parameters = ReadonlyMap<string, string>;

interface Range {
  readonly type: string;
  readonly parameters: Parameters;
  readonly quality: number;
}

/** Undefined: a type or version that is not served. */
function mediaTypeOf(type: string, parameters: Parameters): MediaTypeName | undefined {
  const version = parameters.get('version');
  switch (type) {
    case '*/*':
    case 'text/*':
      return 'text004';
    case 'text/plain':
      if (version === '1.0.0') return 'text100';
      return version === undefined || version === '0.0.4' ? 'text004' : undefined;
    case 'application/openmetrics-text':
      if (version === '1.0.0') return 'openmetrics100';
      return version === undefined || version === '0.0.1' ? 'openmetrics001' : undefined;
    case 'application/vnd.google.protobuf': {
      const isOurs = parameters.get('proto') === 'io.prometheus.client.MetricFamily';
      return isOurs && parameters.get('encoding') === 'delimited' ? 'protobuf' : undefined;
    }
    default:
      return undefined;
  }
}

/** An unknown scheme is as none. */
function escapingOf(parameters: Parameters): Escaping | undefined {
  const asked = parameters.get('escaping');
  return ESCAPINGS.find((escaping) => escaping === asked);
}

function rangeOf(text: string): Range {
  const [type = '', ...rest] = split(text, ';');
  const parameters = new Map<string, string>();
  for (const parameter of rest) {
    const equals = parameter.indexOf('=');
    if (equals < 0) continue;
    parameters.set(parameter.slice(0, equals).trim().toLowerCase(), unquoted(parameter.slice(equals + 1).trim()));
  }
  return { type: type.trim().toLowerCase(), parameters, quality: qualityOf(parameters.get('q')) };
}

/** RFC 9110, section 12.4.2: 0 to 1 with at most three digits. Anything else counts as 0: it cannot be preferred. */
function qualityOf(text: string | undefined): number {
  if (text === undefined) return 1;
  return /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(text) ? Number(text) : 0;
}

/** Splits outside of quoted strings. */
function split(text: string, separator: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (isQuoted && character === '\\') at++;
    else if (character === '"') isQuoted = !isQuoted;
    else if (character === separator && !isQuoted) {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

function unquoted(text: string): string {
  return text.length >= 2 && text.startsWith('"') && text.endsWith('"')
    ? text.slice(1, -1).replace(/\\(.)/g, '$1')
    : text;
}
