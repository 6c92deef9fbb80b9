/** `pulselane task` as a process, beside a hub on a real socket. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { type TestHub, testHub } from '../support/hub-client.ts';
import { isRunning } from '../support/is-running.ts';
import { run as runHere } from './run.ts';

const BIN = fileURLToPath(new URL('../../bin/pulselane.js', import.meta.url));

let hub: TestHub;
const children: ChildProcess[] = [];
beforeEach(async () => {
  hub = await testHub();
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await hub.close();
});

/** @param input what it reads */
function task(args: readonly string[], environment: Record<string, string> = {}, input = '') {
  const child = spawn(process.execPath, [BIN, 'task', ...args], {
    cwd: hub.folder,
    env: { PATH: process.env.PATH, PULSELANE_SOCKET: hub.socket, ...environment },
  });
  children.push(child);
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const [stdout, stderr] = [text(child.stdout), text(child.stderr)];
  const ended = once(child, 'close').then(async ([code, signal]) => ({
    code: code as number | null,
    signal: signal as string | null,
    stdout: await stdout,
    stderr: await stderr,
  }));
  return { child, ended };
}

const run = (...args: string[]) => task(args).ended;

/** Running tasks by id. */
const running = () => hub.hub.state.tasks.tasks;

describe('run', () => {
  test('is the command in all that is seen of it, and its end is told', async () => {
    const script = 'read line; echo "out $line $PULSELANE_TASK_ID $# $1"; echo err >&2; exit 3';
    const { ended } = task(
      ['run', '--id', 'it', '--cpu', '2', '--', 'sh', '-c', script, 'sh', '--id x'],
      {},
      'typed\n',
    );
    expect(await ended).toEqual({ code: 3, signal: null, stdout: 'out typed it 1 --id x\n', stderr: 'err\n' });
    expect(hub.ended).toMatchObject([{ taskId: 'it', outcome: 'failed', exitCode: 3 }]);
    expect(hub.ended[0]?.startedAtUnixMs).toBeLessThanOrEqual(hub.ended[0]?.endedAtUnixMs as number);
  });

  test('while it runs, it is a running task with what it may use; its id begins with its name', async () => {
    const { child } = task(['run', '--name', 'frame', '--cpu', '4', '--memory', '8', '--gpu', '1', 'sleep', '60']);
    const [found] = await eventually(() => running().size > 0 && [...running().values()]);
    expect(found).toMatchObject({ status: 'running', cpuAllocated: 4, memoryAllocated: 8, gpuAllocated: 1 });
    expect(found?.taskId).toMatch(/^frame-[0-9a-f]{8}$/);
    child.kill('SIGTERM');
    await eventually(() => hub.ended.length > 0);
    expect(hub.ended).toMatchObject([{ outcome: 'killed', exitCode: -15 }]);
  });

  test.each<[string, NodeJS.Signals, number]>([
    ['a signal that ends it', 'SIGTERM', 128 + 15],
    ['Ctrl-C of a program, not of a terminal', 'SIGINT', 128 + 2],
  ])('passes on %s', async (_, signal, code) => {
    const { child, ended } = task(['run', '--', 'sh', '-c', 'echo ready; exec sleep 60']);
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    child.kill(signal);
    expect(await ended).toMatchObject({ code, signal: null });
    expect(hub.ended).toMatchObject([{ outcome: 'killed', exitCode: 128 - code }]);
  });

  test('leaves it to the command what signals mean, and stays until it ends', async () => {
    const signals = ['SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGQUIT', 'SIGHUP', 'SIGINT'] as const;
    const traps = signals.map((signal) => `trap 'echo ${signal}' ${signal.slice(3)}`).join('; ');
    const script = `${traps}; echo ready; while [ ! -e end ]; do sleep 0.01; done; exit 7`;
    const { child, ended } = task(['run', '--', 'sh', '-c', script]);
    let said = '';
    (child.stdout as NodeJS.ReadableStream).on('data', (chunk: Buffer) => {
      said += chunk;
    });
    await eventually(() => said === 'ready\n');
    for (const signal of signals) {
      child.kill(signal);
      await eventually(() => said.endsWith(`${signal}\n`));
    }
    writeFileSync(join(hub.folder, 'end'), '');
    expect(await ended).toMatchObject({ code: 7, stdout: ['ready', ...signals, ''].join('\n') });
  });

  test('a command that kills itself, that is not there, that cannot be run', async () => {
    expect(await run('run', '--', 'sh', '-c', 'kill -9 $$')).toMatchObject({ code: 128 + constants.signals.SIGKILL });
    expect(await run('run', '--', 'no-such-command')).toEqual({
      code: 127,
      signal: null,
      stdout: '',
      stderr: 'pulselane: "no-such-command" cannot be run: no such command\n',
    });
    expect(await run('run', '--', hub.folder)).toMatchObject({ code: 126 });
    expect(hub.ended.map(({ outcome, exitCode }) => [outcome, exitCode])).toEqual([
      ['killed', -9],
      ['failed', 127],
      ['failed', 126],
    ]);
  });

  test.runIf(process.platform === 'linux')('measures CPU time and memory', async () => {
    const busy = 'const end = process.cpuUsage().user + 50_000; while (process.cpuUsage().user < end);';
    const script = `${JSON.stringify(process.execPath)} -e '${busy}'; exit 0`;
    expect(await run('run', '--', 'sh', '-c', script)).toMatchObject({ code: 0, stderr: '' });
    expect(hub.ended[0]?.cpuSeconds).toBeGreaterThanOrEqual(0.05);
    expect(hub.ended[0]?.maxRssBytes).toBeGreaterThan(1024 ** 2);
  });

  test('output of any size goes by, also to a reader that is slow', async () => {
    const { child, ended } = task(['run', '--', 'head', '-c', '50000000', '/dev/zero']);
    let bytes = 0;
    (child.stdout as NodeJS.ReadableStream).on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    expect(await ended).toMatchObject({ code: 0, stderr: '' });
    expect(bytes).toBe(50_000_000);
    // Its own file descriptor: the wrapper does not touch what goes there.
    const path = join(hub.folder, 'out');
    const fd = openSync(path, 'w');
    const direct = spawn(process.execPath, [BIN, 'task', 'run', '--', 'head', '-c', '1000000', '/dev/zero'], {
      env: { PATH: process.env.PATH, PULSELANE_SOCKET: hub.socket },
      stdio: ['ignore', fd, 'ignore'],
    });
    closeSync(fd);
    await once(direct, 'exit');
    expect(statSync(path).size).toBe(1_000_000);
  });

  test.runIf(process.platform === 'linux')('has the files that its starter has opened, pipes too', async () => {
    const wrapper = `${JSON.stringify(process.execPath)} ${JSON.stringify(BIN)} task run --`;
    // `true`: bash stays the parent, as make does of what uses its job server.
    const list = "sh -c 'echo $(ls /proc/self/fd)'";
    const script = `exec 9>nine 7< <(echo piped); ${list}; ${wrapper} ${list}; ${wrapper} sh -c 'cat <&7 >&9'; true`;
    const environment = { PATH: process.env.PATH, PULSELANE_SOCKET: hub.socket };
    const bash = spawn('bash', ['-c', script], { cwd: hub.folder, env: environment });
    const [without, wrapped] = (await text(bash.stdout)).split('\n');
    expect(wrapped).toBe(without);
    expect(wrapped).toMatch(/ 7 9$| 7 9 /);
    expect(readFileSync(join(hub.folder, 'nine'), 'utf8')).toBe('piped\n');
  });

  test('a reader that closes the pipe ends the command as it would without the wrapper', async () => {
    const script = `${JSON.stringify(process.execPath)} ${JSON.stringify(BIN)} task run -- yes | head -n 1; echo "\${PIPESTATUS[0]}"`;
    const bash = spawn('bash', ['-c', script], { env: { PATH: process.env.PATH, PULSELANE_SOCKET: hub.socket } });
    expect(await text(bash.stdout)).toBe(`y\n${128 + constants.signals.SIGPIPE}\n`);
  });

  test('without an agent it runs the command, and says so in one line; --require-agent fails before', async () => {
    const away = { PULSELANE_SOCKET: join(hub.folder, 'none.sock') };
    const { code, stdout, stderr } = await task(['run', '--', 'sh', '-c', 'echo done; exit 4'], away).ended;
    expect([code, stdout]).toEqual([4, 'done\n']);
    expect(stderr).toBe(
      `pulselane: no agent listens at ${away.PULSELANE_SOCKET} (--socket, PULSELANE_SOCKET); the command runs nevertheless\n`,
    );
    const strict = await task(['run', '--require-agent', '--', 'touch', 'made'], away).ended;
    expect([strict.code, strict.stdout]).toEqual([1, '']);
    expect(strict.stderr).toContain('nothing was run: the task could not be reported, and --require-agent is given');
    expect(() => statSync(join(hub.folder, 'made'))).toThrow();
    const off = await task(['run', '--', 'true'], { PULSELANE_SOCKET: 'off' }).ended;
    expect(off).toMatchObject({ code: 0, stderr: expect.stringContaining('the socket of the agent is off') });
  });

  test('a second task with the same id is refused and runs nevertheless; the first one goes on', async () => {
    const first = task(['run', '--id', 'same', '--', 'sleep', '60']);
    await eventually(() => running().has('same'));
    const second = await run('run', '--id', 'same', '--', 'echo', 'ran');
    expect(second).toMatchObject({
      code: 0,
      stdout: 'ran\n',
      stderr: expect.stringContaining('"same" is a task that runs already'),
    });
    expect(running().has('same')).toBe(true);
    expect(hub.ended).toEqual([]);
    first.child.kill();
    await first.ended;
    expect(hub.ended).toHaveLength(1);
  });

  test('killed without a goodbye, its task has vanished', async () => {
    const { child } = task(['run', '--id', 'gone', '--', 'sh', '-c', 'echo $$ > pid; exec sleep 60']);
    await eventually(() => running().has('gone'));
    const pid = await eventually(() => Number(readIf(join(hub.folder, 'pid'))) || undefined);
    child.kill('SIGKILL');
    await eventually(() => hub.ended.length > 0);
    expect(hub.ended).toMatchObject([{ taskId: 'gone', outcome: 'vanished' }]);
    expect(isRunning(pid)).toBe(true);
    process.kill(pid, 'SIGKILL');
  });

  test('a signal to the whole group ends it, children and all', async () => {
    const script = 'sleep 60 & echo $! > pid; wait';
    const group = spawn(process.execPath, [BIN, 'task', 'run', '--', 'sh', '-c', script], {
      cwd: hub.folder,
      env: { PATH: process.env.PATH, PULSELANE_SOCKET: hub.socket },
      detached: true,
      stdio: 'ignore',
    });
    const pid = await eventually(() => Number(readIf(join(hub.folder, 'pid'))) || undefined);
    process.kill(-(group.pid as number), 'SIGTERM');
    expect(await once(group, 'exit')).toEqual([128 + 15, null]);
    await eventually(() => !isRunning(pid));
  });

  test('while the agent restarts, the command runs on, and the task is reported again with its start', async () => {
    const go = join(hub.folder, 'go');
    const { child, ended } = task([
      'run',
      '--id',
      'long',
      '--',
      'sh',
      '-c',
      `while [ ! -e ${go} ]; do sleep 0.02; done`,
    ]);
    const first = await eventually(() => running().get('long'));
    await hub.hub.stop();
    expect(hub.ended).toEqual([]);
    hub = await hub.again();
    const second = await eventually(() => running().get('long'));
    expect(second.startedAtUnixMs).toBe(first.startedAtUnixMs);
    expect(child.exitCode).toBe(null);
    writeFileSync(go, '');
    expect((await ended).code).toBe(0);
    expect(hub.ended).toMatchObject([{ taskId: 'long', outcome: 'finished', startedAtUnixMs: first.startedAtUnixMs }]);
  });

  test('within it, progress needs no id', async () => {
    const inner = `${JSON.stringify(process.execPath)} ${JSON.stringify(BIN)} task progress 50%; cat fifo`;
    spawn('mkfifo', ['fifo'], { cwd: hub.folder });
    const { child } = task(['run', '--id', 'outer', '--', 'sh', '-c', inner]);
    await eventually(() => running().get('outer')?.progress === 0.5);
    child.kill();
    await eventually(() => hub.ended.length > 0);
    // It still belonged to the wrapper.
    expect(hub.ended).toMatchObject([{ taskId: 'outer', outcome: 'killed' }]);
  });
});

