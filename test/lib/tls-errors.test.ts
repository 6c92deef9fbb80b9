import { expect, test } from 'vitest';
import { handshakeText, withoutOpensslInside } from '../../src/lib/tls-errors.ts';

const openssl = (reason: string) =>
  `40D36312177F0000:error:0A00010B:SSL routines:tls_validate_record_header:${reason}:../deps/openssl/ssl/tlsany.c:78:\n`;

test.each([
  [openssl('wrong version number'), 'wrong version number (it probably does not use TLS)'],
  [openssl('no application protocol'), 'no application protocol (it does not speak gRPC)'],
  [openssl('unsupported protocol'), 'unsupported protocol'],
  ['socket hang up', 'socket hang up'],
])('%j reads as %s', (text, read) => {
  expect(handshakeText(text)).toBe(read);
});

test('a key of another certificate is told as such', () => {
  expect(withoutOpensslInside('error:05800074:x509 certificate routines::key values mismatch')).toBe(
    'the key does not match the certificate',
  );
});

test('of several errors each keeps its reason', () => {
  expect(withoutOpensslInside(`no key: ${openssl('one')}${openssl('two')}`)).toBe('no key: one; two');
});
