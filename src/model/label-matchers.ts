/**
 * Matchers of labels as text, in the syntax of Alertmanager and amtool, and what they match. One list of them is true if each
 * is; a label that is missing has the empty value.
 *
 * | text        | matches if the value           |
 * |-------------|--------------------------------|
 * | `a="b"`     | is b                           |
 * | `a!="b"`    | is not b                       |
 * | `a=~"b.*"`  | as a whole matches the pattern |
 * | `a!~"b.*"`  | does not match it              |
 */
import { messageOf, PulselaneError } from '../lib/errors.ts';
import { wholeTextRegExp } from '../lib/linear-regexp.ts';
import type { LabelMatcher } from './silence.ts';

/** Longer patterns are mistakes; patterns are compiled for each request and each silence. */
export const MAX_PATTERN_LENGTH = 1024;

const EXPECTED =
  'expected a matcher such as severity="page", worker=~"rack-7-.*", group!="test" or alertname!~"Host.*"';

/** @throws PulselaneError `invalid_argument`, naming what was wrong */
export function parseMatcher(text: string): LabelMatcher {
  const [, name = '', operator = '', rest = ''] = /^\s*([^\s=!~"{}]+)\s*(=~|!~|!=|=)\s*(.*?)\s*$/s.exec(text) ?? [];
  if (name === '') throw new PulselaneError('invalid_argument', EXPECTED);
  const matcher: LabelMatcher = {
    name,
    value: rest.startsWith('"') ? unquoted(rest) : rest,
    isRegex: operator.endsWith('~'),
    isEqual: operator.startsWith('='),
  };
  checkMatcher(matcher);
  return matcher;
}

function unquoted(text: string): string {
  try {
    return JSON.parse(text) as string;
  } catch {
    throw new PulselaneError('invalid_argument', `the value is not a complete "…" text; ${EXPECTED}`);
  }
}

/** @throws PulselaneError `invalid_argument` if its pattern cannot be used */
export function checkMatcher({ value, isRegex }: LabelMatcher): void {
  if (!isRegex) return;
  if (value.length > MAX_PATTERN_LENGTH) {
    throw new PulselaneError(
      'invalid_argument',
      `the pattern has ${value.length} characters; expected at most ${MAX_PATTERN_LENGTH}`,
    );
  }
  try {
    wholeTextRegExp(value);
  } catch (error) {
    const reason = messageOf(error).replace(/^Invalid regular expression: \/.*\/\w*: /s, '');
    throw new PulselaneError('invalid_argument', `the pattern ${JSON.stringify(value)} cannot be used: ${reason}`);
  }
}

/** Read back by {@link parseMatcher}. */
export function formatMatcher({ name, value, isRegex, isEqual }: LabelMatcher): string {
  return `${name}${isEqual ? '=' : '!'}${isRegex ? '~' : isEqual ? '' : '='}${JSON.stringify(value)}`;
}

/**
 * Whether all of the matchers match an alert's labels. Patterns are compiled once.
 * @param matchers checked ones
 */
export function labelTest(matchers: readonly LabelMatcher[]): (labels: Readonly<Record<string, string>>) => boolean {
  const tests = matchers.map(({ name, value, isRegex, isEqual }) => {
    const pattern = isRegex ? wholeTextRegExp(value) : undefined;
    return (labels: Readonly<Record<string, string>>) => {
      const own = Object.hasOwn(labels, name) ? (labels[name] ?? '') : '';
      return (pattern === undefined ? own === value : pattern.test(own)) === isEqual;
    };
  });
  return (labels) => tests.every((test) => test(labels));
}
