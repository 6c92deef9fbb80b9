import { expect, test } from 'vitest';
import { isInBackground, isOwnTerminal, ownStat } from '../../src/cli/master/own-terminal.ts';

test.each([
  ['4711 (node) S 1 4711 4711 34816 4711 4194304', true, 'it leads the session, as with ssh -t'],
  ['4711 (node) S 4700 4700 4700 34816 4700 4194304', true, 'it is in the group of npm, which leads it'],
  ['4711 (node) S 4700 4711 4700 34816 4711 4194304', false, 'a shell made a group for it'],
  ['4711 (a) S 1 (b c) S 4700 4711 4700 34816', false, 'a name may hold anything'],
  ['', false, 'nothing is known'],
  [undefined, false, 'there is no /proc'],
])('%j: %s, as %s', (stat, expected, _why) => expect(isOwnTerminal(stat)).toBe(expected));

test.each([
  ['4711 (node) S 4700 4711 4700 34816 4711 4194304', false],
  ['4711 (node) S 4700 4711 4700 34816 4700 4194304', true],
  // Without a terminal nobody is in the foreground of one.
  ['4711 (node) S 1 4711 4711 0 -1 4194304', false],
  ['', false],
  [undefined, false],
])('%j: in the background %s', (stat, expected) => expect(isInBackground(stat)).toBe(expected));

test.skipIf(process.platform !== 'linux')('the system tells it as it is read', () => {
  expect(ownStat()).toContain(`${process.pid} (`);
});
