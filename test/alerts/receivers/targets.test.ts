import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseTarget, RECEIVER_KINDS, type ReceiverKindName } from '../../../src/alerts/rules/receivers/target.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pulselane-targets-'));
  const files = {
    hook: 'https://example.org/hook?key=abc\n',
    empty: ' \n',
    wrong: 'ftp://s3cret',
    key: 'k'.repeat(32),
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  writeFileSync(join(folder, 'urls'), 'http://am-1:9093\n\nhttp://am-2:9093\n');
  writeFileSync(join(folder, 'headers'), 'X-Api-Key: s3cret: with colon\nX-Other: b\n');
});
afterAll(() => rmSync(folder, { recursive: true }));

function parsed(kind: ReceiverKindName, fields: unknown, allowsCommands = true) {
  return parseTarget(kind, fields, { folder, allowsCommands, readFile: (path) => readFileSync(path, 'utf8') });
}

test.each<[ReceiverKindName, unknown, unknown]>([
  ['webhook', { url: 'http://127.0.0.1:9000/' }, { url: 'http://127.0.0.1:9000/' }],
  ['webhook', { url_file: 'hook' }, { url: 'https://example.org/hook?key=abc' }],
  [
    'webhook',
    { url: 'http://a', headers_file: 'headers' },
    { url: 'http://a', headers: { 'X-Api-Key': 's3cret: with colon', 'X-Other': 'b' } },
  ],
  [
    'ntfy',
    { topic: 'ops', priorities: { page: 4 } },
    { url: 'https://ntfy.sh', topic: 'ops', priorities: { page: 4 } },
  ],
  [
    'pagerduty',
    { routing_key_file: 'key' },
    { url: 'https://events.pagerduty.com/v2/enqueue', routing_key: 'k'.repeat(32) },
  ],
  [
    'email',
    { host: 'mail', from: 'a@b.example', to: 'c@d.example, e@f.example' },
    { host: 'mail', from: 'a@b.example', to: ['c@d.example', 'e@f.example'], security: 'starttls' },
  ],
  ['command', { path: '/bin/true' }, { path: '/bin/true', args: [] }],
  ['log', null, {}],
])('%s %j is taken', (kind, fields, settings) => {
  expect(parsed(kind, fields)).toEqual({ targets: [{ kind, settings, sendsResolved: true }] });
});

test('each Alertmanager is a target of its own', () => {
  const of = (url: string) => ({ kind: 'alertmanager', settings: { url, token: 'abc' }, sendsResolved: true });
  expect(parsed('alertmanager', { urls_file: 'urls', token: 'abc' })).toEqual({
    targets: [of('http://am-1:9093'), of('http://am-2:9093')],
  });
});

test('send_resolved is of each kind', () => {
  for (const kind of Object.keys(RECEIVER_KINDS) as ReceiverKindName[]) {
    const { problems = [] } = parsed(kind, { send_resolved: 'no' });
    expect(problems).toContainEqual({ path: ['send_resolved'], message: 'expected true or false' });
  }
  expect(parsed('log', { send_resolved: false }).targets).toEqual([
    { kind: 'log', settings: {}, sendsResolved: false },
  ]);
});

