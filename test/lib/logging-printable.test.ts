import { Writable } from 'node:stream';
import { expect, test } from 'vitest';
import { createReadableLogger } from '../../src/lib/readable-logging.ts';

function readableLog() {
  const written: string[] = [];
  const destination = new Writable({
    write(chunk, _encoding, done) {
      written.push(String(chunk));
      done();
    },
  });
  return { logger: createReadableLogger({ level: 'info', destination }), text: () => written.join('') };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
const UNWANTED = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2028\u2029]/;

test('text from outside fakes no line of the log at a terminal, and does not move its cursor', () => {
  const { logger, text } = readableLog();
  const evil = 'a\n12:00:00 INFO: all is well\u001b[2J\u009b1A\u202e\u2028\rb';
  logger.warn({ worker: evil, group: evil, reason: evil }, `a worker restarted: instance ${evil}`);
  logger.warn(evil);
  const lines = text().split('\n');
  expect(lines).toHaveLength(3);
  expect(text()).not.toMatch(UNWANTED);
  expect(lines[0]).toContain('a\\x0a12:00:00 INFO: all is well\\x1b[2J');
});

test('an error keeps its stack, and its message is one line', () => {
  const { logger, text } = readableLog();
  const error = new Error('it said\nERROR: the master is down\u001b[31m');
  logger.error({ err: error }, 'a call failed');
  expect(text()).not.toMatch(UNWANTED);
  expect(text()).toContain('it said\\x0aERROR');
  expect(text()).toContain('logging-printable.test.ts');
  expect(text()).not.toMatch(/^\s*ERROR: the master/m);
});
