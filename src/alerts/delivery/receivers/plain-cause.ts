/** Why there is no connection, in plain words. */
import { messageOf } from '../../../lib/errors.ts';
import { printable } from '../../../lib/printable.ts';
import { withoutOpensslInside } from '../../../lib/tls-errors.ts';

interface SystemError {
  readonly code?: unknown;
  readonly address?: unknown;
  readonly port?: unknown;
  readonly hostname?: unknown;
  readonly reason?: unknown;
}

/** Codes and texts of OpenSSL and Node, for certificates: some libraries pass on the text alone. */
const CERTIFICATE_CAUSES: readonly (readonly [RegExp, string])[] = [
  [/CERT_HAS_EXPIRED|certificate has expired/, 'its certificate has expired'],
  [/CERT_NOT_YET_VALID|not yet valid/, 'its certificate is not valid yet; check the clocks'],
  [
    /CERT_SIGNATURE_FAILURE|SELF_SIGNED_CERT|UNABLE_TO_(GET_ISSUER|VERIFY)|self-signed certificate|unable to (verify|get) /,
    'its certificate is of no authority that is trusted; ca_file names the authority',
  ],
  [
    /WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|wrong version number|packet length too long/,
    'what answers there does not speak TLS',
  ],
];

/** @param host to which the connection was to be made */
export function plainCause(error: unknown, host: string): string {
  const errors: readonly unknown[] = error instanceof AggregateError ? error.errors : [error];
  return [...new Set(errors.map((one) => causeOf(one, host)))].join('; ');
}

function causeOf(error: unknown, host: string): string {
  const { code, address, port, reason } = (error ?? {}) as SystemError;
  const text = printable(withoutOpensslInside(messageOf(error)));
  const coded = typeof code === 'string' ? code : '';
  const where = typeof address === 'string' && typeof port === 'number' ? `${address} port ${port}` : host;
  switch (coded) {
    case 'ENOTFOUND':
      return `${host} has no address (DNS)`;
    case 'EAI_AGAIN':
      return `the address of ${host} cannot be looked up at present (DNS)`;
    case 'ECONNREFUSED':
      return `${where} refused the connection: nothing listens there`;
    case 'ECONNRESET':
    case 'EPIPE':
      return 'the connection was closed without an answer';
    case 'ETIMEDOUT':
      return `${where} does not answer`;
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `there is no way to ${where}`;
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `its certificate is for other names: ${printable(String(reason ?? text))}`;
    default:
  }
  if (coded.startsWith('HPE_')) return 'what answers there does not speak HTTP/1.1';
  return CERTIFICATE_CAUSES.find(([pattern]) => pattern.test(`${coded} ${text}`))?.[1] ?? text;
}
