/** A silence in the words of a command: matchers, how long, and why. */
import { userInfo } from 'node:os';
import { durationOf } from '../history/query/time.ts';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import { parseMatcher } from '../model/label-matchers.ts';
import { checkNewSilence } from '../model/new-silence.ts';
import type { LabelMatcher, NewSilence } from '../model/silence.ts';

export interface SilenceWords {
  /** A matcher such as `severity=page` or `rule=Hot`, or the id of a worker. */
  readonly matchers: readonly string[];
  readonly duration: string;
  readonly comment: string;
  /** Default: the user of this process. */
  readonly author?: string | undefined;
}

/** @throws PulselaneError `invalid_argument`, naming what was wrong */
export function newSilenceOf({ matchers, duration, comment, author }: SilenceWords, nowMs: number): NewSilence {
  const silence: NewSilence = {
    matchers: matchers.map(matcherOf),
    startsUnixMs: nowMs,
    endsUnixMs: nowMs + durationOf(duration),
    createdBy: author ?? userName(),
    comment,
  };
  checkNewSilence(silence, nowMs);
  return silence;
}

function matcherOf(word: string): LabelMatcher {
  if (!/[=~]/.test(word)) return { name: 'worker', value: word, isRegex: false, isEqual: true };
  try {
    const matcher = parseMatcher(word);
    // Other commands filter by `rule=Hot`; a silence that takes it for a label would match nothing.
    return matcher.name === 'rule' ? { ...matcher, name: 'alertname' } : matcher;
  } catch (error) {
    throw new PulselaneError('invalid_argument', `${JSON.stringify(word)}: ${messageOf(error)}`);
  }
}

/** A container may have a user without a name. */
function userName(): string {
  try {
    return userInfo().username || 'unknown';
  } catch {
    return 'unknown';
  }
}
