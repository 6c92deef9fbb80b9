import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { exposureOf } from '../../src/app/exposure.ts';
import { httpSecretsOf, readApiTokens } from '../../src/app/http-secrets.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { hashOfToken } from '../../src/lib/tokens.ts';
import { keptLog } from '../support/kept-log.ts';

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'pulselane-secrets-'));
});
afterEach(() => rm(dataDir, { recursive: true }));

let log = keptLog();
beforeEach(() => {
  log = keptLog();
});
const context = () => ({ logger: log.logger, clock: systemClock });

const HASH = hashOfToken('plt_a');
const ENV_TOKENS = [{ name: 'a', scopes: ['read'], hash: HASH }] as const;

describe('the tokens of the API', () => {
  const read = async (text: string | undefined, apiTokens: typeof ENV_TOKENS | undefined = undefined) => {
    const apiTokensFile = text === undefined ? undefined : join(dataDir, 'tokens');
    if (apiTokensFile !== undefined) await writeFile(apiTokensFile, text as string);
    const tokens = await readApiTokens({ apiTokens, apiTokensFile });
    return httpSecretsOf({ dataDir, httpClientCert: 'required' }, tokens, undefined, context());
  };

  test('are those of the setting and those of the file, together', async () => {
    const hash = hashOfToken('plt_b');
    const { tokens } = await read(`# people\nb operate sha256:${hash}\n`, ENV_TOKENS);
    expect(tokens).toEqual([...ENV_TOKENS, { name: 'b', scopes: ['read', 'operate'], hash }]);
  });

  test('have each name once over both, and each name a token of its own', async () => {
    await expect(read(`a read sha256:${hashOfToken('plt_b')}`, ENV_TOKENS)).rejects.toThrow(
      /^API_TOKENS and API_TOKENS_FILE=\S+: expected each name only once, but a occurs twice/,
    );
    await expect(read(`b operate sha256:${HASH}`, ENV_TOKENS)).rejects.toThrow('but a and b have the same');
  });

  test('are never none where a file is named: that would open the door', async () => {
    await expect(read('# none yet\n')).rejects.toThrow('expected at least one token');
    expect((await read('', ENV_TOKENS)).tokens).toEqual(ENV_TOKENS);
  });

  test('that are wrong are told by file and line, and not shown', async () => {
    await expect(read('a read plt_secret')).rejects.toThrow(/^\S+tokens:1: expected (?!.*plt_secret)/);
    const apiTokensFile = join(dataDir, 'no');
    await expect(readApiTokens({ apiTokens: undefined, apiTokensFile })).rejects.toThrow(
      `API_TOKENS_FILE=${apiTokensFile}: cannot be read: no such file`,
    );
  });

  test('bring a key for sessions, which stays, is nobody else’s to read, and is made anew if damaged', async () => {
    const path = join(dataDir, 'session-key');
    await read(undefined);
    await expect(stat(path)).rejects.toThrow('ENOENT');
    const { sessionKey } = await read(undefined, ENV_TOKENS);
    expect(sessionKey).toHaveLength(32);
    expect((await read(undefined, ENV_TOKENS)).sessionKey).toEqual(sessionKey);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await writeFile(path, 'damaged');
    await chmod(path, 0o644);
    const anew = (await read(undefined, ENV_TOKENS)).sessionKey;
    expect(anew).toHaveLength(32);
    expect(anew).not.toEqual(sessionKey);
    expect(log.lines).toMatchObject([{ level: 'error', file: path, bytes: 7 }]);
    expect(await readFile(String(log.lines[0]?.aside), 'utf8')).toBe('damaged');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await readFile(path, 'utf8')).trim()).toBe(Buffer.from(anew).toString('base64url'));
  });
});

test('clients show certificates of TLS_CLIENT_CA, unless that is off', async () => {
  const tls = { cert: 'cert', key: 'key', clientCa: 'ca' };
  expect((await httpSecretsOf({ dataDir, httpClientCert: 'required' }, [], tls, context())).tls).toEqual(tls);
  expect((await httpSecretsOf({ dataDir, httpClientCert: 'off' }, [], tls, context())).tls).toEqual({
    ...tls,
    clientCa: undefined,
  });
});

describe('what stands open', () => {
  const loopback = { host: '127.0.0.1', port: 1 };
  const all = { host: '', port: 2 };
  const facts = {
    grpcAddress: loopback,
    httpAddress: loopback,
    asksWorkers: false,
    asksWorkersOverHttp: false,
    asksClients: false,
  };

  test('is nothing on loopback', () => {
    expect(exposureOf(facts)).toBeUndefined();
    expect(
      exposureOf({ ...facts, httpAddress: { host: '::1', port: 1 }, grpcAddress: { host: 'localhost', port: 1 } }),
    ).toBeUndefined();
  });

  test('is told for each port that asks nobody, with what closes it', () => {
    const http = 'anyone who can reach HTTP on :2 may read everything: set API_TOKENS_FILE';
    const report = (where: string) =>
      `anyone who can reach ${where} may report as any worker: set WORKER_TOKENS_FILE or TLS_CLIENT_CA`;
    expect(exposureOf({ ...facts, httpAddress: all })).toBe(`${http}; ${report('HTTP on :2')}`);
    expect(exposureOf({ ...facts, httpAddress: all, asksWorkersOverHttp: true })).toBe(http);
    expect(exposureOf({ ...facts, grpcAddress: all, httpAddress: undefined })).toBe(report('gRPC on :2'));
    const both = { ...facts, grpcAddress: all, httpAddress: all };
    expect(exposureOf(both)).toBe(`${http}; ${report('gRPC on :2 or HTTP on :2')}`);
    // Tokens of the API do not concern workers.
    expect(exposureOf({ ...both, asksClients: true })).toBe(report('gRPC on :2 or HTTP on :2'));
    expect(exposureOf({ ...both, asksClients: true, asksWorkers: true })).toBe(report('HTTP on :2'));
    const asksWorkers = { asksWorkers: true, asksWorkersOverHttp: true };
    expect(exposureOf({ ...both, ...asksWorkers, asksClients: true })).toBeUndefined();
    expect(exposureOf({ ...facts, httpAddress: { host: '10.0.0.1', port: 3 } })).toContain('10.0.0.1:3');
    // A name that only looks like an address of loopback.
    expect(exposureOf({ ...facts, httpAddress: { host: '127.example', port: 3 } })).toContain('127.example:3');
  });
});
