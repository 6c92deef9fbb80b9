/** Who calls: by the token in the metadata of a call, else by the certificate of its connection. */
import type { ServerUnaryCall } from '@grpc/grpc-js';
import { PulselaneError } from '../lib/errors.ts';
import { bearerToken, hashOfToken, newToken, TokenTable } from '../lib/tokens.ts';
import { certificateName, type Grant, grantOf, subjectsOfCertificate, type WorkerToken } from '../model/identity.ts';

/** Somebody who has proved who it is. */
export interface Speaker {
  /** For logs and events: `the token of worker-1`. */
  readonly name: string;
  readonly grant: Grant;
  /** Undefined if it is known by its certificate. */
  readonly tokenHash: string | undefined;
}

export type Credentials = Pick<ServerUnaryCall<unknown, unknown>, 'metadata' | 'getAuthContext'>;

export class Authority {
  #tokens: TokenTable<WorkerToken>;
  /** Workers that a token of a file names. */
  #named: ReadonlySet<string>;
  /** Tokens that were made for agents within this process; files do not know them. */
  readonly #issued: WorkerToken[] = [];
  #issuedTable = new TokenTable<WorkerToken>([]);

  constructor(tokens: readonly WorkerToken[]) {
    this.#tokens = tableOf(tokens);
    this.#named = workersOf(tokens);
  }

  /**
   * In place of those of before: who comes with another one is not known any more.
   * @returns how many of those of before are gone
   */
  setTokens(tokens: readonly WorkerToken[]): number {
    const before = this.#tokens;
    this.#tokens = tableOf(tokens);
    const kept = tokens.filter(({ hash }) => before.findHash(hash) !== undefined).length;
    this.#named = workersOf(tokens);
    return before.size - kept;
  }

  /** Whether there is a token for this very worker, by whomever it is used. */
  hasTokenOf(workerId: string): boolean {
    return this.#named.has(workerId) || this.#issued.some(({ grant }) => grant.workers.has(workerId));
  }

  /** A token for a worker of this process, good for as long as it runs. */
  issue(workerId: string): string {
    const token = newToken();
    const grant = grantOf([{ kind: 'worker', id: workerId }]);
    this.#issued.push({ hash: hashOfToken(token), grant, name: `the local agent ${workerId}` });
    this.#issuedTable = tableOf(this.#issued);
    return token;
  }

  /** @throws PulselaneError `unauthenticated`; it does not say what was nearly right */
  speakerOf({ metadata, getAuthContext }: Credentials): Speaker {
    const authorization = metadata.get('authorization');
    if (authorization.length > 0) return this.#byToken(authorization);
    const { sslPeerCertificate } = getAuthContext();
    const subjects = sslPeerCertificate && subjectsOfCertificate(sslPeerCertificate);
    if (subjects !== undefined) {
      return { name: certificateName(subjects), grant: grantOf(subjects), tokenHash: undefined };
    }
    throw new PulselaneError(
      'unauthenticated',
      sslPeerCertificate === undefined
        ? 'this master wants to know who reports: no token and no valid client certificate came with the call'
        : 'the client certificate names no worker and no group',
    );
  }

  /**
   * A speaker of before, with what its token allows now; undefined if nobody knows the token any more. One with a
   * certificate stays as it is: nobody has taken that back.
   */
  renewed(speaker: Speaker): Speaker | undefined {
    if (speaker.tokenHash === undefined) return speaker;
    const found = this.#find(speaker.tokenHash);
    return found && speakerBy(found);
  }

  #byToken(authorization: readonly (string | Buffer)[]): Speaker {
    // Of several one would have to be chosen, and which one is a question that an attacker would like to answer.
    const [only] = authorization.length === 1 ? authorization : [];
    const token = typeof only === 'string' ? bearerToken(only) : undefined;
    if (token === undefined) {
      throw new PulselaneError('unauthenticated', 'expected one value "Bearer <token>" in the authorization metadata');
    }
    const found = this.#find(hashOfToken(token));
    if (found === undefined) throw new PulselaneError('unauthenticated', 'the token is not known to this master');
    return speakerBy(found);
  }

  #find(hash: string): WorkerToken | undefined {
    return this.#tokens.findHash(hash) ?? this.#issuedTable.findHash(hash);
  }
}

function speakerBy({ name, grant, hash }: WorkerToken): Speaker {
  return { name, grant, tokenHash: hash };
}

function tableOf(tokens: readonly WorkerToken[]): TokenTable<WorkerToken> {
  return new TokenTable(tokens.map((token) => [token.hash, token]));
}

function workersOf(tokens: readonly WorkerToken[]): Set<string> {
  return new Set(tokens.flatMap(({ grant }) => [...grant.workers]));
}
