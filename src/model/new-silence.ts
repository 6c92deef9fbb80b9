/** What a silence must be before it is made: the rules of Alertmanager, with bounds. */
import { PulselaneError } from '../lib/errors.ts';
import { checkMatcher, labelTest } from './label-matchers.ts';
import type { NewSilence } from './silence.ts';

/** Each is tested for each alert. */
export const MAX_MATCHERS = 20;
/** As long as label values may be. */
export const MAX_MATCHER_LENGTH = 1024;
/** People write these; they are shown in one table. */
export const MAX_COMMENT_LENGTH = 1024;
export const MAX_AUTHOR_LENGTH = 256;
/** A longer silence is a rule that should be switched off, or a typing error. */
export const MAX_SILENCE_MS = 366 * 24 * 3_600_000;

/** @throws PulselaneError `invalid_argument`, naming the member and what was expected */
export function checkNewSilence(silence: NewSilence, nowUnixMs: number): void {
  const { matchers, startsUnixMs, endsUnixMs, createdBy, comment } = silence;
  if (matchers.length === 0 || matchers.length > MAX_MATCHERS) {
    wrong('matchers', `expected 1 to ${MAX_MATCHERS} matchers, got ${matchers.length}`);
  }
  for (const matcher of matchers) {
    if (matcher.name === '') wrong('matchers', 'expected the name of a label, got an empty one');
    if (matcher.name.length > MAX_MATCHER_LENGTH || matcher.value.length > MAX_MATCHER_LENGTH) {
      wrong('matchers', `expected names and values of at most ${MAX_MATCHER_LENGTH} characters`);
    }
    try {
      checkMatcher(matcher);
    } catch (error) {
      wrong('matchers', (error as Error).message);
    }
  }
  // It would silence every alert there will ever be.
  if (labelTest(matchers)({})) {
    wrong('matchers', 'together they match alerts without any of these labels; expected one that needs a value');
  }
  if (!(endsUnixMs > startsUnixMs)) wrong('endsAt', 'expected a time after startsAt');
  if (!(endsUnixMs > nowUnixMs)) wrong('endsAt', 'expected a time in the future');
  if (endsUnixMs - Math.max(startsUnixMs, nowUnixMs) > MAX_SILENCE_MS) {
    wrong('endsAt', 'expected at most 366 days; a rule that nobody needs is better disabled');
  }
  checkText('createdBy', createdBy, MAX_AUTHOR_LENGTH);
  checkText('comment', comment, MAX_COMMENT_LENGTH);
}

function checkText(name: string, text: string, max: number): void {
  if (text.trim() === '' || text.length > max) wrong(name, `expected a text of 1 to ${max} characters`);
}

function wrong(name: string, detail: string): never {
  throw new PulselaneError('invalid_argument', `${name}: ${detail}`);
}
