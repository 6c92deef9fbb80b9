/** `match`, `source` and `target`: labels with their values, or matchers as text. */
import { PulselaneError } from '../../lib/errors.ts';
import { parseMatcher } from '../../model/label-matchers.ts';
import type { Path } from './document.ts';
import type { Problems } from './problems.ts';
import type { Matcher } from './rule.ts';
import type { MatchFields } from './schema.ts';

export function matchersOf(given: MatchFields, path: Path, what: string, problems: Problems): Matcher[] {
  if (typeof given !== 'string' && !Array.isArray(given)) {
    return Object.entries(given).map(([name, value]) => ({ name, value, isRegex: false, isEqual: true }));
  }
  const texts = typeof given === 'string' ? [given] : given;
  return texts.flatMap((text, index) => {
    try {
      return [parseMatcher(text)];
    } catch (error) {
      if (!(error instanceof PulselaneError)) throw error;
      const at = typeof given === 'string' ? path : [...path, index];
      problems.add(at, `${what}: found ${JSON.stringify(text.slice(0, 100))}; ${error.message}`);
      return [];
    }
  });
}
