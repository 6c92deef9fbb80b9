/**
 * Tokens: what stands for whoever may do something. A token is 256 random bits, so that a plain SHA-256 of it can be kept
 * in a file: a slow hash protects what people think up, and nobody tries 2^256 tokens. The token itself is never kept.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { PulselaneError } from './errors.ts';
import { expiryWord, splitExpiry } from './token-expiry.ts';

/** So that a token that went where it should not (a log, a repository) is recognised by scanners, and by people. */
const PREFIX = 'plt_';
const TOKEN_BYTES = 32;
/** Ours have 47; a longer one need not be hashed to be unknown. */
const MAX_TOKEN_CHARACTERS = 512;

export function newToken(): string {
  return PREFIX + randomBytes(TOKEN_BYTES).toString('base64url');
}

/** SHA-256 in hexadecimal: what files hold. */
export function hashOfToken(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

interface Entry<T> {
  readonly digest: Buffer;
  readonly value: T;
}

/**
 * What belongs to each token, found in a time that says nothing of the tokens there are. A comparison with each of 10,000
 * would take too long, and a look-up by the digest itself would take a time that depends on it: so it goes by the
 * digest's HMAC under a key of this process, which nobody outside can steer towards that of a real token. What is found
 * is then compared in constant time.
 */
export class TokenTable<T> {
  readonly #key = randomBytes(32);
  readonly #entries = new Map<string, Entry<T>>();

  /** @param entries each with the hash of its token, as of {@link hashOfToken}; of two with one hash the later counts */
  constructor(entries: Iterable<readonly [hash: string, value: T]>) {
    for (const [hash, value] of entries) {
      const digest = Buffer.from(hash, 'hex');
      this.#entries.set(this.#nameOf(digest), { digest, value });
    }
  }

  get size(): number {
    return this.#entries.size;
  }

  /** What belongs to a token; undefined if nobody has it. */
  find(token: string): T | undefined {
    if (token.length > MAX_TOKEN_CHARACTERS) return undefined;
    return this.findHash(hashOfToken(token));
  }

  /** The same by the token's hash: whether it is still there after the table was read anew. */
  findHash(hash: string): T | undefined {
    const digest = Buffer.from(hash, 'hex');
    const entry = this.#entries.get(this.#nameOf(digest));
    return entry !== undefined && timingSafeEqual(digest, entry.digest) ? entry.value : undefined;
  }

  #nameOf(digest: Buffer): string {
    return createHmac('sha256', this.#key).update(digest).digest('base64');
  }
}

/** The token of an `Authorization` value; undefined if it is of another kind. */
export function bearerToken(authorization: string): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(authorization)?.[1];
}

/** A line of a file of hashes that says something. */
export interface HashLine {
  /** `file:line`, for errors. */
  readonly where: string;
  /** What stands before the expiry and the hash. */
  readonly words: readonly string[];
  readonly hash: string;
  /** Undefined: never. */
  readonly expiresUnixMs: number | undefined;
}

/** What may stand before a hash, for errors. */
export const EXPIRY_FORM = '"expires:2026-12-24T18:00:00Z"';

/**
 * The lines `<words> [expires:<time>] sha256:<hex>` of a file; `#` begins a comment line. A master of before, which does
 * not know of expiry, refuses a line that has one: it would let in for ever who is to be let in for a while.
 * @param where names the file in errors
 * @throws PulselaneError `bad_setting`, naming file and line. The line itself is not told: it may hold a token.
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

/** What the bearer of an API token may do; who may operate may read. */
export const API_SCOPES = ['read', 'operate'] as const;
export type ApiScope = (typeof API_SCOPES)[number];

export interface ApiToken {
  readonly name: string;
  /** With all that they include. */
  readonly scopes: readonly ApiScope[];
  readonly hash: string;
  /** Undefined: never. */
  readonly expiresUnixMs?: number | undefined;
}

const API_LINE =
  '"<name> <scope>[,<scope>] sha256:<64 hexadecimal digits>" with the scopes read and operate, ' +
  `and ${EXPIRY_FORM} before the hash of a token that expires`;
/** It stands in logs and in the session of a browser. */
const API_NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/;

/** Why it cannot be the name of an API token; undefined if it can. */
export function apiNameProblem(name: string): string | undefined {
  if (API_NAME.test(name)) return undefined;
  return 'a name of 1 to 64 letters, digits and . _ @ -, which begins with a letter or a digit';
}

/**
 * Lines `<name> <scope>[,<scope>] [expires:<time>] sha256:<hex>`.
 * @param where what the text is of, for errors: a path, or a setting
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
 * A token has one name and its scopes: of two lines with one hash only one could count, and the other would be believed.
 * A name has one token that lasts; beside it there may be others that expire, as while one takes the place of another.
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
      throw badLine(where, `a token of its own for each name, but ${other} and ${name} have one`);
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

/** How a line is written that {@link parseApiTokens} reads. */
export function apiTokenLine({ name, scopes, hash, expiresUnixMs }: ApiToken): string {
  return `${name} ${scopes.join(',')} ${expiryWord(expiresUnixMs)}sha256:${hash}`;
}
