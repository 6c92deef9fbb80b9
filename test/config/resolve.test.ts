import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseEnv } from 'node:util';
import { Command } from 'commander';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { withAbsolutePaths } from '../../src/config/absolute-paths.ts';
import { addOptions, givenFlags } from '../../src/config/command-line.ts';
import * as kinds from '../../src/config/kinds.ts';
import { agentOptions, clientOptions, masterOptions } from '../../src/config/options.ts';
import { agentConfig, explainOptions, masterConfig, resolveOptions } from '../../src/config/resolve.ts';
import { readDotenv, unreadableLines } from '../../src/config/sources.ts';
import { type PulselaneError, problemsOf } from '../../src/lib/errors.ts';
import { repetitions } from '../support/repetitions.ts';

const HOUR_MS = 3_600_000;

const resolveMaster = (
  flags: Record<string, string> = {},
  environment: Record<string, string> = {},
  dotenv: Record<string, string> = {},
) => resolveOptions(masterOptions, { flags, environment, dotenv });

test('with nothing set, the contract’s defaults hold', () => {
  expect(resolveMaster()).toMatchObject({
    httpAddress: { host: '127.0.0.1', port: 8080 },
    grpcAddress: { host: '127.0.0.1', port: 50_051 },
    heartbeatIntervalMs: 5000,
    inactivityTimeoutMs: 30_000,
    retentionMs: 86_400_000,
    admission: 'open',
    dataDir: './data',
    corsOrigins: [],
    maxMessageBytes: 4 * 1024 * 1024,
    maxDedicatedLanes: undefined,
    advertiseAddress: undefined,
  });
});

test('flags win over the environment, which wins over .env, which wins over the default', () => {
  const dotenv = { HTTP_PORT: ':1', GRPC_PORT: ':1', ADMISSION: 'approved', GO_ONLY: 'x' };
  const environment = { HTTP_PORT: ':2', GRPC_PORT: ':2' };
  const config = resolveMaster({ httpAddress: ':3' }, environment, dotenv);
  expect([config.httpAddress?.port, config.grpcAddress.port, config.admission]).toEqual([3, 2, 'approved']);
});

test.each([
  [':8080', { host: '', port: 8080 }],
  ['8080', { host: '127.0.0.1', port: 8080 }],
  ['127.0.0.1:8080', { host: '127.0.0.1', port: 8080 }],
  ['[::1]:8080', { host: '::1', port: 8080 }],
  ['localhost:0', { host: 'localhost', port: 0 }],
  ['off', undefined],
  ['', undefined],
])('HTTP_PORT=%s is understood', (text, address) => {
  expect(resolveMaster({}, { HTTP_PORT: text }).httpAddress).toEqual(address);
});

test.each([
  [{ HTTP_PORT: 'abc' }, 'HTTP_PORT=abc: expected :8080 (all interfaces)'],
  [{ HTTP_PORT: '70000' }, 'HTTP_PORT=70000'],
  [{ GRPC_PORT: 'off' }, 'GRPC_PORT=off'],
  [{ HEARTBEAT_INTERVAL: '5' }, 'HEARTBEAT_INTERVAL=5: expected a duration such as 500ms, 5s, 2m, 24h, 30d, 4w or 2y'],
  [{ HEARTBEAT_INTERVAL: '1ms' }, 'expected a duration from 100ms to 1h'],
  [{ ADMISSION: 'maybe' }, 'ADMISSION=maybe: expected one of open, approved'],
  [{ CORS_ORIGINS: 'http://localhost:3000/x' }, 'CORS_ORIGINS=http://localhost:3000/x: expected origins'],
  [{ CORS_ORIGINS: 'http://a:1, http://b:3000/' }, 'without a path or a slash at the end'],
  [{ CORS_ORIGINS: 'http://a:1, http://b:3000/' }, '"http://b:3000/" is not an origin'],
  [{ MAX_MESSAGE_SIZE: '4 megs' }, 'MAX_MESSAGE_SIZE="4 megs": expected a size from 1KiB to 64MiB'],
  [{ MAX_DEDICATED_LANES: '-1' }, 'expected a whole number from 0 to 30000, "auto" or "all"'],
  [{ ADVERTISE_ADDRESS: ':50051' }, 'ADVERTISE_ADDRESS=:50051: expected host:port'],
])('%o is one clear error', (environment, message) => {
  expect(() => resolveMaster({}, environment)).toThrow(message);
  try {
    resolveMaster({}, environment);
  } catch (error) {
    expect((error as PulselaneError).code).toBe('bad_setting');
    expect((error as PulselaneError).message).not.toContain('\n');
  }
});

