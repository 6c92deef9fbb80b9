/** What it means that a master gave no answer, and what to do about it. */
import type { NoAnswerError } from './send.ts';

const UNKNOWN_AUTHORITY: ReadonlySet<string> = new Set([
  // Of another authority by the same name.
  'CERT_SIGNATURE_FAILURE',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/** How a connection ends that the other side closes. Which of them is seen depends on who is faster. */
const CLOSED: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED']);

/** Alert and handshake: how anything begins that a server says over TLS. */
const TLS_RECORDS: readonly (number | undefined)[] = [0x15, 0x16];

/**
 * @param url the origin
 * @param hasCert whether the client has a certificate to show
 */
export function noAnswerText(url: string, error: NoAnswerError, hasCert: boolean): string {
  const { code } = error;
  const isTls = url.startsWith('https:');
  if (UNKNOWN_AUTHORITY.has(code)) {
    return `the certificate at ${url} is of no known authority (${code}); --tls-ca <ca.pem> names its authority`;
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return `the certificate at ${url} is not valid at this time (${code})`;
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    // The reason ends with the names of the certificate.
    return `the certificate at ${url} is for other names (${code}): ${error.reason ?? error.message}`;
  }
  // Over TLS 1.3 a client learns only after the handshake that its certificate is missing or was not taken: by an
  // alert, or by the end of the connection alone.
  if (/CERTIFICATE_REQUIRED|ALERT_\w*(CERTIFICATE|UNKNOWN_CA)/.test(code) || (CLOSED.has(code) && error.isSecured)) {
    return hasCert
      ? `the master at ${url} does not take the certificate of --tls-cert (${code}): is it of an authority of its TLS_CLIENT_CA?`
      : `the master at ${url} asks for a client certificate (${code}): give --tls-cert <file.pem> and --tls-key <file.pem>; ` +
          'HTTP_CLIENT_CERT=off of the master does without';
  }
  if (isTls && /NO_APPLICATION_PROTOCOL/.test(code)) return grpcPortText(url, code);
  if (isTls && /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|EPROTO/.test(code)) {
    return `what answers at ${url} does not speak TLS (${code}); is it http:?`;
  }
  if (!isTls && (CLOSED.has(code) || TLS_RECORDS.includes(error.received[0]))) {
    return `what answers at ${url} closes the connection (${code}); is it https:?`;
  }
  if (code.startsWith('HPE_')) return grpcPortText(url, code);
  return `no master answers at ${url} (${code}); "pulselane master" starts one, --url names another`;
}

/** @param why how it was seen */
export function grpcPortText(url: string, why: string): string {
  return `what answers at ${url} does not speak HTTP/1.1 (${why}); is it the gRPC port? The HTTP port is another one`;
}
