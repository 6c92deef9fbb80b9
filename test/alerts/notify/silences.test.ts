import { expect, test } from 'vitest';
import { SILENCE_LIMITS } from '../../../src/alerts/notify/notify-limits.ts';
import {
  ActiveSilences,
  endSilence,
  outdatedSilences,
  type SilenceChange,
  setSilence,
} from '../../../src/alerts/notify/silences.ts';
import { parseMatcher } from '../../../src/model/label-matchers.ts';
import { type NewSilence, type Silence, silenceState } from '../../../src/model/silence.ts';

const HOUR = 3_600_000;
const NOW = 1_000_000 * HOUR;

function asked(over: Partial<NewSilence> = {}, ...matchers: string[]): NewSilence {
  return {
    matchers: (matchers.length === 0 ? ['worker="a"'] : matchers).map(parseMatcher),
    startsUnixMs: NOW,
    endsUnixMs: NOW + HOUR,
    createdBy: 'me',
    comment: 'moving',
    ...over,
  };
}

class Book {
  readonly silences = new Map<string, Silence>();
  #count = 0;

  set(silence: NewSilence, at = NOW): SilenceChange {
    return this.#keep(setSilence(this.silences, silence, `s${++this.#count}`, at));
  }

  end(id: string, at = NOW): SilenceChange {
    return this.#keep(endSilence(this.silences, id, at));
  }

  states(at: number): Record<string, string> {
    return Object.fromEntries([...this.silences].map(([id, silence]) => [id, silenceState(silence, at)]));
  }

  #keep(change: SilenceChange): SilenceChange {
    if (change.ok) for (const silence of change.changed) this.silences.set(silence.id, silence);
    return change;
  }
}

test('an active silence keeps its id and beginning when its end changes', () => {
  const book = new Book();
  book.set(asked());
  const at = NOW + HOUR / 2;
  expect(
    book.set(asked({ id: 's1', startsUnixMs: at, endsUnixMs: NOW + 2 * HOUR, comment: 'longer' }), at),
  ).toMatchObject({
    silence: { id: 's1', startsUnixMs: NOW, endsUnixMs: NOW + 2 * HOUR, comment: 'longer', updatedUnixMs: at },
  });
});

test('one with other matchers, or one that is over, is replaced by a new one', () => {
  const book = new Book();
  book.set(asked());
  const at = NOW + 1;
  expect(book.set(asked({ id: 's1' }, 'worker="b"'), at)).toMatchObject({ silence: { id: 's2', startsUnixMs: at } });
  expect(book.states(at)).toEqual({ s1: 'expired', s2: 'active' });
  const later = NOW + 2 * HOUR;
  expect(book.set(asked({ id: 's2', endsUnixMs: later + HOUR }, 'worker="b"'), later)).toMatchObject({
    silence: { id: 's3', startsUnixMs: later },
  });
  expect(book.states(later)).toEqual({ s1: 'expired', s2: 'expired', s3: 'active' });
});

test('a pending one may begin earlier or later, and can be ended before it begins', () => {
  const book = new Book();
  book.set(asked({ startsUnixMs: NOW + HOUR, endsUnixMs: NOW + 2 * HOUR }));
  expect(book.states(NOW)).toEqual({ s1: 'pending' });
  book.set(asked({ id: 's1', startsUnixMs: NOW + HOUR / 2, endsUnixMs: NOW + 2 * HOUR }));
  expect(book.states(NOW + HOUR / 2)).toEqual({ s1: 'active' });
  book.set(asked({ id: 's1', startsUnixMs: NOW + HOUR, endsUnixMs: NOW + 2 * HOUR }));
  expect(book.end('s1', NOW + 1)).toMatchObject({ ok: true });
  expect(book.states(NOW + 1)).toEqual({ s1: 'expired' });
  expect(book.end('s1', NOW + 2)).toEqual({ ok: true, silence: book.silences.get('s1'), changed: [] });
});

