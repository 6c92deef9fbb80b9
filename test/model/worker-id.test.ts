import { expect, test } from 'vitest';
import { workerIdProblem } from '../../src/model/worker-id.ts';

test.each(['__proto__', '../x', '🦊', 'a b', 'a/b', '...', 'x'.repeat(256), 'é'.repeat(128)])('%s is an id', (id) => {
  expect(workerIdProblem(id)).toBeUndefined();
});

test.each(['', '.', '..', 'a\nb', '\u0000', 'a\u009bb', 'x'.repeat(257), '🦊'.repeat(65), 'a\ud800'])(
  '%j is not an id',
  (id) => {
    expect(workerIdProblem(id)).toBeDefined();
  },
);
