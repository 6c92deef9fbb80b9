/** A process that runs Pulselane for somebody else does not leave it behind when it is killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BIN = join(ROOT, 'bin/pulselane.js');
const BECOME = pathToFileURL(join(ROOT, 'scripts/bootstrap/become.mjs')).href;

const clean: (() => void)[] = [];
afterEach(() => {
  for (const undo of clean.splice(0).reverse()) undo();
});

interface Started {
  readonly parent: ChildProcess;
  readonly log: () => string;
}

function started(command: string, args: readonly string[]): Started {
  const dataDir = mkdtempSync(join(tmpdir(), 'pulselane-parent-'));
  const environment = { GRPC_PORT: '127.0.0.1:0', HTTP_PORT: 'off', DATA_DIR: join(dataDir, 'data') };
  let log = '';
  const parent = spawn(command, args, {
    cwd: ROOT,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    // So that what it leaves behind can be ended, whatever a test finds.
    detached: true,
  });
  parent.stdout?.on('data', (chunk) => {
    log += chunk;
  });
  clean.push(() => {
    try {
      process.kill(-(parent.pid as number), 'SIGKILL');
    } catch {
      // All of it has ended.
    }
    rmSync(dataDir, { recursive: true, force: true });
  });
  return { parent, log: () => log };
}

/** What an older Node does, which has no execve. */
const withChild = `process.execve = undefined;
const { become } = await import(${JSON.stringify(BECOME)});
become(process.execPath, [${JSON.stringify(BIN)}, 'master']);`;

test.each([
  ['an older Node that runs the pinned one', process.execPath, ['--input-type=module', '--eval', withChild]],
  ['npm start', 'npm', ['start', '--silent', '--', '--http-port', 'off']],
])('%s: when it is killed, the master stops in order', async (_, command, args) => {
  const { parent, log } = started(command, args);
  await eventually(() => log().includes('"listening"'));
  process.kill(parent.pid as number, 'SIGKILL');
  await eventually(() => log().includes('"stopped"'));
  // The group is empty: nothing of it runs any more.
  await eventually(() => !isAlive(-(parent.pid as number)));
  expect(log()).toContain('"cause":"SIGTERM"');
});

test('an older Node that runs an agent: when it is killed, the agent says no farewell', async () => {
  const agent = withChild.replace(`'master'`, `'agent', '--listen', '127.0.0.1:0', '--id', 'w', '--socket', 'off'`);
  const { parent, log } = started(process.execPath, ['--input-type=module', '--eval', agent]);
  await eventually(() => log().includes('to register this worker'));
  process.kill(parent.pid as number, 'SIGKILL');
  await eventually(() => !isAlive(-(parent.pid as number)));
  expect(log()).not.toContain('farewell');
});

test('a Node that can become another program leaves no second process', async () => {
  const { parent, log } = started(process.execPath, [
    '--input-type=module',
    '--eval',
    withChild.replace('process.execve = undefined;', ''),
  ]);
  await eventually(() => log().includes('"listening"'));
  process.kill(parent.pid as number, 'SIGTERM');
  await eventually(() => log().includes('"stopped"'));
  expect(await new Promise((resolve) => parent.once('close', resolve))).toBe(0);
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
