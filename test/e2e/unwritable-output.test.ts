/** Real devices that take nothing: what is written is lost or waits, and what the program is there for goes on. */
import { execFileSync, spawn } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawn as spawnInTerminal } from '@lydell/node-pty';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { TestTerminal } from '../support/terminal.ts';

const BIN = fileURLToPath(new URL('../../bin/pulselane.js', import.meta.url));

let folder: string;
const cleanUps: (() => void)[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'pulselane-output-'));
  cleanUps.push(() => rmSync(folder, { recursive: true, force: true }));
});
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0).reverse()) cleanUp();
});

const environment = () => ({
  ...(process.env as Record<string, string>),
  GRPC_PORT: '127.0.0.1:0',
  HTTP_PORT: '127.0.0.1:0',
  TERM: 'xterm',
});

function run(args: readonly string[], stdout: number | 'pipe', stderr: number | 'pipe' = 'pipe', extra = {}) {
  const child = spawn(process.execPath, [BIN, ...args], {
    cwd: folder,
    env: { ...environment(), ...extra },
    stdio: ['ignore', stdout, stderr],
  });
  cleanUps.push(() => child.kill('SIGKILL'));
  let errors = '';
  child.stderr?.on('data', (text) => (errors += text));
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { child, ended, errors: () => errors };
}

function opened(path: string, flags: string | number): number {
  const fd = openSync(path, flags);
  cleanUps.push(() => closeSync(fd));
  return fd;
}

/** A pipe that was filled to the brim before anybody else writes to it, and that nobody reads until `drain`. */
function stalledPipe() {
  const path = join(folder, 'fifo');
  execFileSync('mkfifo', [path]);
  const fd = opened(path, constants.O_RDWR | constants.O_NONBLOCK);
  const filling = Buffer.alloc(4096, '\n');
  const fill = () => {
    try {
      for (;;) writeSync(fd, filling);
    } catch {
      // It is full.
    }
  };
  fill();
  const read = Buffer.alloc(1024 ** 2);
  let text = '';
  return {
    fd,
    fill,
    /** @returns everything that was read from it so far */
    drain() {
      try {
        for (;;) text += read.toString('utf8', 0, readSync(fd, read));
      } catch {
        return text.trim();
      }
    },
  };
}

interface Health {
  readonly active_workers: number;
}

/** Resolves when the master says so of itself, which it does without its log. */
function healthy(httpPort: number, fits: (health: Health) => boolean = () => true): Promise<true> {
  return eventually(async () => {
    const response = await fetch(`http://127.0.0.1:${httpPort}/health`).catch(() => undefined);
    return response?.status === 200 && fits((await response.json()) as Health);
  });
}

const isLocked = () => existsSync(join(folder, 'data', 'lock'));

describe('master and agent', () => {
  test('whose logs are on a full disk from the start on do their work, and end in order', async () => {
    const full = opened('/dev/full', 'w');
    const [grpcPort, httpPort] = [await freePort(), await freePort()];
    const ports = { GRPC_PORT: `127.0.0.1:${grpcPort}`, HTTP_PORT: `127.0.0.1:${httpPort}`, LOG_LEVEL: 'trace' };
    const master = run(['master'], full, full, ports);
    const agent = run(['agent', '--master', `127.0.0.1:${grpcPort}`], full);
    await healthy(httpPort, ({ active_workers }) => active_workers === 1);
    for (const { child, ended } of [agent, master]) {
      child.kill('SIGTERM');
      expect(await ended).toBe(0);
    }
    // Where there is another place to say so, once.
    expect(agent.errors()).toMatch(/^pulselane: the log cannot be written, lines may be lost: ENOSPC.*\n$/);
    expect(isLocked()).toBe(false);
  });

  test('are held up neither at the start nor at the end by a reader that stands still', async () => {
    const pipe = stalledPipe();
    const httpPort = await freePort();
    const { child, ended } = run(['master', '--with-agent'], pipe.fd, pipe.fd, { HTTP_PORT: `127.0.0.1:${httpPort}` });
    await healthy(httpPort, ({ active_workers }) => active_workers === 1);
    // It goes on, and reads what waited for it.
    await eventually(() => pipe.drain().includes('"protocol":"http"'));
    pipe.fill();
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(isLocked()).toBe(false);
  });

  test('keep what a processor prints out of the log', async () => {
    writeFileSync(join(folder, 'talks.mjs'), 'console.log("printed");\nexport default () => undefined;\n');
    const { child, ended, errors } = run(['master', '--processor', 'talks.mjs'], 'pipe');
    let log = '';
    child.stdout?.on('data', (text) => (log += text));
    await eventually(() => log.includes('can have a thread of their own') && errors().includes('printed'));
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(log).not.toContain('printed');
  });
});

describe('a master in a terminal', () => {
  async function startInTerminal() {
    const terminal = new TestTerminal({ columns: 100, rows: 30 });
    const pty = spawnInTerminal(process.execPath, [BIN, 'master', '--with-agent'], { cwd: folder, env: environment() });
    cleanUps.push(() => pty.kill('SIGKILL'));
    pty.onData((data) => void terminal.write(data));
    const ended = new Promise<number>((resolve) => pty.onExit(({ exitCode }) => resolve(exitCode)));
    await terminal.shows('worker is active');
    await terminal.endsWith('master>');
    return { pty, ended };
  }

  test('that is closed stops in order', async () => {
    const { pty, ended } = await startInTerminal();
    expect(isLocked()).toBe(true);
    (pty as unknown as { destroy(): void }).destroy();
    expect(await ended).toBe(0);
    expect(isLocked()).toBe(false);
    expect(existsSync(join(folder, 'data', 'prompt-history'))).toBe(true);
  });

  test('that nobody reads any more is not held up by it', async () => {
    const { pty, ended } = await startInTerminal();
    // As over a connection that hangs.
    pty.pause();
    // More than a terminal keeps before it stops whoever writes.
    for (let line = 0; line < 100; line++) pty.write('help\r');
    pty.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(isLocked()).toBe(false);
  });
});

describe('a command', () => {
  const config = ['config', '-o', 'json'];

  test('whose answer does not fit on the disk fails, and says why', async () => {
    const { ended, errors } = run(config, opened('/dev/full', 'w'));
    expect(await ended).toBe(1);
    expect(errors()).toMatch(/^pulselane: the output cannot be written: ENOSPC/);
  });

  test.skipIf(process.getuid?.() !== 0)('fails also where the beginning of its answer did fit', async (context) => {
    const disk = join(folder, 'disk');
    mkdirSync(disk);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4k', 'none', disk], { stdio: 'ignore' });
    } catch {
      // A container may be root and not mount anything.
      return context.skip();
    }
    cleanUps.push(() => execFileSync('umount', ['-l', disk]));
    const path = join(disk, 'answer');
    const { ended, errors } = run(config, opened(path, 'w'));
    expect(await ended).toBe(1);
    expect(errors()).toContain('ENOSPC');
    expect(statSync(path).size).toBeGreaterThan(0);
  });

  test('whose reader goes away is content', async () => {
    const { child, ended, errors } = run(config, 'pipe');
    child.stdout?.destroy();
    expect(await ended).toBe(0);
    expect(errors()).toBe('');
  });

  test('that is used wrongly says so by its exit code, where it can by nothing else', async () => {
    const { ended } = run(['nonsense'], 'pipe', opened('/dev/full', 'w'));
    expect(await ended).toBe(2);
  });
});
