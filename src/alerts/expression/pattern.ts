/** Patterns of `matches()`: workers choose the texts that they are matched with, so they are matched in linear time. */
import { messageOf } from '../../lib/errors.ts';
import { linearRegExp } from '../../lib/linear-regexp.ts';

/** Names and label values are matched, not documents. */
const MAX_PATTERN_LENGTH = 200;

/** What is wrong with a pattern; undefined: it may be used with `linearRegExp`. */
export function patternProblem(pattern: string): string | undefined {
  if (pattern.length > MAX_PATTERN_LENGTH) {
    return `the pattern has ${pattern.length} characters; at most ${MAX_PATTERN_LENGTH} are allowed`;
  }
  // They would be taken, with another meaning.
  const foreign = /\\[pPAzZQC]|\[\[:|\(\?[a-z]/.exec(pattern.replace(/\\\\/g, '  '))?.[0];
  if (foreign !== undefined) {
    const instead = foreign.startsWith('(') ? '; for upper and lower case alike, match x.lowerAscii()' : '';
    return `the pattern cannot be used: ${foreign} is not supported; expected ^, $, \\d, \\w, \\s or a set such as [a-z]${instead}`;
  }
  try {
    linearRegExp(pattern);
    return undefined;
  } catch (error) {
    const reason = messageOf(error).replace(/^Invalid regular expression: \/.*\/\w*: /s, '');
    return `the pattern cannot be used: ${reason}; expected a regular expression without look-around and back references`;
  }
}
