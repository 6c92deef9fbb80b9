/** What docs/machine-hub.md and the example tell users to type, typed beside an agent. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { FIRST_BYTE_WITHIN_MS, HEADERS_WITHIN_MS, HUB_LIMITS, REQUEST_WITHIN_MS } from '../../src/agent/hub/limits.ts';
import { MAX_PARTS } from '../../src/agent/otlp/otlp-limits.ts';
import { blocksOf, DOCS, ROOT } from '../support/doc-pages.ts';
import { type TestHub, testHub } from '../support/hub-client.ts';
import { openShell, type Shell } from '../support/shell.ts';

let hub: TestHub;
let shell: Shell;
beforeEach(async () => {
  hub = await testHub();
  shell = openShell({ PULSELANE_SOCKET: hub.socket });
});
afterEach(async () => {
  shell.close();
  await hub.close();
});

const [wrapped = '', script = '', curl = ''] = blocksOf('test:hub', 'sh');

test('commands are wrapped', async () => {
  expect(await shell.run(wrapped)).toBe('rendered\n');
  expect(hub.ended.map(({ taskId, outcome, exitCode }) => [taskId.replace(/-\w+$/, ''), outcome, exitCode])).toEqual([
    ['sh', 'finished', 0],
    ['frame-17', 'finished', 0],
  ]);
});

test('a script is a task', async () => {
  expect(await shell.run(script)).toBe('');
  expect(hub.ended).toMatchObject([{ taskId: expect.stringMatching(/^backup-/), outcome: 'finished', exitCode: 0 }]);
});

test('curl alone does it', async () => {
  const answers = (await shell.run(curl))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(answers.slice(0, -1)).toEqual(Array(4).fill({ accepted: 1, refused: [] }));
  expect(answers.at(-1)).toMatchObject({ worker_id: 'w', metrics: 2, lines_accepted: 4, refused: {} });
  expect(hub.ended).toMatchObject([{ taskId: 'import-7', outcome: 'finished' }]);
});

test('the example reports itself, and works without an agent', async () => {
  const run = (socket: string) =>
    promisify(execFile)('bash', [join(ROOT, 'examples/hub.sh'), '2'], {
      env: { PATH: process.env.PATH, PULSELANE_SOCKET: socket },
    });
  expect(await run(hub.socket)).toEqual({ stdout: '', stderr: '' });
  expect(hub.ended).toMatchObject([{ taskId: expect.stringMatching(/^import-/), outcome: 'finished', exitCode: 0 }]);
  expect([...hub.hub.state.metrics.values]).toEqual([['imported_items', 2]]);
  expect((await run(join(hub.folder, 'none'))).stderr).toMatch(/^curl: /);
});

test('the page has the limits as they are', () => {
  const page = DOCS.find(({ path }) => path === 'docs/machine-hub.md')?.text ?? '';
  const table = page.split('## Limits')[1]?.split('\n## ')[0]?.replaceAll(',', '') ?? '';
  const {
    lineBytes,
    bodyBytes,
    bodiesBytes,
    portBodiesBytes,
    unreadAnswerBytes,
    refusalsPerAnswer: _,
    ...counts
  } = HUB_LIMITS;
  for (const count of Object.values(counts)) expect(table).toMatch(new RegExp(`(^|\\D)${count}\\D`));
  expect(table).toContain(`${lineBytes / 1024} KiB per line ${bodyBytes / 1024 ** 2} MiB per request`);
  const [all, ofPort] = [bodiesBytes / 1024 ** 2, portBodiesBytes / 1024 ** 2];
  expect(table).toContain(`${all} MiB of requests at the same time on the socket and ${ofPort} MiB on the port`);
  expect(table).toContain(`${unreadAnswerBytes / 1024} KiB of answers`);
  expect(table).toContain(`${MAX_PARTS} resources`);
  const [first, headers, request] = [FIRST_BYTE_WITHIN_MS, HEADERS_WITHIN_MS, REQUEST_WITHIN_MS].map((ms) => ms / 1000);
  expect(table).toContain(`${first} s from the connection to its first byte ${headers} s to the end of`);
  expect(table).toContain(`headers ${request} s to the end of the request`);
});
