/** `pulselane alerts test`, by a master and from here. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { answers, HttpSink } from '../alerts/receivers/http-sink.ts';
import { serve } from '../http/support.ts';
import { run } from './run.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pulselane-alerts-test-'));
});
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

function ruleFile(text: string): string {
  const path = join(folder, 'rules.yaml');
  writeFileSync(path, text);
  return path;
}

test('a master is asked, if need be for the firing alert alone', async () => {
  const { url, commands } = await serve({
    replyTo: () => ({ ok: true, message: 'The trial was sent to hook.', trials: [] }),
  });
  expect(await run(['alerts', 'test', 'a b/c', '--firing-only', '--url', url])).toMatchObject({ exitCode: 0 });
  expect(commands).toEqual([
    { type: 'alerts', asked: { type: 'test-receiver', receiver: 'a b/c', isFiringOnly: true } },
  ]);
});

test('without a master: the trial and its end are sent as the file says', async () => {
  await using sink = await HttpSink.start();
  const file = ruleFile(
    `receivers: [{ name: hook, webhook: { url: "${sink.url}/" }, log: {} }]\nroute: { receiver: hook }\n`,
  );
  const flags = ['--public-url', 'https://pulselane.example.org'];
  expect(await run(['alerts', 'test', 'hook', '--rules', file, ...flags])).toMatchObject({
    exitCode: 0,
    stdout: 'The trial was sent to hook.\nwebhook: sent\nlog: sent\n',
    stderr: expect.stringContaining('trial, not a real alert: alert firing: PulselaneTrial'),
  });
  const bodies = sink.got.map(({ body }) => JSON.parse(body));
  expect(bodies).toMatchObject([
    { status: 'firing', externalURL: 'https://pulselane.example.org', commonLabels: { trial: 'true' } },
    { status: 'resolved' },
  ]);
  await run(['alerts', 'test', 'hook', '--rules', file, '--firing-only']);
  expect(sink.got).toHaveLength(3);
});

test('what a receiver answers is said, and the command fails', async () => {
  await using sink = await HttpSink.start();
  sink.answer = answers(500, 'down');
  const file = ruleFile(`receivers: [{ name: hook, webhook: { url: "${sink.url}/" } }]\nroute: { receiver: hook }\n`);
  expect(await run(['alerts', 'test', 'hook', '--rules', file, '-o', 'json'])).toMatchObject({
    exitCode: 1,
    stdout: expect.stringContaining(`"detail": "${sink.url}: HTTP 500: down"`),
  });
});

test('a receiver that there is not, and a file with problems', async () => {
  const file = ruleFile('receivers: [{ name: hook, log: {} }]\nroute: { receiver: hook }\n');
  expect(await run(['alerts', 'test', 'nope', '--rules', file])).toMatchObject({
    exitCode: 1,
    stderr: expect.stringMatching(/there is no receiver nope; there is .*hook/),
  });
  const wrong = ruleFile(
    'receivers:\n  - name: run\n    command: { path: /bin/true }\n    slack: {}\nroute: { receiver: run }\n',
  );
  const { exitCode, stderr } = await run(['alerts', 'test', 'run', '--rules', wrong]);
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(/rules\.yaml:3:\d+: receiver run, command: commands are off.*ALERT_COMMANDS=on\n/);
  expect(stderr).toMatch(/rules\.yaml:4:\d+: receiver run, slack: url or url_file is missing/);
  vi.stubEnv('ALERT_COMMANDS', 'on');
  const right = ruleFile('receivers: [{ name: run, command: { path: /bin/true } }]\nroute: { receiver: run }\n');
  expect(await run(['alerts', 'test', 'run', '--rules', right])).toMatchObject({ exitCode: 0 });
});

test('flags that alerts has, too, are those of the trial; others are refused', async () => {
  await using sink = await HttpSink.start();
  const file = ruleFile(`receivers: [{ name: hook, webhook: { url: "${sink.url}/" } }]\nroute: { receiver: hook }\n`);
  const { stdout } = await run(['alerts', 'test', 'hook', '--rules', file, '-o', 'json']);
  expect(JSON.parse(stdout)).toMatchObject({ trials: [{ kind: 'webhook', sent: true, detail: '' }] });
  expect(await run(['alerts', 'test', 'hook', '--rules', file, '-o', 'csv'])).toMatchObject({
    exitCode: 2,
    stderr: 'pulselane: --output: expected one of text, json\n',
  });
  expect(await run(['alerts', 'test', 'hook', '--all'])).toMatchObject({
    exitCode: 2,
    stderr: 'pulselane: --all: no flag of alerts test\n',
  });
});
