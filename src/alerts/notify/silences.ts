/**
 * The silences, and what people do with them: pure functions of (silences, now). As in Alertmanager, a silence with other
 * matchers, or one that is over, is not changed: it is ended, and a new one is made.
 */
import { messageOf } from '../../lib/errors.ts';
import { checkMatcher, labelTest } from '../../model/label-matchers.ts';
import { type LabelMatcher, type NewSilence, type Silence, silenceState } from '../../model/silence.ts';
import type { Labels } from './labels.ts';
import { SILENCE_LIMITS } from './notify-limits.ts';

export type Silences = ReadonlyMap<string, Silence>;

export type SilenceChange =
  | {
      readonly ok: true;
      /** The one that was made or changed. */
      readonly silence: Silence;
      /** That, and the one that it replaces. */
      readonly changed: readonly Silence[];
    }
  | {
      readonly ok: false;
      readonly code: 'not_found' | 'invalid_argument' | 'resource_exhausted';
      readonly message: string;
    };

/** Makes a silence, or changes the one with the asked id. @param id of a new one */
export function setSilence(silences: Silences, asked: NewSilence, id: string, nowUnixMs: number): SilenceChange {
  const problem = problemOf(asked, nowUnixMs);
  if (problem !== undefined) return { ok: false, code: 'invalid_argument', message: problem };
  const before = asked.id === undefined ? undefined : silences.get(asked.id);
  if (asked.id !== undefined && before === undefined) return unknown(asked.id);
  if (before !== undefined && canChange(before, asked, nowUnixMs)) {
    const silence = { ...made(asked, before.id, nowUnixMs), startsUnixMs: startOf(before, asked, nowUnixMs) };
    return { ok: true, silence, changed: [silence] };
  }
  const ended = before === undefined ? undefined : endedNow(before, nowUnixMs);
  const others = [...silences.values()].filter((one) => one !== before && silenceState(one, nowUnixMs) !== 'expired');
  if (others.length >= SILENCE_LIMITS.silences) {
    const message = `there are ${others.length} silences that are not over, the most there can be: end one first`;
    return { ok: false, code: 'resource_exhausted', message };
  }
  const silence = { ...made(asked, id, nowUnixMs), startsUnixMs: Math.max(asked.startsUnixMs, nowUnixMs) };
  return { ok: true, silence, changed: ended === undefined ? [silence] : [ended, silence] };
}

/** Ends a silence; one that is over stays as it is. */
export function endSilence(silences: Silences, id: string, nowUnixMs: number): SilenceChange {
  const before = silences.get(id);
  if (before === undefined) return unknown(id);
  const ended = endedNow(before, nowUnixMs);
  return { ok: true, silence: ended ?? before, changed: ended === undefined ? [] : [ended] };
}

/** Ids of silences that were over long ago, or that are too many: the longest over first. */
export function outdatedSilences(silences: Silences, nowUnixMs: number): string[] {
  const expired = [...silences.values()]
    .filter((silence) => silenceState(silence, nowUnixMs) === 'expired')
    .sort((a, b) => b.endsUnixMs - a.endsUnixMs);
  return expired
    .filter(
      (silence, i) => i >= SILENCE_LIMITS.expired || nowUnixMs - silence.endsUnixMs > SILENCE_LIMITS.expiredKeptMs,
    )
    .map(({ id }) => id);
}

export type SilencedBy = (labels: Labels) => readonly string[];

/**
 * Says for labels which of the active silences match them. Compiles them and remembers answers while the same silences are active:
 * most alerts and silences are the same at the next evaluation.
 */
export class ActiveSilences {
  #active: readonly Silence[] = [];
  #silencedBy: SilencedBy = () => [];

  at(silences: Silences, nowUnixMs: number): SilencedBy {
    const active = [...silences.values()].filter((silence) => silenceState(silence, nowUnixMs) === 'active');
    const isSame = active.length === this.#active.length && active.every((silence, i) => silence === this.#active[i]);
    if (!isSame) {
      this.#active = active;
      this.#silencedBy = silencedByOf(active);
    }
    return this.#silencedBy;
  }
}

function silencedByOf(active: readonly Silence[]): SilencedBy {
  if (active.length === 0) return () => [];
  const tests = active.map(({ id, matchers }) => ({ id, matches: labelTest(matchers) }));
  const known = new WeakMap<Labels, readonly string[]>();
  return (labels) => {
    let ids = known.get(labels);
    if (ids === undefined) {
      ids = tests.filter(({ matches }) => matches(labels)).map(({ id }) => id);
      known.set(labels, ids);
    }
    return ids;
  };
}