describe('start, progress and finish', () => {
  test('are processes of their own, and the task lives on between them', async () => {
    const started = await run('start', '--name', 'backup', '--cpu', '1', '--progress', '0.25');
    const id = started.stdout.trim();
    expect(started).toMatchObject({ code: 0, stderr: '' });
    expect(id).toMatch(/^backup-[0-9a-f]{8}$/);
    expect(running().get(id)).toMatchObject({ cpuAllocated: 1, progress: 0.25, status: 'running' });
    expect(await run('progress', '--id', id, '75%', '--status', 'paused')).toMatchObject({ code: 0, stderr: '' });
    expect(running().get(id)).toMatchObject({ progress: 0.75, status: 'paused', cpuAllocated: 1 });
    expect(await run('finish', '--id', id, '--exit-code', '2')).toMatchObject({ code: 0, stderr: '' });
    expect(hub.ended).toMatchObject([{ taskId: id, outcome: 'failed', exitCode: 2 }]);
    expect(await run('finish', '--id', id)).toMatchObject({
      code: 0,
      stderr: 'pulselane: the agent did not know this task, and has recorded its end without a start\n',
    });
  });

  test('a task with a process ends when that is killed', async () => {
    const script = spawn('sleep', ['60']);
    children.push(script);
    const clock = new FakeClock();
    await hub.close();
    hub = await testHub({}, clock);
    await run('start', '--id', 'watched', '--pid', String(script.pid));
    clock.advance(1_000);
    expect(running().has('watched')).toBe(true);
    script.kill('SIGKILL');
    await eventually(() => {
      clock.advance(1_000);
      return hub.ended.length > 0;
    });
    expect(hub.ended).toMatchObject([{ taskId: 'watched', outcome: 'vanished' }]);
  });

  test('without an agent they say so in one line, and fail only with --require-agent', async () => {
    const away = { PULSELANE_SOCKET: join(hub.folder, 'none.sock') };
    const started = await task(['start', '--name', 'x'], away).ended;
    expect(started).toMatchObject({ code: 0, stdout: expect.stringMatching(/^x-[0-9a-f]{8}\n$/) });
    expect(started.stderr).toMatch(/^pulselane: the task is not reported: no agent listens at .*\n$/);
    expect(await task(['finish', '--id', 'x', '--require-agent'], away).ended).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^pulselane: no agent listens at .*\n$/),
    });
  });

  test.each<[string[], string]>([
    [['run'], "missing required argument 'command'"],
    [['progress', '50%'], 'no task is named: expected --id, or to run within "pulselane task run"'],
    [['progress', '--id', 'x'], 'nothing is said of the task: expected its progress, such as 50%, or --status'],
    [['progress', '--id', 'x', '1.5'], 'progress "1.5": expected 0 to 1, or 0% to 100%'],
    [['progress', '--id', 'x', '--status', 'failed'], '--status failed: use "pulselane task finish --outcome failed"'],
    [['finish', '--id', 'x', '--outcome', 'ok'], '--outcome ok: expected one of finished, failed, killed, vanished'],
    [['finish', '--id', 'x', '--exit-code', ''], '--exit-code "": expected a number'],
    [['start', '--keep', '1ms'], '--keep "1ms": expected a duration from 1s to 8d'],
    [['run', '--cpu', 'two', '--', 'true'], '--cpu "two": expected a number'],
    [['strat'], "unknown command 'strat'"],
  ])('%j is a mistake', async (args, message) => {
    const { exitCode, stdout, stderr } = await runHere(['task', ...args]);
    expect([exitCode, stdout]).toEqual([2, '']);
    expect(stderr).toContain(message);
  });
});

function readIf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
