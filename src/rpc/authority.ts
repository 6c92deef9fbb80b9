/** Authenticates callers: by the token in the call's metadata, otherwise by the client certificate of the connection. */
import type { ServerUnaryCall } from '@grpc/grpc-js';
import type { Clock } from '../lib/clock.ts';
import { PulselaneError } from '../lib/errors.ts';
import { instantText, isExpired } from '../lib/token-expiry.ts';
import { bearerToken, hashOfToken, newToken, TokenTable } from '../lib/tokens.ts';
import {
  certificateName,
  type Grant,
  grantOf,
  subjectsOfCertificate,
  tokenOf,
  type WorkerToken,
} from '../model/identity.ts';

/** An authenticated caller. */
export interface Speaker {
  /** For logs and events: `the token of worker-1`. */
  readonly name: string;
  readonly grant: Grant;
  /** Undefined if authenticated by certificate. */
  readonly tokenHash: string | undefined;
}

export type Credentials = Pick<ServerUnaryCall<unknown, unknown>, 'metadata' | 'getAuthContext'>;

export class Authority {
  readonly #clock: Pick<Clock, 'wallMs'>;
  #tokens: TokenTable<WorkerToken>;
  /** Workers that a token of the token file names. */
  #named: ReadonlySet<string>;
  /** Tokens issued to agents within this process; they are in no file. */
  readonly #issued: WorkerToken[] = [];
  #issuedTable = new TokenTable<WorkerToken>([]);

  constructor(tokens: readonly WorkerToken[], clock: Pick<Clock, 'wallMs'>) {
    this.#clock = clock;
    this.#tokens = tableOf(tokens);
    this.#named = workersOf(tokens);
  }

  /**
   * Replaces the tokens of the token file. Callers with a removed token are no longer authenticated.
   * @returns how many tokens were removed
   */
  setTokens(tokens: readonly WorkerToken[]): number {
    const before = this.#tokens;
    this.#tokens = tableOf(tokens);
    const kept = tokens.filter(({ hash }) => before.findHash(hash) !== undefined).length;
    this.#named = workersOf(tokens);
    return before.size - kept;
  }

  /** Whether a token names this worker, regardless of which caller uses it. */
  hasTokenOf(workerId: string): boolean {
    return this.#named.has(workerId) || this.#issued.some(({ grant }) => grant.workers.has(workerId));
  }

  /** Issues a token for a worker of this process, valid as long as the process runs. */
  issue(workerId: string): string {
    const token = newToken();
    this.#issued.push({
      ...tokenOf(hashOfToken(token), [{ kind: 'worker', id: workerId }]),
      name: `the local agent ${workerId}`,
    });
    this.#issuedTable = tableOf(this.#issued);
    return token;
  }

  /** @throws PulselaneError `unauthenticated`; its message does not reveal which part was almost right */
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
        ? 'this master requires authentication: the call carried no token and no valid client certificate'
        : 'the client certificate names no worker and no group',
    );
  }

  /**
   * Re-authenticates a caller after the tokens changed or one expired: with its token's present grant. A caller with a
   * certificate keeps its grant: certificates are not revoked this way.
   * @throws PulselaneError `unauthenticated` if the token was removed or has expired
   */
  renewed(speaker: Speaker): Speaker {
    if (speaker.tokenHash === undefined) return speaker;
    return this.#speakerBy(speaker.tokenHash, 'the token of this stream has been removed');
  }

  /**
   * The same by the hash of a token, for a call whose token the HTTP thread has read.
   * @throws PulselaneError `unauthenticated`
   */
  speakerOfHash(hash: string): Speaker {
    return this.#speakerBy(hash, 'this master does not know the token');
  }

  #byToken(authorization: readonly (string | Buffer)[]): Speaker {
    // With several values one would have to be chosen, and an attacker could exploit the choice.
    const [only] = authorization.length === 1 ? authorization : [];
    const token = typeof only === 'string' ? bearerToken(only) : undefined;
    if (token === undefined) {
      throw new PulselaneError(
        'unauthenticated',
        'the authorization metadata must be exactly one value "Bearer <token>"',
      );
    }
    return this.speakerOfHash(hashOfToken(token));
  }

  #speakerBy(hash: string, unknownText: string): Speaker {
    const found = this.#tokens.findHash(hash) ?? this.#issuedTable.findHash(hash);
    if (found === undefined) throw new PulselaneError('unauthenticated', unknownText);
    const { name, grant, expiresUnixMs } = found;
    if (expiresUnixMs !== undefined && isExpired(expiresUnixMs, this.#clock.wallMs())) {
      throw new PulselaneError('unauthenticated', `${name} expired at ${instantText(expiresUnixMs)}`);
    }
    return { name, grant, tokenHash: hash };
  }
}

function tableOf(tokens: readonly WorkerToken[]): TokenTable<WorkerToken> {
  return new TokenTable(tokens.map((token) => [token.hash, token]));
}

function workersOf(tokens: readonly WorkerToken[]): Set<string> {
  return new Set(tokens.flatMap(({ grant }) => [...grant.workers]));
}
