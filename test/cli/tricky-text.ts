/** Texts that terminals stumble over. */
import fc from 'fast-check';
import { ANY_CHARACTER } from '../support/any-character.ts';

/** What must never reach a terminal: control characters and what reorders a line. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
export const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]|\p{Surrogate}/u;

const pieces = fc.constantFrom(
  '\x1b[2J',
  '\x1b]0;title\x07',
  '\u009b31m',
  '\r',
  '\n',
  '\t',
  '\b',
  '\x7f',
  '\u202e',
  '\u2028',
  '\u200d',
  '\ufe0f',
  '\u0301',
  '👨‍👩‍👧',
  '🇨🇭',
  '🫠',
  '日本',
  '한국',
  'ก็',
  '__proto__',
  '../x',
  '"',
  '\\',
  ' ',
  'worker-1',
);

/** Any text, with more than its share of what is tricky. */
export const trickyText = fc
  .array(fc.oneof(pieces, fc.string({ unit: 'grapheme' }), fc.string({ unit: ANY_CHARACTER })), { maxLength: 8 })
  .map((parts) => parts.join(''));

/** What may be a worker's id, tricky ones first. */
export const workerIdText = trickyText
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ids have none
  .map((text) => text.replace(/[\u0000-\u001f\u007f-\u009f]|\p{Surrogate}/gu, '').slice(0, 60))
  .filter((text) => text !== '' && text !== '.' && text !== '..' && text.isWellFormed());
