/** The settings of receivers of metrics, right and wrong, as their users write them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { exportSettingsOf } from '../../src/app/exports.ts';
import { masterConfig } from '../../src/config/resolve.ts';
import { messageOf, problemsOf } from '../../src/lib/errors.ts';

const URL_OF_ONE = 'http://prometheus:9090/api/v1/write';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulselane-exports-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function settingsOf(environment: Record<string, string>) {
  return await exportSettingsOf(masterConfig({ flags: {}, environment, dotenv: {} }));
}

async function receiverOf(environment: Record<string, string>) {
  const settings = await settingsOf({ REMOTE_WRITE_URL: URL_OF_ONE, ...environment });
  return settings?.receivers[0];
}

async function problemOf(environment: Record<string, string>): Promise<string> {
  try {
    await settingsOf(environment);
  } catch (error) {
    return problemsOf(error).join('\n') || messageOf(error);
  }
  throw new Error('there is no problem');
}

async function file(content: string): Promise<string> {
  const path = join(folder, 'secret');
  await writeFile(path, content);
  return path;
}

test('without a URL nothing is sent', async () => {
  expect(await settingsOf({})).toBeUndefined();
});

test('a URL suffices', async () => {
  expect(await settingsOf({ REMOTE_WRITE_URL: URL_OF_ONE })).toMatchObject({
    maxQueueBytes: 128 * 1024 ** 2,
    receivers: [
      {
        kind: 'remote_write',
        url: URL_OF_ONE,
        place: URL_OF_ONE,
        version: 'auto',
        intervalMs: 15_000,
        authorization: undefined,
        headers: {},
        ca: undefined,
        externalLabels: {},
        families: undefined,
      },
    ],
  });
});

test('each way to authenticate makes the same header', async () => {
  const basic = `Basic ${Buffer.from('me:p@ss:x').toString('base64')}`;
  const inUrl = await receiverOf({ REMOTE_WRITE_URL: 'https://me:p%40ss%3Ax@host/push?tenant=1' });
  expect(inUrl).toMatchObject({ url: 'https://host/push?tenant=1', place: 'https://host/push', authorization: basic });
  const user = { REMOTE_WRITE_USER: 'me' };
  expect(await receiverOf({ ...user, REMOTE_WRITE_PASSWORD: 'p@ss:x' })).toMatchObject({ authorization: basic });
  const passwordFile = await file('p@ss:x\n');
  expect(await receiverOf({ ...user, REMOTE_WRITE_PASSWORD_FILE: passwordFile })).toMatchObject({
    authorization: basic,
  });
  expect(await receiverOf({ REMOTE_WRITE_TOKEN: 't0ken' })).toMatchObject({ authorization: 'Bearer t0ken' });
  expect(await receiverOf({ REMOTE_WRITE_TOKEN_FILE: await file('t0ken') })).toMatchObject({
    authorization: 'Bearer t0ken',
  });
  const headers = { 'X-Scope-OrgID': 'a,b', 'X-Key': '100%' };
  const text = 'X-Scope-OrgID=a%2Cb, X-Key=100%25';
  expect(await receiverOf({ REMOTE_WRITE_HEADERS: text })).toMatchObject({ headers });
  expect(await receiverOf({ REMOTE_WRITE_HEADERS_FILE: await file(`${text}\n`) })).toMatchObject({ headers });
});

test.each([
  [
    'ftp://prometheus/api',
    'REMOTE_WRITE_URL=ftp://prometheus/api: expected a URL that begins with http:// or https://',
  ],
  ['prometheus:9090', 'REMOTE_WRITE_URL=prometheus:9090: expected a URL such as http://prometheus:9090/api/v1/write'],
  [
    'ftp://me:s3cret@host/',
    'REMOTE_WRITE_URL=ftp://********@host/: expected a URL that begins with http:// or https://',
  ],
  [
    'ftp://host/push?api_key=s3cret&b=s3cret',
    'REMOTE_WRITE_URL="ftp://host/push?api_key=********&b=********": expected a URL that begins with http:// or https://',
  ],
  ['http://host/#x', 'expected a URL without "#"'],
  ['http://a b/', 'expected a URL such as'],
  ['http://me:%zz@host/', 'expected a URL in which a percent sign is written as %25'],
])('the URL %s is an error', async (url, message) => {
  const problem = await problemOf({ REMOTE_WRITE_URL: url });
  expect(problem).toContain(message);
  expect(problem).not.toContain('s3cret');
});

test.each<[Record<string, string>, string]>([
  [
    { REMOTE_WRITE_TOKEN: 's3cret', REMOTE_WRITE_URL: '' },
    'REMOTE_WRITE_TOKEN: expected REMOTE_WRITE_URL to be set too',
  ],
  [
    { REMOTE_WRITE_TOKEN: 's3cret', REMOTE_WRITE_TOKEN_FILE: '/x' },
    'REMOTE_WRITE_TOKEN_FILE: expected REMOTE_WRITE_TOKEN not to be set as well',
  ],
  [
    { REMOTE_WRITE_TOKEN: 's3cret', REMOTE_WRITE_USER: 'me', REMOTE_WRITE_PASSWORD: 's3cret' },
    'REMOTE_WRITE_USER and REMOTE_WRITE_TOKEN: expected only one way to authenticate',
  ],
  [
    { REMOTE_WRITE_USER: 'me' },
    'REMOTE_WRITE_USER: expected REMOTE_WRITE_PASSWORD or REMOTE_WRITE_PASSWORD_FILE to be set too',
  ],
  [{ REMOTE_WRITE_PASSWORD: 's3cret' }, 'REMOTE_WRITE_PASSWORD: expected REMOTE_WRITE_USER to be set too'],
  [
    { REMOTE_WRITE_HEADERS: 'Authorization=s3cret', REMOTE_WRITE_TOKEN: 's3cret' },
    'REMOTE_WRITE_TOKEN and Authorization in REMOTE_WRITE_HEADERS',
  ],
  [{ REMOTE_WRITE_HEADERS: 's3cret' }, 'REMOTE_WRITE_HEADERS: expected headers such as'],
  [{ REMOTE_WRITE_HEADERS: 'X=1,s3 cret=3' }, 'REMOTE_WRITE_HEADERS: expected headers such as'],
  [{ REMOTE_WRITE_HEADERS: 'Content-Type=s3cret' }, 'expected headers other than Content-Type'],
  [{ REMOTE_WRITE_HEADERS: 'X=s3cret,x=s3cret' }, 'expected each header only once, but x occurs twice'],
  [{ REMOTE_WRITE_HEADERS: 'X=s3cret%0d%0aHost: y' }, 'expected a value of X without control characters'],
  [{ REMOTE_WRITE_TOKEN: 's3cret-ü' }, 'REMOTE_WRITE_TOKEN: expected a token of ASCII characters, without spaces'],
  [{ REMOTE_WRITE_TOKEN_FILE: '/nowhere' }, 'REMOTE_WRITE_TOKEN_FILE=/nowhere: cannot be read: no such file'],
  [{ REMOTE_WRITE_TLS_CA: '/nowhere' }, 'REMOTE_WRITE_TLS_CA=/nowhere: cannot be read'],
  [{ REMOTE_WRITE_LABELS: '__name__=x' }, 'expected names of labels of letters, digits and "_"'],
  [{ REMOTE_WRITE_LABELS: 'a-b=x' }, '"a-b" is none'],
  [{ REMOTE_WRITE_FAMILIES: 'pulselane_*,a b' }, '"a b" is none'],
  [{ REMOTE_WRITE_INTERVAL: '10ms' }, 'expected a duration from 1s to 5m'],
  [{ REMOTE_WRITE_VERSION: '3' }, 'expected one of auto, 2.0, 1.0'],
  [{ EXPORT_QUEUE: '1KiB' }, 'EXPORT_QUEUE=1KiB: expected'],
])('%j is an error that shows no secret', async (environment, message) => {
  const problem = await problemOf({ REMOTE_WRITE_URL: URL_OF_ONE, ...environment });
  expect(problem).toContain(message);
  expect(problem).not.toContain('s3cret');
});

test.each([
  ['', 'expected the file to contain one line'],
  ['a\nb', 'expected the file to contain one line'],
  ['geheim-ü', 'expected the file to contain a token of ASCII characters, without spaces'],
])('a file of a secret that contains %j is an error', async (content, message) => {
  const path = await file(content);
  const remoteWrite = await problemOf({ REMOTE_WRITE_URL: URL_OF_ONE, REMOTE_WRITE_TOKEN_FILE: path });
  const otlp = await problemOf({ OTLP_ENDPOINT: 'http://collector:4317', OTLP_TOKEN_FILE: path });
  expect(remoteWrite).toBe(`REMOTE_WRITE_TOKEN_FILE=${path}: ${message}`);
  expect(otlp).toBe(`OTLP_TOKEN_FILE=${path}: ${message}`);
});

test('headers in a file are checked like others, and the file is not repeated', async () => {
  const environment = { REMOTE_WRITE_URL: URL_OF_ONE, REMOTE_WRITE_HEADERS_FILE: await file('s3cret') };
  expect(await problemOf(environment)).toMatch(/HEADERS_FILE=.*: expected the file to contain headers such as/);
  const twice = {
    ...environment,
    REMOTE_WRITE_HEADERS_FILE: await file('authorization=s3cret'),
    REMOTE_WRITE_TOKEN: 't',
  };
  expect(await problemOf(twice)).toMatch(/HEADERS_FILE=.*: expected no Authorization/);
});

test('a file of CA certificates must hold some', async () => {
  expect(await problemOf({ REMOTE_WRITE_URL: URL_OF_ONE, REMOTE_WRITE_TLS_CA: await file('no') })).toContain(
    'expected one or more whole certificates in PEM',
  );
});

test.each(['pulselane_worker_info', 'pulselane_build_i*', 'pulselane_heartbeat_apply_seconds_bucket', 'process_x'])(
  'metrics are chosen by their names in GET /metrics: %s',
  async (name) => {
    const families = `pulselane_custom_x,*_bytes,${name}`;
    expect(await receiverOf({ REMOTE_WRITE_FAMILIES: families })).toMatchObject({ families: families.split(',') });
  },
);

test('a name that chooses no metric is refused', async () => {
  const problem = await problemOf({
    REMOTE_WRITE_URL: URL_OF_ONE,
    REMOTE_WRITE_FAMILIES: 'pulselane_worker_*,pulselane_worker_uo',
    OTLP_ENDPOINT: 'http://collector:4318',
    OTLP_FAMILIES: 'pulselane_build_total',
  });
  expect(problem).toContain('"pulselane_worker_uo" is the name of none');
  expect(problem).toContain('OTLP_FAMILIES=pulselane_build_total: expected names of metrics of GET /metrics');
});