test('an error names the origin of the value: flag, variable or .env', () => {
  expect(() => resolveMaster({ httpAddress: 'x' })).toThrow('--http-port x: expected');
  expect(() => resolveMaster({}, {}, { HTTP_PORT: 'x' })).toThrow('HTTP_PORT=x (in .env): expected');
});

test('a variable that is empty where that counts is the origin, not what .env says', () => {
  const names = (CORS_ORIGINS: string | undefined) =>
    masterConfig({ flags: {}, environment: { CORS_ORIGINS }, dotenv: { CORS_ORIGINS: 'http://a' } }).names;
  expect(names('')).toEqual({});
  expect(names(undefined)).toEqual({ CORS_ORIGINS: { name: 'CORS_ORIGINS', where: ' (in .env)' } });
});

test('settings that contradict each other are refused', () => {
  const master = (environment: Record<string, string>) => masterConfig({ flags: {}, environment, dotenv: {} });
  expect(() => master({ INACTIVITY_TIMEOUT: '9s' })).toThrow(
    'INACTIVITY_TIMEOUT=9s: expected at least twice HEARTBEAT_INTERVAL (5s)',
  );
  expect(() => master({ RETENTION: '10s' })).toThrow('RETENTION=10s');
  expect(master({ RETENTION: '0' }).retentionMs).toBe(0);
  expect(() => agentConfig({ flags: {}, environment: {}, dotenv: {} })).toThrow('MASTER_ADDRESS is not set');
});

describe('wrong settings', () => {
  const problems = (flags: Record<string, string>, environment = {}, dotenv = {}) => {
    try {
      masterConfig({ flags, environment, dotenv });
      return [];
    } catch (error) {
      return problemsOf(error);
    }
  };

  test('are told together, each by the name that was typed', () => {
    expect(
      problems(
        { httpAddress: ':99999', dataDir: '', retentionMs: '10s' },
        { TLS_CERT: 'a.pem', HEARTBEAT_INTERVAL: 'soon' },
        { ADMISSION: 'maybe', INTRODUCE_TLS_CA: '' },
      ),
    ).toEqual([
      '--http-port :99999: expected a port from 0 to 65535',
      'HEARTBEAT_INTERVAL=soon: expected a duration such as 500ms, 5s, 2m, 24h, 30d, 4w or 2y',
      'ADMISSION=maybe (in .env): expected one of open, approved',
      '--data-dir "": expected a value',
      '--retention 10s: expected 0 (never), or at least INACTIVITY_TIMEOUT (30s)',
      'TLS_CERT=a.pem: expected TLS_KEY to be set too',
    ]);
  });

  test('that cannot be read hide what follows from them, not what does not', () => {
    expect(problems({ heartbeatIntervalMs: 'x', inactivityTimeoutMs: '1s', tlsKey: 'k.pem' })).toEqual([
      expect.stringContaining('--heartbeat-interval x: expected a duration'),
      '--tls-key k.pem: expected --tls-cert to be set too',
    ]);
  });

  test('of ports are told as such', () => {
    expect(problems({}, { HTTP_PORT: 'localhost:70000', GRPC_PORT: '123456789' })).toEqual([
      'HTTP_PORT=localhost:70000: expected a port from 0 to 65535',
      'GRPC_PORT=123456789: expected a port from 0 to 65535',
    ]);
    expect(problems({}, { ADVERTISE_ADDRESS: 'a:0' })).toEqual([
      'ADVERTISE_ADDRESS=a:0: expected a port from 1 to 65535',
    ]);
  });

  test('a variable that is set to nothing is as good as not set', () => {
    expect(problems({}, { DATA_DIR: '' }, { GRPC_PORT: '' })).toEqual([]);
  });
});