/** When a silence next begins or ends; undefined: none does. */
export function nextSilenceChange(silences: Silences, nowUnixMs: number): number | undefined {
  let next: number | undefined;
  for (const { startsUnixMs, endsUnixMs } of silences.values()) {
    for (const at of [startsUnixMs, endsUnixMs]) {
      if (at > nowUnixMs && (next === undefined || at < next)) next = at;
    }
  }
  return next;
}

function problemOf(asked: NewSilence, nowUnixMs: number): string | undefined {
  const { matchers, startsUnixMs, endsUnixMs, createdBy, comment } = asked;
  const { matchers: maxMatchers, text, lengthMs } = SILENCE_LIMITS;
  if (matchers.length === 0) return 'matchers: expected at least one';
  if (matchers.length > maxMatchers)
    return `matchers: there are ${matchers.length}; at most ${maxMatchers} are allowed`;
  for (const [i, matcher] of matchers.entries()) {
    const problem = matcherProblem(matcher);
    if (problem !== undefined) return `matchers[${i}]: ${problem}`;
  }
  if (labelTest(matchers)({})) {
    return 'matchers: they match an alert without labels, and so would silence everything: expected one that does not match an empty value';
  }
  if (!Number.isFinite(startsUnixMs)) return 'startsAt: expected a time';
  if (!Number.isFinite(endsUnixMs)) return 'endsAt: expected a time';
  if (endsUnixMs <= startsUnixMs) return 'endsAt: expected a time after startsAt';
  if (endsUnixMs <= nowUnixMs) return 'endsAt: expected a time in the future';
  if (endsUnixMs - Math.max(startsUnixMs, nowUnixMs) > lengthMs) {
    return `endsAt: a silence lasts at most ${lengthMs / 86_400_000} days; make a rule or a route of what is to last longer`;
  }
  if (createdBy.length > text) return `createdBy: expected at most ${text} characters`;
  if (comment.length > text) return `comment: expected at most ${text} characters`;
  return undefined;
}

function matcherProblem(matcher: LabelMatcher): string | undefined {
  const { name, value } = SILENCE_LIMITS;
  if (matcher.name === '') return 'name: expected the name of a label';
  if (matcher.name.length > name) return `name: expected at most ${name} characters`;
  if (matcher.value.length > value) return `value: expected at most ${value} characters`;
  try {
    checkMatcher(matcher);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** While it is active, its beginning stays; before that, it may begin at any later time. */
function canChange(before: Silence, asked: NewSilence, nowUnixMs: number): boolean {
  if (!sameMatchers(before.matchers, asked.matchers)) return false;
  return silenceState(before, nowUnixMs) !== 'expired';
}

function startOf(before: Silence, asked: NewSilence, nowUnixMs: number): number {
  return silenceState(before, nowUnixMs) === 'active' ? before.startsUnixMs : Math.max(asked.startsUnixMs, nowUnixMs);
}

function made({ matchers, endsUnixMs, createdBy, comment, startsUnixMs }: NewSilence, id: string, at: number): Silence {
  const plain = matchers.map(({ name, value, isRegex, isEqual }) => ({ name, value, isRegex, isEqual }));
  return { id, matchers: plain, startsUnixMs, endsUnixMs, createdBy, comment, updatedUnixMs: at };
}

function endedNow(silence: Silence, nowUnixMs: number): Silence | undefined {
  if (silenceState(silence, nowUnixMs) === 'expired') return undefined;
  // One that has not begun is over without having been: it begins when it ends.
  const startsUnixMs = Math.min(silence.startsUnixMs, nowUnixMs);
  return { ...silence, startsUnixMs, endsUnixMs: nowUnixMs, updatedUnixMs: nowUnixMs };
}

function sameMatchers(a: readonly LabelMatcher[], b: readonly LabelMatcher[]): boolean {
  const key = ({ name, value, isRegex, isEqual }: LabelMatcher) => JSON.stringify([name, value, isRegex, isEqual]);
  const [one, other] = [a, b].map((matchers) => [...new Set(matchers.map(key))].sort());
  return JSON.stringify(one) === JSON.stringify(other);
}

function unknown(id: string): SilenceChange {
  return { ok: false, code: 'not_found', message: `there is no silence ${JSON.stringify(id)}` };
}
