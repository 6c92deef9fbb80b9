import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Decision, decide, type Facts, type Rules, scopeOf, type Who } from '../../../src/http/access/decide.ts';
import { isHostAllowed } from '../../../src/http/access/hosts.ts';
import { nextPage } from '../../../src/http/access/next-page.ts';
import { isLoopbackPeer } from '../../../src/http/access/peer.ts';
import { PeerRequestRates } from '../../../src/http/access/rates.ts';
import { openSession, sealSession, sessionCookie, sessionIn } from '../../../src/http/access/session.ts';
import type { WhoSpeaks } from '../../../src/http/access/worker-credentials.ts';
import { hashOfToken } from '../../../src/lib/tokens.ts';

const RULES: Rules = {
  corsOrigins: ['http://dashboard.example'],
  allowedHosts: new Set(['pulselane.example']),
  machineNames: new Set(['this-machine']),
  listensBeyondLoopback: false,
  hasTokens: false,
  asksWorkers: false,
};
const TOKEN = { hash: '', expiresUnixMs: undefined };
const READER: Who = { name: 'reader', scopes: ['read'], by: 'token', ...TOKEN };
const OPERATOR: Who = { name: 'operator', scopes: ['read', 'operate'], by: 'token', ...TOKEN };
const RELEASE = '/api/v1/brakes/release';

function facts(part: Partial<Facts> = {}): Facts {
  return {
    method: 'GET',
    path: '/api/v1/holds',
    headers: { host: 'localhost' },
    peer: '127.0.0.1',
    isTls: false,
    ...part,
  };
}

/** `allow`, or what is answered in its place. */
function outcome(
  part: Partial<Facts>,
  { rules = {}, who = 'none', speaks = 'none' }: { rules?: Partial<Rules>; who?: Who; speaks?: WhoSpeaks } = {},
): string {
  const decision: Decision = decide(
    facts(part),
    { ...RULES, ...rules },
    { whoAsks: () => who, whoSpeaks: () => speaks },
  );
  return decision.type === 'refuse' ? decision.code : decision.type;
}

describe('without tokens', () => {
  test('everybody reads, and this machine changes', () => {
    expect(outcome({ peer: '10.0.0.1' })).toBe('allow');
    const change = { method: 'POST', path: RELEASE };
    for (const peer of ['127.0.0.1', '127.8.9.10', '::1', '::ffff:127.0.0.1']) {
      expect(outcome({ ...change, peer })).toBe('allow');
    }
    for (const peer of ['10.0.0.1', '::ffff:10.0.0.1', '2001:db8::1', '', undefined]) {
      expect(outcome({ ...change, peer })).toBe('permission_denied');
    }
  });

  test.each(['forwarded', 'x-forwarded-for', 'x-forwarded-anything', 'via', 'x-real-ip'])(
    '%s is not this machine',
    (name) => {
      expect(outcome({ method: 'DELETE', path: '/api/v1/workers/a', headers: { host: 'localhost', [name]: '' } })).toBe(
        'permission_denied',
      );
    },
  );

  test('a page that may read may not change', () => {
    const headers = { host: 'localhost:8080', origin: 'http://dashboard.example' };
    expect(outcome({ headers })).toBe('allow');
    expect(outcome({ method: 'POST', path: RELEASE, headers })).toBe('permission_denied');
    expect(outcome({ method: 'POST', path: RELEASE, headers: { ...headers, origin: 'http://localhost:8080' } })).toBe(
      'allow',
    );
  });

  test('paths of the earlier system are left to say 405', () => {
    for (const path of ['/telemetry', '/telemetry/a/b', '/workers', '/health', '/ws/telemetry']) {
      expect(outcome({ method: 'POST', path, peer: '10.0.0.1' })).toBe('allow');
    }
    expect(scopeOf({ method: 'POST', path: '/telemetryx' })).toBe('operate');
  });
});

