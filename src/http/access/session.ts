/**
 * The cookie of a browser session: `<name>~<expiry>~<mac>`. Nothing is stored of a session. Its MAC is keyed with a secret of
 * this master and with the token's hash. So a session ends when its token is removed or replaced, it survives a restart, and
 * the file of token hashes alone is not enough to forge one.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { parse, serialize } from 'hono/utils/cookie';

const COOKIE = 'pulselane_session';
/** A working day with some margin; the next morning the user logs in again. */
export const SESSION_S = 12 * 3600;

export interface Session {
  /** The token's name. */
  readonly name: string;
  readonly expiresUnixS: number;
}

/** @param key secret of this master; @param hash of the token, in hexadecimal */
export function sealSession({ name, expiresUnixS }: Session, hash: string, key: Uint8Array): string {
  return `${name}~${expiresUnixS}~${macOf(name, String(expiresUnixS), hash, key).toString('base64url')}`;
}

/** A session with the hash of the token that opened it. */
export interface OpenedSession extends Session {
  readonly hash: string;
}

/**
 * @param hashesOf the hashes of a name's tokens: several while a token is being replaced
 * @returns undefined if it was not sealed by this master, or has expired
 */
export function openSession(
  value: string,
  { nowUnixS, hashesOf, key }: { nowUnixS: number; hashesOf: (name: string) => readonly string[]; key: Uint8Array },
): OpenedSession | undefined {
  const [name = '', expiry = '', mac = '', ...rest] = value.split('~');
  if (rest.length > 0 || !/^\d{1,15}$/.test(expiry)) return undefined;
  const given = Buffer.from(mac, 'base64url');
  const hash = hashesOf(name).find((candidate) => {
    const expected = macOf(name, expiry, candidate, key);
    return given.length === expected.length && timingSafeEqual(given, expected);
  });
  if (hash === undefined || Number(expiry) <= nowUnixS) return undefined;
  return { name, expiresUnixS: Number(expiry), hash };
}

function macOf(name: string, expiry: string, hash: string, key: Uint8Array): Buffer {
  const ofToken = createHmac('sha256', key).update(hash).digest();
  return createHmac('sha256', ofToken).update(`${name}~${expiry}`).digest();
}

/** The session's value in a Cookie header; undefined if there is none. */
export function sessionIn(cookies: string): string | undefined {
  return parse(cookies, COOKIE)[COOKIE];
}

/** A Set-Cookie header. An empty value removes the cookie. */
export function sessionCookie(value: string, isSecure: boolean): string {
  return serialize(COOKIE, value, {
    httpOnly: true,
    sameSite: 'Strict',
    path: '/',
    secure: isSecure,
    maxAge: value === '' ? 0 : SESSION_S,
  });
}
