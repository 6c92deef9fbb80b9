/** Commands, with real processes. */
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { inTurn } from '../../../src/alerts/delivery/notification.ts';
import { sendersOf } from '../../../src/alerts/delivery/receivers/make-senders.ts';
import { webhookPayload } from '../../../src/alerts/delivery/receivers/webhook-payload.ts';
import { parseTarget } from '../../../src/alerts/rules/receivers/target.ts';
import { eventually } from '../../support/eventually.ts';
import { isRunning } from '../../support/is-running.ts';
import { senderOf, sendOnce, testContext } from './receiver-context.ts';
import { EXTERNAL_URL, someNotification } from './some-alerts.ts';

const NEVER = new AbortController().signal;
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'pulselane-commands-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function script(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
  return path;
}

const content = (name: string) => {
  const path = join(folder, name);
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
};

test('it gets the alerts on its input, its arguments as they are, and few variables', async () => {
  const path = script(
    'all',
    `cat >${folder}/input; printf '%s\\n' "$@" >${folder}/args; env >${folder}/env; pwd >${folder}/cwd`,
  );
  process.env.API_TOKEN = 'not for commands';
  const context = testContext();
  const args = ['$(id)', '*', 'a b', ''];
  expect(await sendOnce('command', { path, args }, { context })).toEqual({ outcome: 'sent' });
  delete process.env.API_TOKEN;
  expect(JSON.parse(content('input') ?? '')).toEqual(webhookPayload(someNotification(), EXTERNAL_URL));
  expect(content('args')).toBe('$(id)\n*\na b\n\n');
  expect(content('cwd')).toBe('/\n');
  const names = (content('env') ?? '')
    .split('\n')
    .flatMap((line) => (line === '' ? [] : [line.slice(0, line.indexOf('='))]));
  // The shell itself sets PWD and the like.
  const own = ['PATH', 'PULSELANE_DEDUP_KEY', 'PULSELANE_RECEIVER', 'PULSELANE_TRIAL'];
  expect(names.filter((name) => !['PWD', 'OLDPWD', 'SHLVL', '_'].includes(name)).sort()).toEqual(own);
  expect(content('env')).toContain('PULSELANE_RECEIVER=pager\n');
  expect(context.logged).toEqual([
    { level: 'info', message: 'the command of a receiver has ended', receiver: 'pager', command: path },
  ]);
});

test.each([
  [0, 'sent'],
  [1, 'retry'],
  [64, 'refused'],
  [75, 'retry'],
  [78, 'refused'],
  [126, 'retry'],
])('exit code %i: %s', async (code, outcome) => {
  const path = script(`exit-${code}`, `echo what went wrong >&2; exit ${code}`);
  const detail = `${path}: it ended with exit code ${code}: what went wrong`;
  expect(await sendOnce('command', { path })).toEqual({ outcome, ...(code === 0 ? {} : { detail }) });
});

test('what cannot be started', async () => {
  writeFileSync(join(folder, 'text'), 'no program');
  const of = (path: string) => sendOnce('command', { path });
  expect(await of(join(folder, 'missing'))).toEqual({
    outcome: 'refused',
    detail: `${folder}/missing: it cannot be started: no such file`,
  });
  expect(await of(join(folder, 'text'))).toMatchObject({
    outcome: 'refused',
    detail: expect.stringContaining('it is not executable'),
  });
});

test('a program that hangs is killed with all that it has started', async () => {
  const path = script(
    'hang',
    `sleep 1000 & echo $! $$ >${folder}/pids.new; mv ${folder}/pids.new ${folder}/pids; wait`,
  );
  const context = testContext();
  const sent = senderOf('command', { path }, context).send(someNotification(), NEVER);
  const pids = (await eventually(() => content('pids'))).trim().split(' ').map(Number);
  context.clock.advance(29_999);
  expect(pids.map(isRunning)).toEqual([true, true]);
  context.clock.advance(1);
  expect(await sent).toEqual({ outcome: 'retry', detail: `${path}: it had not ended after 30 s and was killed` });
  await eventually(() => !pids.some(isRunning));
});

test('what a program leaves running ends with it', async () => {
  const path = script('leaves', `sleep 1000 & echo $! >${folder}/left`);
  expect(await sendOnce('command', { path })).toEqual({ outcome: 'sent' });
  await eventually(() => !isRunning(Number(content('left'))));
});

test('a stop kills what is under way', async () => {
  const path = script('stopped', `echo $$ >${folder}/stopped-pid; exec sleep 1000`);
  const stop = new AbortController();
  const sent = senderOf('command', { path }, testContext()).send(someNotification(), stop.signal);
  const pid = Number(await eventually(() => content('stopped-pid')?.trim()));
  stop.abort();
  expect(await sent).toEqual({
    outcome: 'retry',
    detail: `${path}: it was killed, because the master stops or the trial took too long`,
  });
  await eventually(() => !isRunning(pid));
});

test('one program at a time, also of different receivers', async () => {
  const busy = join(folder, 'busy');
  const path = script('turns', `mkdir ${busy} || exit 64; sleep 0.02; rmdir ${busy}`);
  const make = sendersOf(testContext());
  const senders = ['a', 'b'].map((arg) => {
    const { targets = [] } = parseTarget(
      'command',
      { path, args: [arg] },
      { folder, allowsCommands: true, readFile: () => '' },
    );
    return make(targets[0] as NonNullable<(typeof targets)[0]>);
  });
  const outcomes = await Promise.all(
    [...senders, ...senders].map((sender) => inTurn(sender, () => sender.send(someNotification(), NEVER))),
  );
  expect(outcomes).toEqual(Array.from({ length: 4 }, () => ({ outcome: 'sent' })));
});

test('output without end holds nobody up, and is cut', async () => {
  const path = script('loud', 'head -c 3000000 /dev/zero | tr "\\0" "x"; exit 1');
  const context = testContext();
  const outcome = (await sendOnce('command', { path }, { context })) as { detail: string };
  expect(outcome).toMatchObject({
    outcome: 'retry',
    detail: expect.stringMatching(/^\S+: it ended with exit code 1: x+/),
  });
  expect(outcome.detail.length).toBeLessThan(400);
  expect(JSON.stringify(context.logged).length).toBeLessThan(1500);
});

test('a program that does not read its input', async () => {
  expect(await sendOnce('command', { path: '/bin/true' })).toEqual({ outcome: 'sent' });
});
