/** What OpenSSL and grpc-js say of a connection that did not come about, for people. */

/** `40D3…:error:0A00010B:SSL routines:function:reason:file:line:more`, on a line of its own. */
const OPENSSL_LINE = /[0-9A-F]+:error:[0-9A-F]{8}:[^:\n]*:[^:\n]*:([^:\n]+)[^\n]*\n?/g;

/** `error:05800074:x509 certificate routines::reason`, as a context that cannot be made is told. */
const SHORT_OPENSSL = /error:[0-9A-F]{8}:[^:\n]*:[^:\n]*:/g;

/** Its reasons alone: threads, functions and lines of its sources help nobody, and differ for one and the same cause. */
export function withoutOpensslInside(text: string): string {
  return text
    .replace(OPENSSL_LINE, (_line, reason: string) => `${reason}; `)
    .replace(SHORT_OPENSSL, '')
    .replace('key values mismatch', 'the key does not fit the certificate')
    .replace(/(?:; )?\s*$/, '');
}

/** What grpc-js says of a name that it cannot resolve; IP addresses always can be. */
const UNRESOLVED = /^Name resolution failed for target (?:dns:)?(\S+?)(?::\d+)?$/;

/** Why grpc-js has no connection, without the rest of what it says: that differs for one and the same cause. */
export function connectionCause(details: string): string {
  const [withoutNote = ''] = details.split(/\.? Resolution note:/, 1);
  const found = withoutNote.match(/Last error: (.*?)(?: \(\d{4}-.*)?$/s)?.[1] ?? withoutNote;
  return withoutOpensslInside(found.replace(/^Error(?: \[\w+\])?: /, '')).replace(
    UNRESOLVED,
    '$1 has no address (DNS)',
  );
}

/** What grpc-js, Node or OpenSSL say where TLS was begun and the other side does not speak it. */
export const NO_TLS_THERE =
  /before secure TLS connection was established|wrong version number|packet length too long|http request/;

/** A failed handshake as a master tells of it. @param text of the error */
export function handshakeText(text: string): string {
  const plain = withoutOpensslInside(text);
  const hint = SERVER_HINTS.find(([pattern]) => pattern.test(plain))?.[1];
  return hint === undefined ? plain : `${plain} (${hint})`;
}

const SERVER_HINTS: readonly (readonly [RegExp, string])[] = [
  [/wrong version number|http request|packet length/, 'most likely it speaks no TLS'],
  [/no application protocol/, 'it does not speak gRPC'],
  [/alert unknown ca/, 'it does not know the authority of TLS_CERT'],
  [/did not return a certificate/, 'TLS_CLIENT_CA asks for one'],
];