describe('lines of .env that are no settings', () => {
  test('are named by their numbers', () => {
    const text = [
      '# a comment',
      'HTTP_PORT 9090',
      '',
      'export A=1',
      'B="two',
      'lines # of a value"',
      'C: 3',
      "D='open",
      '=4',
      '  E = 5 # a comment',
      'just a word',
    ].join('\n');
    expect(unreadableLines(text)).toEqual([2, 7, 9, 11]);
  });

  test('are exactly those from which the parser takes nothing', () => {
    const line = fc.constantFrom(
      'A=1',
      'export B=2',
      '# c',
      '',
      'word',
      'C: 3',
      ' D = x # y',
      'E=',
      'two words',
      '#A=1',
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
        const unreadable = new Set(unreadableLines(lines.join('\n')));
        for (const [index, each] of lines.entries()) {
          const isSetting = Object.keys(parseEnv(each)).length > 0;
          const isBlank = /^\s*(#|$)/.test(each);
          expect(unreadable.has(index + 1)).toBe(!isSetting && !isBlank);
        }
      }),
      { numRuns: repetitions(200, 5000) },
    );
  });
});

describe('WORKER_LABELS', () => {
  const labelsOf = (text: string) =>
    resolveOptions(agentOptions, { flags: {}, environment: { WORKER_LABELS: text }, dotenv: {} }).labels;

  test('are pairs, each name once', () => {
    expect(labelsOf('zone=a, disk=b=c,empty=')).toEqual({ zone: 'a', disk: 'b=c', empty: '' });
    expect(() => labelsOf('a=1,b=1,a=2')).toThrow('expected each label only once, but "a" occurs twice');
    expect(() => labelsOf('__proto__=1,__proto__=1')).toThrow('"__proto__" occurs twice');
    expect(() => labelsOf('a')).toThrow('expected labels such as zone=a,disk=ssd');
  });
});

describe('MASTER_ADDRESS', () => {
  const mastersOf = (text: string) =>
    resolveOptions(agentOptions, { flags: {}, environment: { MASTER_ADDRESS: text }, dotenv: {} }).masters;

  test('is one address, or several in the order in which they are tried', () => {
    expect(mastersOf('10.0.0.5:50051')).toEqual([{ host: '10.0.0.5', port: 50_051 }]);
    expect(mastersOf('b:2, [::1]:3,a:1')).toEqual([
      { host: 'b', port: 2 },
      { host: '::1', port: 3 },
      { host: 'a', port: 1 },
    ]);
    expect(mastersOf('')).toBeUndefined();
  });

  test.each([
    ['a:1,,b:2', 'host:port between all commas, but one part is empty'],
    ['a:1,', 'host:port between all commas, but one part is empty'],
    [',', 'host:port between all commas, but one part is empty'],
    ['a:1,b:2,A:1', 'each address only once, but a:1 occurs twice'],
    ['a:1;b:2', 'host:port, such as 10.0.0.5:50051, or several of them separated by commas'],
    ['a:1,b', 'host:port, such as 10.0.0.5:50051, or several of them separated by commas'],
    [':50051', 'host:port, such as 10.0.0.5:50051, or several of them separated by commas'],
  ])('%j is one clear error', (text, expected) => {
    expect(() => mastersOf(text)).toThrow(`: expected ${expected}`);
  });

  test('reads back as what it was', () => {
    const host = fc.constantFrom('a', '10.0.0.5', '::1', 'master.example');
    const address = fc.record({ host, port: fc.integer({ min: 1, max: 65_535 }) });
    const list = fc.uniqueArray(address, { minLength: 1, maxLength: 8, selector: kinds.formatAddress });
    fc.assert(
      fc.property(list, fc.constantFrom(',', ', ', ' ,'), (addresses, comma) => {
        expect(mastersOf(addresses.map(kinds.formatAddress).join(comma))).toEqual(addresses);
      }),
    );
  });
});

test('every option but secrets is a flag of the command, and comes back under its key', () => {
  for (const [key, option] of Object.entries(masterOptions)) {
    if (option.flag === '') continue;
    const command = addOptions(new Command(), masterOptions).exitOverride();
    const isSwitch = option.argument === '';
    command.parse(isSwitch ? [option.flag] : [option.flag, 'some-text'], { from: 'user' });
    expect(givenFlags(command, masterOptions)[key]).toBe(isSwitch ? true : 'some-text');
  }
});

