import { expect, test } from 'vitest';
import {
  deadReasons,
  type ReadinessFacts,
  STARTING,
  UNHEALTHY_BEAT_MS,
  unreadyReasons,
} from '../../src/model/readiness.ts';

const SERVING: ReadinessFacts = { phase: 'serving', membersFileFails: false, threadsFail: false };
const codesOf = (facts: ReadinessFacts, beatAgeMs = 0) => unreadyReasons(facts, beatAgeMs).map(({ code }) => code);

test('a master that serves, writes and beats is ready', () => {
  expect(codesOf(SERVING)).toEqual([]);
  expect(codesOf(SERVING, UNHEALTHY_BEAT_MS)).toEqual([]);
});

test('each reason is told, and all of them at a time', () => {
  expect(codesOf(STARTING)).toEqual(['starting']);
  expect(codesOf({ ...SERVING, phase: 'stopping' })).toEqual(['stopping']);
  expect(codesOf({ ...SERVING, membersFileFails: true })).toEqual(['members_file']);
  expect(codesOf({ ...SERVING, threadsFail: true })).toEqual(['threads']);
  expect(codesOf(SERVING, UNHEALTHY_BEAT_MS + 1)).toEqual(['main_stuck']);
  expect(codesOf({ phase: 'stopping', membersFileFails: true, threadsFail: false }, 60_000)).toEqual([
    'stopping',
    'main_stuck',
    'members_file',
  ]);
});

test('only a main thread that is stuck is dead', () => {
  expect(deadReasons(UNHEALTHY_BEAT_MS)).toEqual([]);
  expect(deadReasons(12_345)).toEqual([{ code: 'main_stuck', detail: 'the main thread has not responded for 12 s' }]);
});