describe('with tokens', () => {
  const rules = { hasTokens: true };

  test.each<[string, Who, string, string]>([
    ['GET', 'none', '/api/v1/holds', 'unauthenticated'],
    ['GET', 'unknown', '/telemetry', 'unauthenticated'],
    ['GET', READER, '/telemetry', 'allow'],
    ['POST', READER, RELEASE, 'permission_denied'],
    ['DELETE', READER, '/api/v1/workers/a', 'permission_denied'],
    ['BREW', READER, '/api/v1/workers/a', 'permission_denied'],
    ['POST', OPERATOR, RELEASE, 'allow'],
    ['POST', 'none', RELEASE, 'unauthenticated'],
    ['OPTIONS', 'none', '/telemetry', 'unauthenticated'],
    ['GET', 'none', '/nowhere', 'unauthenticated'],
    ['GET', 'none', '/health', 'allow'],
    ['GET', 'none', '/livez', 'allow'],
    ['GET', 'none', '/readyz', 'allow'],
    ['GET', 'unknown', '/health', 'allow'],
    ['POST', 'none', '/login', 'allow'],
    ['GET', 'none', '/health/', 'unauthenticated'],
    ['GET', 'none', '/%68ealth', 'unauthenticated'],
  ])('%s by %j of %s: %s', (method, who, path, expected) => {
    expect(outcome({ method, path }, { rules, who })).toBe(expected);
  });

  test('loopback is nobody special', () => {
    expect(outcome({ method: 'POST', path: RELEASE, peer: '127.0.0.1' }, { rules })).toBe('unauthenticated');
  });

  test('who may not read is told so on a public path', () => {
    const told = (who: Who) =>
      decide(facts({ path: '/health' }), { ...RULES, ...rules }, { whoAsks: () => who, whoSpeaks: () => 'none' });
    expect(told('none')).toMatchObject({ type: 'allow', mayRead: false });
    expect(told(READER)).toMatchObject({ type: 'allow', mayRead: true });
  });

  test('a browser that wants a page is sent to the login, and nobody else', () => {
    const headers = { host: 'localhost', accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
    expect(outcome({ headers }, { rules })).toBe('login');
    expect(outcome({ headers }, { rules, who: 'unknown' })).toBe('login');
    expect(outcome({ headers: { ...headers, authorization: 'Bearer x' } }, { rules, who: 'unknown' })).toBe(
      'unauthenticated',
    );
    expect(outcome({ method: 'POST', path: RELEASE, headers }, { rules })).toBe('unauthenticated');
    expect(outcome({ headers: { host: 'localhost', accept: '*/*' } }, { rules })).toBe('unauthenticated');
  });

  test.each([
    [undefined, 'permission_denied'],
    ['null', 'permission_denied'],
    ['http://evil.example', 'permission_denied'],
    ['http://dashboard.example', 'permission_denied'],
    ['http://localhost:8080', 'allow'],
    // TLS may be a proxy's.
    ['https://localhost:8080', 'allow'],
  ])('a session changes things, and opens streams, only from a page of ours: %s', (origin, expected) => {
    const who: Who = { name: 'operator', scopes: ['read', 'operate'], by: 'cookie', ...TOKEN };
    const headers = { host: 'localhost:8080', ...(origin === undefined ? {} : { origin }) };
    expect(outcome({ method: 'POST', path: RELEASE, headers }, { rules, who })).toBe(expected);
    expect(outcome({ path: '/ws/telemetry', headers: { ...headers, upgrade: 'WebSocket' } }, { rules, who })).toBe(
      expected,
    );
    expect(outcome({ headers: { host: 'localhost:8080' } }, { rules, who })).toBe('allow');
  });

  test('a token works from a page of CORS_ORIGINS, and from no other', () => {
    const change = (origin: string) => ({ method: 'POST', path: RELEASE, headers: { host: 'localhost', origin } });
    expect(outcome(change('http://dashboard.example'), { rules, who: OPERATOR })).toBe('allow');
    expect(outcome(change('http://evil.example'), { rules, who: OPERATOR })).toBe('permission_denied');
  });

  test('plain HTTP is not ours where we speak TLS', () => {
    const headers = { host: 'a.example', origin: 'http://a.example' };
    expect(
      outcome(
        { method: 'POST', path: RELEASE, headers, isTls: true },
        { rules: { ...rules, listensBeyondLoopback: true, allowedHosts: new Set() }, who: OPERATOR },
      ),
    ).toBe('permission_denied');
  });
});

test('a WebSocket from a page of another origin is refused, and a GET is not', () => {
  const headers = { host: 'localhost', origin: 'http://evil.example' };
  expect(outcome({ path: '/ws/telemetry', headers: { ...headers, upgrade: 'websocket' } })).toBe('permission_denied');
  expect(outcome({ headers })).toBe('allow');
  expect(outcome({ path: '/ws/telemetry', headers: { host: 'localhost', upgrade: 'websocket' } })).toBe('allow');
});

test('the Host comes before everything', () => {
  const headers = { host: 'rebound.example', origin: 'http://dashboard.example' };
  expect(outcome({ method: 'OPTIONS', headers })).toBe('misdirected');
  expect(outcome({ path: '/health', headers }, { rules: { hasTokens: true } })).toBe('misdirected');
});

describe('a Host', () => {
  const allowed = (host: string | undefined, rules: Partial<Rules> = {}, isLocal = false) =>
    isHostAllowed(host, () => isLocal, { ...RULES, ...rules });

  test.each([
    'localhost',
    'LOCALHOST:8080',
    'localhost.',
    'a.localhost:1',
    '127.0.0.1:8080',
    '127.9.9.9',
    '[::1]',
    '[::1]:8080',
    'pulselane.example',
    'Pulselane.Example:443',
    '',
    undefined,
  ])('%s is one of a server on loopback', (host) => {
    expect(allowed(host)).toBe(true);
  });

  test.each([
    'x',
    'rebound.example',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    'evillocalhost',
    '10.0.0.5',
    'localhost@evil.example',
    'this-machine',
    '[::2]',
  ])('%s is none', (host) => {
    expect(allowed(host)).toBe(false);
  });

  test('beyond loopback: those of the list, and addresses', () => {
    const rules = { listensBeyondLoopback: true };
    for (const host of ['pulselane.example', '10.0.0.5:8080', '[2001:db8::1]:8080', 'localhost'])
      expect(allowed(host, rules)).toBe(true);
    expect(allowed('other.example', rules)).toBe(false);
  });

  test('beyond loopback without a list: any, but from a browser of this machine where nobody needs a token', () => {
    const rules = { listensBeyondLoopback: true, allowedHosts: new Set<string>() };
    expect(allowed('any.example', rules)).toBe(true);
    expect(allowed('any.example', rules, true)).toBe(false);
    expect(allowed('any.example', { ...rules, hasTokens: true }, true)).toBe(true);
    for (const host of ['localhost:8080', '10.0.0.5', 'this-machine:8080'])
      expect(allowed(host, rules, true)).toBe(true);
  });
});

test('no address that is not of loopback is taken for it', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => {
      const isOne = address.startsWith('127.') || address === '::1';
      fc.pre(!address.includes(':') || isOne || !/^[0:]+1$|ffff/i.test(address));
      expect(isLoopbackPeer(address)).toBe(isOne);
    }),
  );
});

