import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { FakeMaster } from '../support/fake-master.ts';
import { freePort } from '../support/free-port.ts';
import { PulselaneProcess } from '../support/processes.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'pulselane-signals-'));
let program: PulselaneProcess | undefined;
afterEach(async () => {
  await program?.close();
  rmSync(dataDir, { recursive: true, force: true });
});

function start(args: readonly string[], nodeOptions = '') {
  program = new PulselaneProcess(args, {
    GRPC_PORT: '127.0.0.1:0',
    HTTP_PORT: '127.0.0.1:0',
    DATA_DIR: dataDir,
    NODE_OPTIONS: nodeOptions,
  });
  return program;
}

/** Node's option that runs this code before the program. */
const runsFirst = (code: string) => `--import=data:text/javascript,${encodeURIComponent(code)}`;

const isUp = (program: PulselaneProcess) =>
  program.logged(({ msg }) => msg === 'workers that can have a thread of their own');

/** Whether the kernel would not end the process by SIGUSR1: Node has blocked it, or listens. */
function outlivesUsr1(pid: number | undefined): boolean {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const masks = [...status.matchAll(/^Sig(?:Blk|Cgt):\s*([0-9a-f]+)$/gm)];
  return masks.some(([, mask]) => (BigInt(`0x${mask}`) & (1n << 9n)) !== 0n);
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

describe('SIGUSR1', () => {
  test('leaves no inspector open, however early it comes', async () => {
    const port = await freePort();
    const master = start(['master'], `--inspect-port=${port}`);
    await eventually(() => outlivesUsr1(master.process.pid));
    master.process.kill('SIGUSR1');
    await isUp(master);
    await eventually(async () => !(await isOpen(port)));
    const said = master.stderr;
    master.process.kill('SIGUSR1');
    // What was asked for before the end would show before it.
    master.process.kill('SIGTERM');
    expect(await master.ended()).toBe(0);
    expect(master.stderr).toBe(said);
  });

  test('is nothing to an agent', async () => {
    const agent = start(['agent', '--master', '127.0.0.1:1']);
    await agent.logged(({ msg }) => msg !== '');
    agent.process.kill('SIGUSR1');
    agent.process.kill('SIGTERM');
    expect(await agent.ended()).toBe(0);
    expect(agent.stderr).toBe('');
  });
});

describe('SIGHUP', () => {
  test('is kept from the first moment of a start, and acted upon after it', async () => {
    // As soon as the program cares for any signal.
    const code = `process.once('newListener', function look(event) {
      if (event !== 'SIGUSR1') process.once('newListener', look);
      else setImmediate(() => process.kill(process.pid, 'SIGHUP'));
    });`;
    const master = start(['master'], runsFirst(code));
    await master.logged(({ msg }) => msg.startsWith('nothing to reload'));
    master.process.kill('SIGTERM');
    expect(await master.ended()).toBe(0);
  });
});

describe('an error that nothing expects', () => {
  test('ends a master in order, and with a failure', async () => {
    const code = `process.on('SIGUSR2', () => { throw new Error('a bug') });`;
    const master = start(['master', '--with-agent'], runsFirst(code));
    await isUp(master);
    expect(existsSync(join(dataDir, 'lock'))).toBe(true);
    master.process.kill('SIGUSR2');
    expect(await master.ended()).toBe(1);
    expect(master.stderr).toContain('internal error: a bug');
    expect(master.log.map(({ msg }) => msg)).toEqual(expect.arrayContaining(['stopping', 'stopped']));
    expect(existsSync(join(dataDir, 'lock'))).toBe(false);
  });

  test('ends an agent with a failure and without a farewell, so that its silence is noticed', async () => {
    const master = await FakeMaster.start();
    try {
      const code = `process.on('SIGUSR2', () => { throw new Error('a bug') });`;
      const agent = start(['agent', '--master', master.address, '--id', 'a'], runsFirst(code));
      await eventually(() => master.heartbeats.length > 0);
      agent.process.kill('SIGUSR2');
      expect(await agent.ended()).toBe(1);
      expect(master.heartbeats.map(({ leaving }) => leaving)).not.toContain(true);
      expect(agent.stderr).toContain('internal error: a bug');
      expect(agent.log.map(({ msg }) => msg).at(-1)).toBe('ending after an internal error');
    } finally {
      master.close();
    }
  });
});