test.each([
  ['2.01s', 2010],
  ['4.02s', 4020],
  ['4.1m', 246_000],
  ['100.5ms', 101],
])('HEARTBEAT_INTERVAL=%s is whole milliseconds: %i', (text, valueMs) => {
  expect(resolveMaster({}, { HEARTBEAT_INTERVAL: text }).heartbeatIntervalMs).toBe(valueMs);
});

/** So many whole units. */
const wholeDurationMs = fc
  .tuple(fc.integer({ min: 1, max: 999 }), fc.constantFrom(1, 1000, 60_000, HOUR_MS, 24 * HOUR_MS, 168 * HOUR_MS))
  .map(([n, unitMs]) => n * unitMs);

test.each([
  ['24h', 24 * HOUR_MS, '24h'],
  ['1d', 24 * HOUR_MS, '24h'],
  ['30d', 30 * 24 * HOUR_MS, '30d'],
  ['1w', 7 * 24 * HOUR_MS, '1w'],
  ['48h', 48 * HOUR_MS, '2d'],
  ['2y', 730 * 24 * HOUR_MS, '2y'],
])('HISTORY_1H=%s is %i ms and shown as %s', (text, valueMs, shown) => {
  expect(resolveMaster({}, { HISTORY_1H: text }).historyHourMs).toBe(valueMs);
  expect(kinds.formatDuration(valueMs)).toBe(shown);
});

test('DATABASE_URL is named with its place, and never shown', () => {
  const url = 'postgres://me:s3cret@db/x';
  expect(() => resolveMaster({}, {}, { DATABASE_URL: 'mysql://me:s3cret@db/x' })).toThrow(
    /^DATABASE_URL \(in \.env\): expected a URL such as postgres:\/\/user:password@host/,
  );
  for (const sources of [
    { flags: {}, environment: { DATABASE_URL: 'mysql://me:s3cret@db/x' }, dotenv: {} },
    { flags: { databaseUrlFile: 'f' }, environment: { DATABASE_URL: url }, dotenv: {} },
  ]) {
    expect(() => masterConfig(sources)).toThrow('DATABASE_URL');
    expect(() => masterConfig(sources)).not.toThrow('s3cret');
  }
  const explained = explainOptions(masterOptions, { flags: {}, environment: { DATABASE_URL: url }, dotenv: {} });
  expect(explained.find(({ env }) => env === 'DATABASE_URL')?.text).toBe('********');
});

test('durations and addresses that are shown read back as what they were', () => {
  fc.assert(
    fc.property(fc.oneof(fc.nat(2 ** 31 - 1), fc.maxSafeNat(), wholeDurationMs), (valueMs) => {
      const { parse } = kinds.durationMs({ maxMs: Number.MAX_SAFE_INTEGER });
      expect(parse(kinds.formatDuration(valueMs))).toBe(valueMs);
    }),
  );
  const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain());
  fc.assert(
    fc.property(host, fc.integer({ min: 0, max: 65_535 }), (name, port) => {
      const address = { host: name, port };
      expect(kinds.listenAddress.parse(kinds.formatAddress(address))).toEqual(address);
    }),
  );
});

