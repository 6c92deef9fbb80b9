import { expect, test } from 'vitest';
import { reasonOf } from '../../src/agent/sender/channel.ts';

test.each([
  [{ code: 0, details: 'OK' }, 'the master ended the stream'],
  [{ code: 7, details: 'waits for approval' }, 'PERMISSION_DENIED: waits for approval'],
  [
    {
      code: 14,
      details: 'No connection established. Last error: Error: connect ECONNREFUSED 1.2.3.4:5. Resolution note: x',
    },
    'UNAVAILABLE: connect ECONNREFUSED 1.2.3.4:5',
  ],
  [
    { code: 14, details: 'No connection established. Last error: Error: Protocol error. Resolution note: x' },
    'UNAVAILABLE: no gRPC is spoken there; is it the HTTP port?',
  ],
  [new Error('no code'), 'no code'],
])('%o reads as %s', (error, reason) => {
  expect(reasonOf(error)).toBe(reason);
});