describe('the rate of a peer', () => {
  test('is a burst and then so many a second, whatever the pauses', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 2000 }), { maxLength: 200 }), (pausesMs) => {
        const rates = new PeerRequestRates({ perS: 5, burst: 10, maxPeers: 10 });
        let nowMs = 0;
        let taken = 0;
        for (const pauseMs of pausesMs) {
          nowMs += pauseMs;
          const waitMs = rates.take('a', nowMs);
          if (waitMs === 0) taken++;
          else expect(waitMs).toBeLessThanOrEqual(200);
          expect(taken).toBeLessThanOrEqual(10 + (nowMs / 1000) * 5 + 1e-6);
        }
      }),
    );
  });

  test('has a wait after which it may again', () => {
    const rates = new PeerRequestRates({ perS: 5, burst: 2, maxPeers: 10 });
    expect([rates.take('a', 0), rates.take('a', 0)]).toEqual([0, 0]);
    const waitMs = rates.take('a', 0);
    expect(waitMs).toBe(200);
    expect(rates.take('a', waitMs - 1)).toBeGreaterThan(0);
    expect(rates.take('a', waitMs)).toBe(0);
    expect(rates.take('b', 0)).toBe(0);
  });

  test('is remembered of so many peers and no more', () => {
    const rates = new PeerRequestRates({ perS: 1, burst: 1, maxPeers: 100 });
    for (let i = 0; i < 1000; i++) rates.take(`peer-${i}`, 0);
    expect(rates.size).toBe(100);
  });
});

