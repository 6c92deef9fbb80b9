/** Names of metrics and labels under the escaping schemes. See https://prometheus.io/docs/instrumenting/escaping_schemes */
import type { Escaping } from './format.ts';

const METRIC_NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL_NAME = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** Colons belong to recording rules, so label names have none. */
interface Kind {
  readonly whole: RegExp;
  readonly first: RegExp;
  readonly further: RegExp;
}
const METRIC: Kind = { whole: METRIC_NAME, first: /[a-zA-Z_:]/, further: /[a-zA-Z0-9_:]/ };
const LABEL: Kind = { whole: LABEL_NAME, first: /[a-zA-Z_]/, further: /[a-zA-Z0-9_]/ };

export const isLegacyMetricName = (name: string): boolean => METRIC_NAME.test(name);
export const isLegacyLabelName = (name: string): boolean => LABEL_NAME.test(name);

export const escapeMetricName = (name: string, escaping: Escaping): string => escapeName(name, escaping, METRIC);

/**
 * Prometheus keeps names that begin with `__` to itself: `__name__` would rename the metric. Such a label gets the prefix
 * `exported_`, which Prometheus itself gives to labels that it has already.
 */
export function escapeLabelName(name: string, escaping: Escaping): string {
  const escaped = escapeName(name, escaping, LABEL);
  return escaped.startsWith('__') ? `exported_${escaped}` : escaped;
}

function escapeName(unsafeName: string, escaping: Escaping, kind: Kind): string {
  // As it will be written: UTF-8 has no lone surrogates.
  const name = unsafeName.toWellFormed();
  // No scheme has a name for nothing.
  if (name === '') return '_';
  switch (escaping) {
    case 'allow-utf-8':
      return name;
    case 'underscores':
      return kind.whole.test(name) ? name : replaced(name, kind, () => '_');
    case 'dots':
      // Two underscores for other characters, as Prometheus's own library writes them: one could not be read back.
      return replaced(name, kind, (character) => (character === '.' ? '_dot_' : '__'), '__');
    case 'values':
      return kind.whole.test(name) ? name : `U__${replaced(name, kind, codePointOf, '__')}`;
  }
}

function replaced(name: string, kind: Kind, replace: (character: string) => string, underscore = '_'): string {
  let text = '';
  for (const character of name) {
    if (character === '_') text += underscore;
    else if ((text === '' ? kind.first : kind.further).test(character)) text += character;
    else text += replace(character);
  }
  return text;
}

function codePointOf(character: string): string {
  return `_${character.codePointAt(0)?.toString(16)}_`;
}
