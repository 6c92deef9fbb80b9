/**
 * The formats of `GET /metrics`, as data.
 * See https://prometheus.io/docs/instrumenting/exposition_formats and
 * https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
 */

/** `plain`: text 0.0.4 and 1.0.0, which differ in names alone. */
export type Syntax = 'plain' | 'openmetrics' | 'protobuf';

/**
 * How names outside of `[a-zA-Z_:][a-zA-Z0-9_:]*` are written.
 * See https://prometheus.io/docs/instrumenting/escaping_schemes
 */
export const ESCAPINGS = ['underscores', 'dots', 'values', 'allow-utf-8'] as const;
export type Escaping = (typeof ESCAPINGS)[number];

export interface Format {
  readonly syntax: Syntax;
  readonly escaping: Escaping;
  /** For the answer's header. */
  readonly contentType: string;
  /** Formats with the same key write the same lines: the key of a cache of text. */
  readonly key: FormatKey;
}

export type FormatKey = `${Syntax}/${Escaping}`;

interface MediaType {
  readonly syntax: Syntax;
  /** Before `escaping`. */
  readonly contentType: string;
  /** Whether names may be quoted. */
  readonly canQuoteNames: boolean;
}

/** By what the client asks for. */
export const MEDIA_TYPES = {
  text004: { syntax: 'plain', contentType: 'text/plain; version=0.0.4; charset=utf-8', canQuoteNames: false },
  text100: { syntax: 'plain', contentType: 'text/plain; version=1.0.0; charset=utf-8', canQuoteNames: true },
  openmetrics001: {
    syntax: 'openmetrics',
    contentType: 'application/openmetrics-text; version=0.0.1; charset=utf-8',
    canQuoteNames: false,
  },
  openmetrics100: {
    syntax: 'openmetrics',
    contentType: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
    canQuoteNames: true,
  },
  protobuf: {
    syntax: 'protobuf',
    contentType: 'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited',
    canQuoteNames: true,
  },
} as const satisfies Readonly<Record<string, MediaType>>;

export type MediaTypeName = keyof typeof MEDIA_TYPES;

/** A media type whose syntax has no quoted names falls back to underscores, which every client understands. */
export function formatOf(name: MediaTypeName, asked: Escaping = 'underscores'): Format {
  const { syntax, contentType, canQuoteNames } = MEDIA_TYPES[name];
  const escaping = asked === 'allow-utf-8' && !canQuoteNames ? 'underscores' : asked;
  return { syntax, escaping, contentType: `${contentType}; escaping=${escaping}`, key: `${syntax}/${escaping}` };
}

/** What clients get that say nothing: every Prometheus and every compatible agent reads it. */
export const DEFAULT_FORMAT = formatOf('text004');
