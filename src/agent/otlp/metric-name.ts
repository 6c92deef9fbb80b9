/**
 * The name of the custom metric that a data point becomes: the metric's own, then the point's attributes in braces, sorted by key.
 *
 *     queue.length
 *     queue.length{priority=high,queue=render}
 *     http.server.request.duration.count{http.route="/a,b"}
 *
 * Attributes of the resource and of the scope are not part of it: the worker is the resource. A key or value that contains a character
 * of the notation, or is empty, is quoted as in JSON, so that different attributes never have the same name.
 */
import type { Attribute } from './metrics-request.ts';

const NEEDS_QUOTES = /[{},="\\\p{Cc}]|^$/u;

/** @param attributes of different keys, with values */
export function customMetricNameOf(metric: string, attributes: readonly (readonly [string, string])[]): string {
  if (attributes.length === 0) return metric;
  const sorted = attributes.toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `${metric}{${sorted.map(([key, value]) => `${quoted(key)}=${quoted(value)}`).join(',')}}`;
}

function quoted(text: string): string {
  return NEEDS_QUOTES.test(text) ? JSON.stringify(text) : text;
}

/** What is wrong with these attributes; undefined: nothing. */
export function attributesProblem(attributes: readonly Attribute[], most: number): string | undefined {
  if (attributes.length > most) return `it has ${attributes.length} attributes, more than ${most}`;
  const keys = new Set<string>();
  for (const [key, value] of attributes) {
    if (value === undefined)
      return `attribute "${key}" is an array, a map or bytes; expected a text, a number or a boolean`;
    if (keys.has(key)) return `attribute "${key}" is there twice`;
    keys.add(key);
  }
  return undefined;
}