test.each<[ReceiverKindName, unknown, (string | number)[], string]>([
  ['webhook', {}, [], 'url or url_file is missing: expected a URL such as https://example.org/hook'],
  ['webhook', 'http://a', [], 'expected an object such as { url: … }'],
  ['webhook', { url: 'a.example' }, ['url'], 'expected a URL such as https://example.org/hook'],
  ['webhook', { url: 'http://a', ulr: 1 }, ['ulr'], 'unknown field "ulr"; did you mean url?'],
  ['webhook', { url: 'http://a', url_file: 'hook' }, ['url_file'], 'expected either url or url_file, not both'],
  ['webhook', { url_file: 'missing' }, ['url_file'], 'missing cannot be read: no such file'],
  ['webhook', { url_file: 'empty' }, ['url_file'], 'expected empty to contain url, but it is empty'],
  ['webhook', { url_file: 7 }, ['url_file'], 'expected the path of a file'],
  [
    'webhook',
    { url_file: 'wrong' },
    ['url_file'],
    'expected the file to contain a URL that begins with http:// or https://, such as https://example.org/hook',
  ],
  ['webhook', { url: 'http://a', secret: 'short' }, ['secret'], 'expected a secret of at least 16 characters'],
  ['webhook', { url: 'http://a', user: 'u' }, ['user'], 'expected password or password_file beside user'],
  ['webhook', { url: 'http://a', password: 'p' }, ['password'], 'expected user beside password'],
  [
    'webhook',
    { url: 'http://a', headers: { Host: 'b' } },
    ['headers'],
    'expected headers other than Host, which Pulselane itself sets',
  ],
  [
    'webhook',
    { url: 'http://a', headers: { 'X-A': 'a\nX-B: b' } },
    ['headers'],
    'expected a value of X-A without control characters',
  ],
  [
    'webhook',
    { url: 'http://a', ca: 'no' },
    ['ca'],
    'expected one or more whole certificates in PEM ("-----BEGIN CERTIFICATE-----")',
  ],
  ['alertmanager', { urls: [] }, ['urls'], 'expected at least one of the URLs such as http://127.0.0.1:9093'],
  ['alertmanager', { urls: ['http://a', 3] }, ['urls', 1], 'expected a URL such as http://127.0.0.1:9093'],
  [
    'slack',
    null,
    [],
    'url or url_file is missing: expected a URL such as https://hooks.slack.com/services/T000/B000/XXXX',
  ],
  ['ntfy', { topic: 'a/b' }, ['topic'], 'expected a topic of letters, digits, "_" and "-", at most 64'],
  [
    'ntfy',
    { topic: 'a', priorities: { page: 6 } },
    ['priorities', 'page'],
    'expected a priority from 1 (least) to 5 (most urgent)',
  ],
  [
    'pagerduty',
    { routing_key: 'abc' },
    ['routing_key'],
    'expected the integration key of a service: 32 letters and digits',
  ],
  [
    'pagerduty',
    { routing_key: 'a'.repeat(32), severities: { page: 'loud' } },
    ['severities', 'page'],
    'expected one of critical, error, warning, info',
  ],
  [
    'email',
    { host: 'a', from: 'a@b', to: ['c@d\r\nBcc: e@f'] },
    ['to', 0],
    'expected an e-mail address such as ops@example.org',
  ],
  ['email', { host: 'a', from: 'me', to: 'c@d' }, ['from'], 'expected an e-mail address such as ops@example.org'],
  [
    'email',
    { host: 'a', from: 'a@b', to: 'c@d', security: 'ssl' },
    ['security'],
    'expected starttls (STARTTLS is required), tls (encrypted from the start) or none (unencrypted)',
  ],
  ['command', { path: 'notify' }, ['path'], 'expected the absolute path of a program, such as /usr/local/bin/notify'],
  [
    'command',
    { path: '/bin/a', args: [1] },
    ['args', 0],
    'expected an argument as text; put quotation marks around numbers',
  ],
])('%s %j is refused at %j', (kind, fields, path, message) => {
  expect(parsed(kind, fields)).toEqual({ problems: [{ path, message }] });
});

test('commands are off unless they are allowed', () => {
  expect(parsed('command', { path: '/bin/true' }, false).problems).toEqual([
    {
      path: [],
      message: 'commands are off, because whoever can write this file could run programs: set ALERT_COMMANDS=on',
    },
  ]);
});

test('all problems are found at once, and none shows a secret', () => {
  const { problems = [] } = parsed('webhook', {
    url: 'ftp://s3cret',
    secret: 's3cret',
    token: 's3cret s3cret',
    nope: 1,
  });
  expect(problems.map(({ path }) => path[0]).sort()).toEqual(['nope', 'secret', 'token', 'url']);
  expect(JSON.stringify([problems, parsed('webhook', { url_file: 'wrong' })])).not.toContain('s3cret');
});
