/** Finds out for which workers a request speaks: by its token, otherwise by the client certificate of its connection. */
import type { TLSSocket } from 'node:tls';
import { isExpired } from '../../lib/token-expiry.ts';
import { bearerToken, hashOfToken, TokenTable } from '../../lib/tokens.ts';
import { subjectsOfCertificate, type TokenSubject, type WorkerToken } from '../../model/identity.ts';

/** What the HTTP thread knows of a worker token. Main knows for which workers it speaks. */
export type WorkerCredential = Pick<WorkerToken, 'hash' | 'name' | 'expiresUnixMs'>;

/** Whom main is to take for the caller. */
export interface WorkerIdentity {
  readonly tokenHash?: string;
  readonly subjects?: readonly TokenSubject[];
}

/** `none`: no credentials; `unknown`: a token that is none of a worker. */
export type WhoSpeaks = WorkerIdentity | { readonly name: string; readonly expiredUnixMs: number } | 'none' | 'unknown';

export class WorkerCredentials {
  readonly #table: TokenTable<WorkerCredential>;

  constructor(tokens: readonly WorkerCredential[]) {
    this.#table = new TokenTable(tokens.map((token) => [token.hash, token] as const));
  }

  /** @param subjects of the connection's certificate, asked only if there is no token */
  whoSpeaks(
    authorization: string | undefined,
    subjects: () => readonly TokenSubject[] | undefined,
    nowUnixMs: number,
  ): WhoSpeaks {
    if (authorization === undefined) {
      const named = subjects();
      return named === undefined ? 'none' : { subjects: named };
    }
    const token = bearerToken(authorization);
    const found = token === undefined ? undefined : this.#table.find(token);
    if (token === undefined || found === undefined) return 'unknown';
    const { name, expiresUnixMs } = found;
    if (expiresUnixMs !== undefined && isExpired(expiresUnixMs, nowUnixMs)) {
      return { name, expiredUnixMs: expiresUnixMs };
    }
    return { tokenHash: hashOfToken(token) };
  }
}

/** The names in the certificate of a connection, which the server has verified; undefined: none. */
export function subjectsOfConnection(socket: object | undefined): readonly TokenSubject[] | undefined {
  if (socket === undefined || !('getPeerCertificate' in socket)) return undefined;
  // Without `requestCert` there is none, and Node answers with an empty object.
  return subjectsOfCertificate((socket as TLSSocket).getPeerCertificate());
}
