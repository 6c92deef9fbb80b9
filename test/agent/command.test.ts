/** `pulselane agent` as a process; needs dist/agent/thread.cjs. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { FakeMaster } from '../support/fake-master.ts';

const PROGRAM = fileURLToPath(new URL('../support/agent-program.ts', import.meta.url));

function run(...flags: string[]) {
  // In a folder without a .env, and with nothing but the flags.
  const child = spawn(process.execPath, [PROGRAM, 'agent', ...flags], { cwd: tmpdir(), env: {} });
  return { child, ended: once(child, 'exit'), stdout: text(child.stdout), stderr: text(child.stderr) };
}

test('reports until SIGTERM, then says farewell and ends with 0; its log is JSON, a line per transition', async () => {
  const master = await FakeMaster.start();
  const masters = `${master.address},127.0.0.1:1`;
  const { child, ended, stdout, stderr } = run(
    '--master',
    masters,
    '--id',
    'worker-1',
    '--labels',
    'zone=a',
    '--isolate',
    '--socket',
    'off',
  );
  await eventually(() => master.heartbeats.length > 0);
  child.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
  expect(master.heartbeats.at(-1)?.leaving).toBe(true);
  expect(master.registrations[0]?.labels).toEqual({ zone: 'a', 'pulselane.isolation': 'dedicated' });
  const lines = (await stdout)
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines.map(({ msg }) => msg)).toEqual([
    `reporting worker-1 to ${master.address} every 5s`,
    'SIGTERM: saying farewell',
  ]);
  expect(await stderr).toBe('');
  master.close();
});

test('tells all files that cannot be read at once', async () => {
  const { ended, stderr } = run('--master', 'a:1', '--tls-ca', 'ca.pem', '--tls-cert', 'no.pem', '--tls-key', 'no.key');
  expect(await ended).toEqual([2, null]);
  const told = await stderr;
  for (const setting of ['--tls-ca ca.pem', '--tls-cert no.pem', '--tls-key no.key']) {
    expect(told).toContain(`${setting}: cannot be read: no such file`);
  }
});

const manyLabels = (count: number, length = 1) =>
  Array.from({ length: count }, (_, i) => `l${i}=${'x'.repeat(length)}`).join();

test.each<[string[], string | RegExp]>([
  [['--id', 'w'], 'MASTER_ADDRESS is not set'],
  [['--master', 'a:1', '--id', ''], '--id "": expected a value'],
  [['--master', 'a:99999'], '--master a:99999: expected a port from 1 to 65535'],
  [['--master', 'a:1', '--tls-ca', 'no.pem'], '--tls-ca no.pem: cannot be read: no such file'],
  [['--master', 'nowhere'], '--master nowhere: expected host:port'],
  [['--master', 'a:1,a:1'], '--master a:1,a:1: expected each address only once'],
  [['--master', 'a:1', '--id', '..'], '--id ..: worker_id ".." cannot be named in a URL'],
  [
    ['--master', 'a:1', '--isolate', '--labels', 'pulselane.isolation=shared'],
    '--isolate and --labels: the label pulselane.isolation=shared is given, too; expected one of them',
  ],
  [['--master', 'a:1', '--labels', manyLabels(65)], '--labels: 65 labels; at most 64 are allowed'],
  [['--master', 'a:1', '--labels', manyLabels(60, 150)], /--labels: labels, group and id have 9\d{3} bytes; at most/],
  [['--master', 'a:1', '--group', 'a\tb'], '--group: group contains a control character'],
])('refuses wrong settings, case %#, with one line and ends with 2', async (flags, expected) => {
  const { ended, stderr } = run(...flags);
  expect(await ended).toEqual([2, null]);
  const line = await stderr;
  expect(line).toMatch(expected);
  expect(line.trim().split('\n')).toHaveLength(1);
});
