/**
 * Access tokens. A token is 256 random bits, so a plain SHA-256 of it can be stored: slow hashes protect passwords that
 * people choose, and nobody can try 2^256 tokens. The token itself is never stored.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { PulselaneError } from './errors.ts';
import { expiryWord, splitExpiry } from './token-expiry.ts';

/** Lets scanners and people recognise a leaked token in a log or repository. */
const PREFIX = 'plt_';
const TOKEN_BYTES = 32;
/** Our tokens have 47 characters; longer ones are unknown without hashing. */
const MAX_TOKEN_CHARACTERS = 512;

export function newToken(): string {
  return PREFIX + randomBytes(TOKEN_BYTES).toString('base64url');
}

/** SHA-256 in hexadecimal, as stored in files. */
export function hashOfToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

interface Entry<T> {
  readonly digest: Buffer;
  readonly value: T;
}

/**
 * A table of values by token, whose look-up time reveals nothing about the stored tokens. Comparing with each of 10,000
 * tokens would take too long, and a look-up by the digest would take a time that depends on it. So the key is the
 * digest's HMAC under a key of this process, which an attacker cannot predict. The entry found is then compared in
 * constant time.
 */
export class TokenTable<T> {
  readonly #key = randomBytes(32);
  readonly #entries = new Map<string, Entry<T>>();

  /** @param entries values by hash, see {@link hashOfToken}; of two with the same hash the later one counts */
  constructor(entries: Iterable<readonly [hash: string, value: T]>) {
    for (const [hash, value] of entries) {
      const digest = Buffer.from(hash, 'hex');
      this.#entries.set(this.#nameOf(digest), { digest, value });
    }
  }

  get size(): number {
    return this.#entries.size;
  }

  /** The value of a token; undefined if the token is unknown. */
  find(token: string): T | undefined {
    if (token.length > MAX_TOKEN_CHARACTERS) return undefined;
    return this.findHash(hashOfToken(token));
  }

  /** The same by the token's hash: whether the token still exists after a reload. */
  findHash(hash: string): T | undefined {
    const digest = Buffer.from(hash, 'hex');
    const entry = this.#entries.get(this.#nameOf(digest));
    return entry !== undefined && timingSafeEqual(digest, entry.digest) ? entry.value : undefined;
  }

  #nameOf(digest: Buffer): string {
    return createHmac('sha256', this.#key).update(digest).digest('base64');
  }
}

/** The token in an `Authorization` header; undefined for other schemes. */
export function bearerToken(authorization: string): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
}

/** A line of a token file. */
export interface HashLine {
  /** `file:line`, for errors. */
  readonly where: string;
  /** The words before the expiry and the hash. */
  readonly words: readonly string[];
  readonly hash: string;
  /** Undefined: never. */
  readonly expiresUnixMs: number | undefined;
}

/** Format of the expiry before a hash, for errors. */
export const EXPIRY_FORM = '"expires:2026-12-24T18:00:00Z"';

/**
 * Parses the lines `<words> [expires:<time>] sha256:<hex>` of a file; `#` begins a comment line. Earlier versions
 * refuse a line with an expiry, instead of accepting the token for ever.
 * @param where name of the file, for errors
 * @throws PulselaneError `bad_setting`, naming file and line, but not the line's content, which may be a token
 */
export function hashLines(text: string, where: string, expected: string): HashLine[] {
  const lines: HashLine[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const words = line.split(/\s+/);
    const hash = /^sha256:([0-9a-f]{64})$/.exec(words.pop() as string)?.[1];
    const at = `${where}:${index + 1}`;
    if (hash === undefined) throw badLine(at, expected);
    const split = splitExpiry(words);
    if (split === undefined) throw badLine(at, `${EXPIRY_FORM} before the hash, in UTC or with a zone`);
    lines.push({ where: at, hash, ...split });
  }
  return lines;
}

export function badLine(where: string, expected: string): PulselaneError {
  return new PulselaneError('bad_setting', `${where}: expected ${expected}`);
}

/** What an API token allows; `operate` includes `read`. */
export const API_SCOPES = ['read', 'operate'] as const;
export type ApiScope = (typeof API_SCOPES)[number];

export interface ApiToken {
  readonly name: string;
  /** Including implied ones. */
  readonly scopes: readonly ApiScope[];
  readonly hash: string;
  /** Undefined: never. */
  readonly expiresUnixMs?: number | undefined;
}

const API_LINE =
  '"<name> <scope>[,<scope>] sha256:<64 hexadecimal digits>" with the scopes read and operate, ' +
  `and ${EXPIRY_FORM} before the hash of a token that expires`;
/** The name appears in logs and in browser sessions. */
const API_NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/;

/** Why it cannot be the name of an API token; undefined if it can. */
export function apiNameProblem(name: string): string | undefined {
  if (API_NAME.test(name)) return undefined;
  return 'a name of 1 to 64 letters, digits and . _ @ -, beginning with a letter or a digit';
}

/**
 * Parses lines `<name> <scope>[,<scope>] [expires:<time>] sha256:<hex>`.
 * @param where source of the text, for errors: a path or a setting
 * @throws PulselaneError `bad_setting`, naming file and line
 */
export function parseApiTokens(text: string, where: string): ApiToken[] {
  const tokens = hashLines(text, where, API_LINE).map(({ where: at, words, hash, expiresUnixMs }): ApiToken => {
    const [name, scopes, ...rest] = words;
    if (name === undefined || scopes === undefined || rest.length > 0) throw badLine(at, API_LINE);
    const problem = apiNameProblem(name);
    if (problem !== undefined) throw badLine(at, problem);
    return { name, scopes: parseApiScopes(scopes, at), hash, expiresUnixMs };
  });
  checkOnce(tokens, where);
  return tokens;
}

/**
 * Checks that no token occurs twice, since only one of its lines could count. A name may have one token without an
 * expiry, and further ones that expire, as during a rotation.
 * @throws PulselaneError `bad_setting`, naming the names
 */
export function checkOnce(tokens: readonly ApiToken[], where: string): void {
  const lasting = new Set<string>();
  const nameOfHash = new Map<string, string>();
  for (const { name, hash, expiresUnixMs } of tokens) {
    if (expiresUnixMs === undefined) {
      if (lasting.has(name)) throw badLine(where, `each name only once, but ${name} occurs twice without an expiry`);
      lasting.add(name);
    }
    const other = nameOfHash.get(hash);
    if (other === name) throw badLine(where, `each token only once, but one of ${name} occurs twice`);
    if (other !== undefined)
      throw badLine(where, `a different token for each name, but ${other} and ${name} have the same`);
    nameOfHash.set(hash, name);
  }
}

/** @throws PulselaneError `bad_setting` */
export function parseApiScopes(text: string, where: string): ApiScope[] {
  const given = text.split(',');
  if (!given.every((scope): scope is ApiScope => (API_SCOPES as readonly string[]).includes(scope))) {
    throw badLine(where, 'the scopes read or operate, separated by commas');
  }
  return API_SCOPES.filter((scope) => given.includes(scope) || (scope === 'read' && given.includes('operate')));
}

/** Formats a line that {@link parseApiTokens} reads. */
export function apiTokenLine({ name, scopes, hash, expiresUnixMs }: ApiToken): string {
  return `${name} ${scopes.join(',')} ${expiryWord(expiresUnixMs)}sha256:${hash}`;
}