test.each<[string, NewSilence, string]>([
  ['no matchers', asked({ matchers: [] }), 'matchers: expected at least one'],
  ['one that matches everything', asked({}, 'a=~".*"', 'b!="c"'), 'matchers: they match an alert without labels'],
  [
    'no name',
    asked({ matchers: [{ name: '', value: 'a', isRegex: false, isEqual: true }] }),
    'matchers[0]: name: expected the name',
  ],
  [
    'a bad pattern',
    asked({ matchers: [{ name: 'a', value: '(', isRegex: true, isEqual: true }] }),
    'matchers[0]: the pattern "("',
  ],
  [
    'a long value',
    asked({ matchers: [{ name: 'a', value: 'x'.repeat(2000), isRegex: false, isEqual: true }] }),
    'matchers[0]: value: expected at most 1024',
  ],
  [
    'too many matchers',
    asked({ matchers: Array.from({ length: 33 }, () => parseMatcher('a="b"')) }),
    'matchers: there are 33; at most 32',
  ],
  ['an end before the beginning', asked({ endsUnixMs: NOW }), 'endsAt: expected a time after startsAt'],
  [
    'an end in the past',
    asked({ startsUnixMs: NOW - 2, endsUnixMs: NOW - 1 }),
    'endsAt: expected a time in the future',
  ],
  ['no time', asked({ endsUnixMs: Number.NaN }), 'endsAt: expected a time'],
  ['more than a year', asked({ endsUnixMs: NOW + 400 * 24 * HOUR }), 'endsAt: a silence lasts at most 366 days'],
  ['a long comment', asked({ comment: 'x'.repeat(2000) }), 'comment: expected at most 1024'],
  ['a long name', asked({ createdBy: 'x'.repeat(2000) }), 'createdBy: expected at most 1024'],
])('%s is refused with the field', (_, silence, message) => {
  expect(new Book().set(silence)).toMatchObject({
    ok: false,
    code: 'invalid_argument',
    message: expect.stringContaining(message),
  });
});

test('an unknown id is not found', () => {
  expect(new Book().set(asked({ id: 'x' }))).toMatchObject({ ok: false, code: 'not_found' });
  expect(new Book().end('x')).toMatchObject({ ok: false, code: 'not_found' });
});

test('there is a bound: of those that are not over, and of those that are', () => {
  const book = new Book();
  for (let i = 0; i < SILENCE_LIMITS.silences; i++) book.set(asked());
  expect(book.set(asked())).toMatchObject({ ok: false, code: 'resource_exhausted' });
  // One takes the place of another.
  expect(book.set(asked({ id: 's1' }, 'worker="b"'))).toMatchObject({ ok: true });
  expect(book.set(asked({ endsUnixMs: NOW + 3 * HOUR }), NOW + 2 * HOUR)).toMatchObject({ ok: true });
  const over = NOW + 4 * HOUR;
  expect(outdatedSilences(book.silences, over).length).toBe(book.silences.size - SILENCE_LIMITS.expired);
  expect(outdatedSilences(book.silences, over + SILENCE_LIMITS.expiredKeptMs).length).toBe(book.silences.size);
});

test('silences match by all of their matchers while they are active, and answers are remembered only as long', () => {
  const book = new Book();
  book.set(asked({}, 'worker=~"a.*"', 'severity!="page"'));
  book.set(asked({ startsUnixMs: NOW + 10, endsUnixMs: NOW + 20 }));
  const active = new ActiveSilences();
  const labels = { worker: 'a' };
  expect(active.at(book.silences, NOW)(labels)).toEqual(['s1']);
  expect(active.at(book.silences, NOW)({ worker: 'a1', severity: 'page' })).toEqual([]);
  expect(active.at(book.silences, NOW + 10)(labels)).toEqual(['s1', 's2']);
  expect(active.at(book.silences, NOW + 20)(labels)).toEqual(['s1']);
  expect(active.at(book.silences, NOW + HOUR)(labels)).toEqual([]);
});
