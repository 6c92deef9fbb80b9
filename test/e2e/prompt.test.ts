import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawn } from '@lydell/node-pty';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { TestTerminal } from '../support/terminal.ts';

const BIN = fileURLToPath(new URL('../../bin/pulselane.js', import.meta.url));
const SIZE = { columns: 100, rows: 30 };

let folder: string;
let end: () => void = () => {};
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'pulselane-pty-'));
});
afterEach(async () => {
  end();
  await rm(folder, { recursive: true, force: true });
});

/** A master in a real terminal. */
async function startMaster({ shell, inBackground = false }: { shell?: string; inBackground?: boolean } = {}) {
  const terminal = new TestTerminal(SIZE);
  const env = { ...process.env, TERM: 'xterm', GRPC_PORT: '127.0.0.1:0', HTTP_PORT: '127.0.0.1:0' };
  const command = [process.execPath, BIN, 'master', '--with-agent'];
  const [program = '', ...args] = shell === undefined ? command : [shell, '--norc', '-i'];
  const pty = spawn(program, args, {
    cols: SIZE.columns,
    rows: SIZE.rows,
    cwd: folder,
    env: env as Record<string, string>,
  });
  const exited = new Promise<number>((resolve) => pty.onExit(({ exitCode }) => resolve(exitCode)));
  end = () => pty.kill('SIGKILL');
  pty.onData((data) => void terminal.write(data));
  if (shell !== undefined)
    pty.write(`PS1='shell> '; ${command.map((word) => `'${word}'`).join(' ')}${inBackground ? ' &' : ''}\r`);
  await terminal.shows('worker is active');
  if (!inBackground) await terminal.endsWith('master>');
  return { terminal, type: (text: string) => pty.write(text), exited };
}

test('in a terminal there is a prompt: it completes, answers, and ends', async () => {
  const { terminal, type, exited } = await startMaster();
  expect(terminal.text).toMatch(/gRPC listens on 127\.0\.0\.1:\d+/);
  expect(terminal.text).toMatch(/HTTP listens on 127\.0\.0\.1:\d+/);
  type('wor');
  await terminal.endsWith('master> wor');
  type('\t');
  await terminal.until(() => /master> workers ?$/.test(terminal.lastLine), 'workers');
  type('\r');
  await terminal.shows(/ID +STATE +CPU/);
  // Its numbers, or dashes while its lane is still starting.
  await terminal.shows(/ID +STATE[^\n]*\n[^\n]* active +[\d–]/);
  await terminal.endsWith('master>');
  type('register later 127.0.0.1:1\r');
  await terminal.shows(
    /later is registered and waits for its first heartbeat;\s+the\s+agent\s+at\s+127\.0\.0\.1:1\s+did\s+not\s+accept/,
  );
  type('unregister later\r');
  await terminal.shows('its next heartbeat admits it again');
  type('exit\r');
  expect(await exited).toBe(0);
});

test('Ctrl-C on an empty line stops, cleanly', async () => {
  const { terminal, type, exited } = await startMaster();
  type('typed');
  await terminal.endsWith('master> typed');
  type('\u0003');
  await terminal.endsWith('master>');
  type('\u0003');
  expect(await exited).toBe(0);
  expect(terminal.text).toContain('stopping');
});

test('Ctrl-D stops a master that has its terminal to itself', async () => {
  const { terminal, type, exited } = await startMaster();
  type('\u0004');
  expect(await exited).toBe(0);
  expect(terminal.text).toContain('stopping');
});

test('Ctrl-D leaves the prompt of a master that a shell started; Ctrl-C then stops it, and the shell goes on', async () => {
  const { terminal, type, exited } = await startMaster({ shell: 'bash' });
  type('\u0004');
  await terminal.shows(/The prompt is closed; the master goes on\. End it with Ctrl-C or kill \d+\./);
  // Nothing reads what is typed now, but the terminal itself.
  type('\u0003');
  await terminal.shows('stopped');
  await terminal.endsWith('shell>');
  type('exit 7\r');
  expect(await exited).toBe(7);
});

test('in the background of a shell it works on, as a log', async () => {
  const { terminal, type, exited } = await startMaster({ shell: 'bash', inBackground: true });
  expect(terminal.text).not.toContain('master>');
  type('kill %1; wait; exit 7\r');
  expect(await exited).toBe(7);
  expect(terminal.text).toContain('"msg":"stopped"');
});
