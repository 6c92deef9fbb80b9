/**
 * The cookie of a browser that showed a token once: `<name>~<expiry>~<mac>`. Nothing is kept of a session. Its MAC is keyed
 * with a secret of this master and with the hash of the token: so a session ends when its token is removed or
 * replaced, it outlives a restart, and who has read the file of hashes cannot make one.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { parse, serialize } from 'hono/utils/cookie';

const COOKIE = 'pulselane_session';
/** A working day with its margins: whoever comes back the next morning shows the token again. */
export const SESSION_S = 12 * 3600;

export interface Session {
  /** Of the token. */
  readonly name: string;
  readonly expiresUnixS: number;
}

/** @param key secret of this master; @param hash of the token, in hexadecimal */
export function sealSession({ name, expiresUnixS }: Session, hash: string, key: Uint8Array): string {
  return `${name}~${expiresUnixS}~${macOf(name, String(expiresUnixS), hash, key).toString('base64url')}`;
}

/**
 * @param hashOf the hash of a token by its name; undefined if there is none
 * @returns undefined if it was not sealed here, or is over
 */
export function openSession(
  value: string,
  { nowUnixS, hashOf, key }: { nowUnixS: number; hashOf: (name: string) => string | undefined; key: Uint8Array },
): Session | undefined {
  const [name = '', expiry = '', mac = '', ...rest] = value.split('~');
  const hash = hashOf(name);
  if (hash === undefined || rest.length > 0 || !/^\d{1,15}$/.test(expiry)) return undefined;
  const expected = macOf(name, expiry, hash, key);
  const given = Buffer.from(mac, 'base64url');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  return Number(expiry) > nowUnixS ? { name, expiresUnixS: Number(expiry) } : undefined;
}

function macOf(name: string, expiry: string, hash: string, key: Uint8Array): Buffer {
  const ofToken = createHmac('sha256', key).update(hash).digest();
  return createHmac('sha256', ofToken).update(`${name}~${expiry}`).digest();
}

/** The session's value in a Cookie header; undefined if there is none. */
export function sessionIn(cookies: string): string | undefined {
  return parse(cookies, COOKIE)[COOKIE];
}

/** A Set-Cookie header. An empty value takes the cookie away. */
export function sessionCookie(value: string, isSecure: boolean): string {
  return serialize(COOKIE, value, {
    httpOnly: true,
    sameSite: 'Strict',
    path: '/',
    secure: isSecure,
    maxAge: value === '' ? 0 : SESSION_S,
  });
}
