/** Translates errors of OpenSSL and grpc-js about failed connections for people. */

/** `40D3…:error:0A00010B:SSL routines:function:reason:file:line:more`, on its own line. */
const OPENSSL_LINE = /[0-9A-F]+:error:[0-9A-F]{8}:[^:\n]*:[^:\n]*:([^:\n]+)[^\n]*\n?/g;

/** `error:05800074:x509 certificate routines::reason`, the format for a context that cannot be created. */
const SHORT_OPENSSL = /error:[0-9A-F]{8}:[^:\n]*:[^:\n]*:/g;

/** Keeps only the reasons: threads, functions and source lines help nobody, and differ for the same cause. */
export function withoutOpensslInside(text: string): string {
  return text
    .replace(OPENSSL_LINE, (_line, reason: string) => `${reason}; `)
    .replace(SHORT_OPENSSL, '')
    .replace('key values mismatch', 'the key does not match the certificate')
    .replace(/(?:; )?\s*$/, '');
}

/** grpc-js's text for a name that cannot be resolved. */
const UNRESOLVED = /^Name resolution failed for target (?:dns:)?(\S+?)(?::\d+)?$/;

/** Why grpc-js has no connection, without the details that differ for the same cause. */
export function connectionCause(details: string): string {
  const [withoutNote = ''] = details.split(/\.? Resolution note:/, 1);
  const found = withoutNote.match(/Last error: (.*?)(?: \(\d{4}-.*)?$/s)?.[1] ?? withoutNote;
  return withoutOpensslInside(found.replace(/^Error(?: \[\w+\])?: /, '')).replace(
    UNRESOLVED,
    '$1 has no address (DNS)',
  );
}

/** Texts of grpc-js, Node and OpenSSL for a peer that does not speak TLS. */
export const NO_TLS_THERE =
  /before secure TLS connection was established|wrong version number|packet length too long|http request/;

/** A failed handshake, as reported by a master. @param text the error's text */
export function handshakeText(text: string): string {
  const plain = withoutOpensslInside(text);
  const hint = SERVER_HINTS.find(([pattern]) => pattern.test(plain))?.[1];
  return hint === undefined ? plain : `${plain} (${hint})`;
}

const SERVER_HINTS: readonly (readonly [RegExp, string])[] = [
  [/wrong version number|http request|packet length/, 'it probably does not use TLS'],
  [/no application protocol/, 'it does not speak gRPC'],
  [/alert unknown ca/, 'it does not trust the CA of TLS_CERT'],
  [/did not return a certificate/, 'TLS_CLIENT_CA requires one'],
];
