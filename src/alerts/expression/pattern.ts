/**
 * Patterns of `matches()`. Workers choose the texts they are matched with, and JavaScript's regular expressions take
 * exponential time for some; so only those are accepted that take a bounded time. CEL prescribes RE2's syntax, which has neither
 * look-around nor back references.
 */

/** Names and label values are matched, not documents. */
const MAX_PATTERN_LENGTH = 200;
/** With n repetitions, a text of m characters takes up to m^n steps; label values have up to 1,024 characters. */
const MAX_REPETITIONS = 2;

/** What is wrong with a pattern; undefined: it may be used. */
export function patternProblem(pattern: string): string | undefined {
  if (pattern.length > MAX_PATTERN_LENGTH) {
    return `the pattern has ${pattern.length} characters; at most ${MAX_PATTERN_LENGTH} are allowed`;
  }
  try {
    new RegExp(pattern, 'u');
  } catch (error) {
    const reason = (error as Error).message.replace(/^Invalid regular expression: \/.*\/u?: /s, '');
    return `the pattern is not a regular expression: ${reason}`;
  }
  const bare = pattern.replace(/\\[^1-9k]/g, 'x').replace(/\[(?:\\.|[^\]])*\]/g, 'x');
  if (/\(\?<?[=!]/.test(bare)) return 'the pattern looks ahead or behind, which RE2 does not know';
  if (/\\[1-9k]/.test(bare)) return 'the pattern refers back to a group, which RE2 does not know';
  if (hasRepeatedChoice(bare)) {
    return 'the pattern repeats a group that has a repetition or a choice in it, which can take very long; expected a simpler one';
  }
  const repetitions = bare.match(REPETITION)?.length ?? 0;
  return repetitions > MAX_REPETITIONS
    ? `the pattern has ${repetitions} repetitions without an end (*, + or {n,}), which can take very long; at most ${MAX_REPETITIONS} are allowed`
    : undefined;
}

const REPETITION = /[*+]|\{\d+,\}/g;

function hasRepeatedChoice(bare: string): boolean {
  /** Of each open group: whether it contains a repetition or a choice. */
  const open: boolean[] = [];
  for (let at = 0; at < bare.length; at++) {
    const rest = bare.slice(at);
    if (bare[at] === '(') open.push(false);
    else if (bare[at] === ')') {
      const isLoose = open.pop() === true;
      const isRepeated = /^\)(?:[*+]|\{)/.test(rest);
      if (isLoose && isRepeated) return true;
      if ((isLoose || isRepeated) && open.length > 0) open[open.length - 1] = true;
    } else if (/^(?:[*+|]|\{\d)/.test(rest) && open.length > 0) open[open.length - 1] = true;
  }
  return false;
}
