import { expect, test } from 'vitest';
import { reasonOf } from '../../src/agent/sender/channel.ts';

const failed = (why: string) => ({
  code: 14,
  details: `No connection established. Last error: ${why}. Resolution note: `,
});
const openssl = (why: string) =>
  `Error: 40D36312177F0000:error:0A00010B:SSL routines:some_function:${why}:../deps/openssl/ssl/x.c:78:SSL alert number 1\n`;

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
    'UNAVAILABLE: the port does not serve gRPC; is it the HTTP port?',
  ],
  [{ code: 14, details: 'No addresses resolved. Resolution note: .' }, 'UNAVAILABLE: No addresses resolved'],
  [
    { code: 14, details: 'Name resolution failed for target dns:no.example:50051' },
    'UNAVAILABLE: no.example has no address (DNS)',
  ],
  [failed('Failed to connect (2026-11-26T00:10:56.985Z)'), /does the master use TLS/],
  [failed(openssl('wrong version number')), /^UNAVAILABLE: the port does not use TLS/],
  [failed(openssl('tlsv1 alert no application protocol')), /the port uses TLS but does not serve gRPC/],
  [failed(openssl('tlsv13 alert certificate required')), /asks for a client certificate/],
  [failed(openssl('bad signature')), 'UNAVAILABLE: bad signature'],
  [
    failed(
      'Error: unable to verify the first certificate; if the root CA is installed locally, try running Node.js with ' +
        '--use-system-ca',
    ),
    "UNAVAILABLE: unable to verify the first certificate: who issued the master's certificate is not known here; " +
      '--tls-ca <file> names it',
  ],
  [new Error('no code'), 'no code'],
])('%o reads as %s', (error, reason) => {
  if (typeof reason === 'string') expect(reasonOf(error)).toBe(reason);
  else expect(reasonOf(error)).toMatch(reason);
});
