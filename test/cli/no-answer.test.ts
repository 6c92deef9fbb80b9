import { expect, test } from 'vitest';
import { noAnswerText } from '../../src/cli/client/no-answer.ts';
import { NoAnswerError } from '../../src/cli/client/send.ts';

const failure = (code: string, isSecured: boolean, rawPacket?: Uint8Array) =>
  new NoAnswerError(Object.assign(new Error('it failed'), { code, rawPacket }), isSecured);

test('a certificate for other names is told with its names', () => {
  const reason = "Host: a. is not in the cert's altnames: DNS:elsewhere";
  const cause = Object.assign(new Error('it failed'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID', reason });
  expect(noAnswerText('https://a', new NoAnswerError(cause, false), false)).toContain(reason);
});

/** Which of these a client sees of one and the same master depends on who is faster. */
test.each([
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', false],
  ['ECONNRESET', true],
  ['EPIPE', true],
])('%s after the handshake: a certificate is missing, or was not taken', (code, isSecured) => {
  expect(noAnswerText('https://a', failure(code, isSecured), false)).toContain('asks for a client certificate');
  expect(noAnswerText('https://a', failure(code, isSecured), true)).toContain('does not take the certificate');
});

test.each([
  ['https://a', 'ECONNRESET', undefined, 'no master answers at https://a (ECONNRESET)'],
  ['http://a', 'ECONNRESET', undefined, 'is it https:?'],
  ['http://a', 'HPE_INVALID_CONSTANT', [0x15, 3, 3, 0, 2], 'is it https:?'],
  ['http://a', 'HPE_INVALID_CONSTANT', [0, 0, 18, 4, 0], 'is it the gRPC port?'],
  ['https://a', 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL', undefined, 'is it the gRPC port?'],
  ['https://a', 'CERT_HAS_EXPIRED', undefined, 'is not valid at this time'],
  ['https://a', 'ERR_TLS_CERT_ALTNAME_INVALID', undefined, 'is for other names'],
])('%s, %s, received %o', (url, code, received, told) => {
  expect(noAnswerText(url, failure(code, false, received && Uint8Array.from(received)), false)).toContain(told);
});
