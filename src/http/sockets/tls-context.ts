/** TLS options: the server's certificate, and the CAs of client certificates. */
import type { HttpTls } from '../messages.ts';

export function secureContextOf({ cert, key, clientCa }: HttpTls) {
  return { cert, key, ...(clientCa === undefined ? {} : { ca: clientCa }) };
}

/** Whether `after` lacks a CA certificate of `before`; compared as PEM text. */
export function lacksAuthority(before: string | undefined, after: string | undefined): boolean {
  const left = authoritiesIn(after);
  return !authoritiesIn(before).every((authority) => left.includes(authority));
}

function authoritiesIn(pem = ''): readonly string[] {
  return pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
}

export function clientCheckOf({ clientCa }: HttpTls) {
  return { requestCert: clientCa !== undefined, rejectUnauthorized: clientCa !== undefined };
}