describe('a session', () => {
  const hash = hashOfToken('secret');
  const key = Buffer.alloc(32, 1);
  const session = { name: 'grafana', expiresUnixS: 2000 };
  const open = (value: string, part: Partial<Parameters<typeof openSession>[1]> = {}) =>
    openSession(value, { nowUnixS: 1000, hashesOf: (name) => (name === 'grafana' ? [hash] : []), key, ...part });

  test('is opened until it is over, or its token is gone or another', () => {
    const value = sealSession(session, hash, key);
    expect(open(value)).toEqual({ ...session, hash });
    expect(open(value, { nowUnixS: 1999.9 })).toEqual({ ...session, hash });
    expect(open(value, { nowUnixS: 2000 })).toBeUndefined();
    expect(open(value, { hashesOf: () => [] })).toBeUndefined();
    expect(open(value, { hashesOf: () => [hashOfToken('another')] })).toBeUndefined();
    // While one token takes the place of another, sessions of both go on.
    expect(open(value, { hashesOf: () => [hashOfToken('another'), hash] })).toEqual({ ...session, hash });
    expect(open(value, { key: Buffer.alloc(32, 2) })).toBeUndefined();
  });

  test('cannot be changed in any character', () => {
    const value = sealSession(session, hash, key);
    fc.assert(
      fc.property(fc.nat(value.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (at, by) => {
        const changed = value.slice(0, at) + by + value.slice(at + 1);
        // The last character of base64url carries bits that mean nothing.
        fc.pre(at < value.length - 1 && changed !== value);
        expect(open(changed)).toBeUndefined();
      }),
    );
  });

  test('is not opened by anything that somebody makes up', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        expect(open(value)).toBeUndefined();
        expect(open(`grafana~9999~${value}`)).toBeUndefined();
      }),
    );
  });

  test('travels in a cookie, among others, whatever the name', () => {
    const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/);
    fc.assert(
      fc.property(name, (text) => {
        const value = sealSession({ name: text, expiresUnixS: 2000 }, hash, key);
        const [pair] = sessionCookie(value, true).split(';');
        const opened = openSession(sessionIn(`a=b; ${pair}; c=d`) ?? '', { nowUnixS: 1, hashesOf: () => [hash], key });
        expect(opened?.name).toBe(text);
      }),
    );
  });

  test('is hidden from scripts and from other sites', () => {
    expect(sessionCookie('x', true)).toBe(
      'pulselane_session=x; Max-Age=43200; Path=/; HttpOnly; Secure; SameSite=Strict',
    );
    expect(sessionCookie('', false)).toBe('pulselane_session=; Max-Age=0; Path=/; HttpOnly; SameSite=Strict');
  });
});

describe('the page after the login', () => {
  test.each(['/', '/telemetry?x=1&y=//z', '/api/v1/workers/a%2Fb'])('%s is gone to', (path) => {
    expect(nextPage(path)).toBe(path);
  });

  test.each([
    undefined,
    '',
    '//evil.example',
    '/\\evil.example',
    '/\t/evil.example',
    '/a\r\nSet-Cookie: x',
    'https://evil.example',
    'javascript:alert(1)',
    '/a\\b',
  ])('%s is not', (path) => {
    expect(nextPage(path)).toBe('/');
  });

  test('is always of this server', () => {
    const part = fc.constantFrom(
      '/',
      '\\',
      '//',
      '\t',
      '\n',
      'evil.example',
      '@',
      ':',
      'https:',
      '..',
      '%2f',
      '?',
      '#',
      ' ',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(part).map((parts) => `/${parts.join('')}`),
        ),
        (asked) => {
          expect(new URL(nextPage(asked), 'http://ours.example:8080').origin).toBe('http://ours.example:8080');
        },
      ),
    );
  });
});