test('the .env file of the earlier Go system is read, quotes and all; one that cannot be read is an error that names it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'pulselane-env-'));
  try {
    expect(readDotenv(join(folder, '.env'))).toEqual({});
    await writeFile(join(folder, '.env'), '# Go\nHTTP_PORT=":8080"\nMONGODB_URI=\'x\'\n');
    expect(readDotenv(join(folder, '.env'))).toEqual({ HTTP_PORT: ':8080', MONGODB_URI: 'x' });
    const key = '-----BEGIN-----\n  a=1\n\n  export b=2\n\texport\tc=3\n-----END-----';
    await writeFile(join(folder, '.env'), `A="${key}"\n\n  export\tB='${key}'\n`);
    expect(readDotenv(join(folder, '.env'))).toEqual({ A: key, B: key });
    expect(() => readDotenv(folder)).toThrow(`${folder} cannot be read`);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('every setting of a master that names a file or a folder means the same one wherever the program is by then', () => {
  const named = Object.entries(masterOptions).filter(
    ([, { env, argument, kind }]) =>
      /^<(file|folder)/.test(argument) || (kind === kinds.text && /_(FILE|CERT|KEY|CA|DIR)$/.test(env)),
  );
  expect(named.length).toBeGreaterThan(6);
  const given = Object.fromEntries(named.map(([, { env }]) => [env, 'of-here']));
  const config: Record<string, unknown> = { ...withAbsolutePaths(resolveMaster({}, given)) };
  for (const [key] of named) expect([key, config[key]]).toEqual([key, resolve('of-here')]);
  const url = 'file:///opt/processor.mjs';
  expect(withAbsolutePaths(resolveMaster({}, { PROCESSOR: url })).processor).toBe(url);
});

describe('API_TOKENS', () => {
  const hash = 'a1'.repeat(32);
  const tokensOf = (text: string) => resolveMaster({}, { API_TOKENS: text }).apiTokens;

  test('is one entry or several, however they are separated', () => {
    const a = { name: 'a', scopes: ['read'], hash };
    const other = 'b2'.repeat(32);
    const b = { name: 'b', scopes: ['read', 'operate'], hash: other };
    expect(tokensOf(`a read sha256:${hash}`)).toEqual([a]);
    for (const separator of [';', '; ', ',', ' , ', '\n', ';\n']) {
      expect(tokensOf(`a read sha256:${hash}${separator}b read,operate sha256:${other}`)).toEqual([a, b]);
    }
    expect(resolveMaster().apiTokens).toBeUndefined();
  });

  test('reads back as what it was', () => {
    const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/);
    const scopes = fc.constantFrom(['read'], ['read', 'operate']);
    const token = fc.record({ name, scopes, hash: fc.stringMatching(/^[0-9a-f]{64}$/) });
    const tokens = fc
      .uniqueArray(token, { minLength: 1, maxLength: 8, selector: (each) => each.name })
      .filter((list) => new Set(list.map((each) => each.hash)).size === list.length);
    fc.assert(
      fc.property(tokens, fc.constantFrom(';', ',', '\n', ' ; '), (list, separator) => {
        const text = list.map((each) => `${each.name} ${each.scopes.join(',')} sha256:${each.hash}`).join(separator);
        expect(tokensOf(text)).toEqual(list);
      }),
    );
  });

  test('that is wrong is told without what it says', () => {
    for (const text of [
      'plt_secret',
      'a read plt_secret',
      `a write sha256:${hash}`,
      `plt_secret! read sha256:${hash}`,
    ]) {
      expect(() => tokensOf(text)).toThrow(/^API_TOKENS: expected /);
      expect(() => tokensOf(text)).toThrow(
        expect.objectContaining({ message: expect.not.stringContaining('plt_secret') }),
      );
    }
  });

  test('is not shown among the settings, and its file is', () => {
    const environment = { API_TOKENS: `a read sha256:${hash}`, API_TOKENS_FILE: '/etc/pulselane/tokens' };
    const shown = explainOptions(masterOptions, { flags: {}, environment, dotenv: {} });
    expect(shown.find(({ env }) => env === 'API_TOKENS')?.text).toBe('********');
    expect(shown.find(({ env }) => env === 'API_TOKENS_FILE')?.text).toBe('/etc/pulselane/tokens');
    expect(JSON.stringify(shown)).not.toContain(hash);
  });
});

test.each([
  ['pulselane.example, Other', ['pulselane.example', 'other']],
  ['[2001:DB8::1]', ['[2001:db8::1]']],
  ['', []],
])('ALLOWED_HOSTS=%s is understood', (text, names) => {
  expect(resolveMaster({}, { ALLOWED_HOSTS: text }).allowedHosts).toEqual(names);
});

test.each(['http://a', 'a:8080', '*', '*.example', 'a b', 'a/b'])('ALLOWED_HOSTS=%s is refused', (text) => {
  expect(() => resolveMaster({}, { ALLOWED_HOSTS: text })).toThrow('expected host names without port');
});

test('one address cannot take all live streams, nor all connections, of either port', () => {
  const config = resolveOptions(masterOptions, { flags: {}, environment: {}, dotenv: {} });
  expect(config.maxPeerHttpConnections).toBeLessThan(config.maxLiveClients);
  expect(config.maxPeerHttpConnections).toBeLessThan(config.maxHttpConnections / 2);
  expect(config.maxPeerGrpcConnections).toBeLessThan(config.maxGrpcConnections / 2);
});

describe('.env as editors write it', () => {
  const plain = { HTTP_PORT: ':8080', GRPC_PORT: '50051', WORKER_ID: 'a b' };
  const marks = { none: [], utf8: [0xef, 0xbb, 0xbf], utf16le: [0xff, 0xfe], utf16be: [0xfe, 0xff] } as const;
  const blank = fc.constantFrom('', ' ', '\t', '  ');
  const lineOf = (name: string, value: string) =>
    fc
      .tuple(blank, fc.constantFrom('', 'export ', 'export\t'), blank, blank, fc.constantFrom('"', "'", ''))
      .map(
        ([before, exported, left, right, quote]) =>
          `${before}${exported}${name}${left}=${right}${quote}${value}${quote}`,
      );
  const file = fc.record({
    lines: fc.tuple(...Object.entries(plain).map(([name, value]) => lineOf(name, value))),
    end: fc.constantFrom('\n', '\r\n', '\r'),
    mark: fc.constantFrom(...(Object.keys(marks) as (keyof typeof marks)[])),
  });

  function bytesOf(text: string, mark: keyof typeof marks): Buffer {
    const bytes = mark.startsWith('utf16') ? Buffer.from(text, 'utf16le') : Buffer.from(text);
    return Buffer.concat([Buffer.from(marks[mark]), mark === 'utf16be' ? bytes.swap16() : bytes]);
  }

  test('is read as if it were plain', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'pulselane-env-'));
    const path = join(folder, '.env');
    try {
      await fc.assert(
        fc.asyncProperty(file, async ({ lines, end, mark }) => {
          await writeFile(path, bytesOf(`# comment${end}${lines.join(end)}${end}`, mark));
          expect(readDotenv(path)).toEqual(plain);
        }),
        { numRuns: repetitions(100, 2000) },
      );
      for (const bytes of [Buffer.from([0x41, 0x3d, 0xe4]), Buffer.from('A=1\0')]) {
        await writeFile(path, bytes);
        expect(() => readDotenv(path)).toThrow(/\.env cannot be read: expected /);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe('a URL', () => {
  const urlOf = (text: string) =>
    resolveOptions(clientOptions, { flags: {}, environment: { PULSELANE_URL: text }, dotenv: {} }).url;

  test('is an origin; what would be left out of it is refused, and a password shown nowhere', () => {
    expect(urlOf('https://host:1/')).toBe('https://host:1');
    for (const text of ['http://host/api', 'http://host/?a=1', 'http://host/#a']) {
      expect(() => urlOf(text)).toThrow('expected a URL without a path, such as http://host');
    }
    const secret = 'http://me:s3cret@host:8080/';
    expect(() => urlOf(secret)).toThrow('expected a URL without user and password, such as http://host:8080');
    expect(() => urlOf(secret)).not.toThrow('s3cret');
    expect(() => resolveMaster({}, { CORS_ORIGINS: secret })).not.toThrow('s3cret');
  });
});

test('an agent that listens with TLS needs a certificate, its key and a place to listen', () => {
  const check = (environment: Record<string, string>) => () => agentConfig({ flags: {}, environment, dotenv: {} });
  const listen = { AGENT_LISTEN: '127.0.0.1:1' };
  expect(check({ ...listen, AGENT_LISTEN_TLS_CERT: 'a.pem' })).toThrow('AGENT_LISTEN_TLS_KEY');
  expect(check({ ...listen, AGENT_LISTEN_TLS_CLIENT_CA: 'a.pem' })).toThrow('AGENT_LISTEN_TLS_CERT');
  const pair = { AGENT_LISTEN_TLS_CERT: 'a.pem', AGENT_LISTEN_TLS_KEY: 'b.pem' };
  expect(check({ MASTER_ADDRESS: '127.0.0.1:1', ...pair })).toThrow('expected AGENT_LISTEN to be set too');
  expect(check({ ...listen, ...pair })).not.toThrow();
});
