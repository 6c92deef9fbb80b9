/** Agents as processes, and as a thread of a program, with what programs of the machine report to them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Agent } from '../../../src/agent/agent.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeMaster } from '../../support/fake-master.ts';
import { SocketClient, sayTo } from '../../support/hub-client.ts';
import { PulselaneProcess } from '../../support/processes.ts';

let master: FakeMaster;
let folder: string;
const processes: PulselaneProcess[] = [];

beforeEach(async () => {
  master = await FakeMaster.start();
  master.nextIntervalMs = 100;
  folder = mkdtempSync(join(tmpdir(), 'pulselane-hub-'));
});
afterEach(async () => {
  for (const process of processes.splice(0)) await process.close();
  master.close();
  rmSync(folder, { recursive: true, force: true });
});

function pulselane(args: readonly string[], environment: Record<string, string> = {}): PulselaneProcess {
  const started = new PulselaneProcess(args, { XDG_RUNTIME_DIR: folder, PULSELANE_SOCKET: '', ...environment });
  processes.push(started);
  return started;
}

const agent = (...args: string[]) => pulselane(['agent', '--master', master.address, '--id', 'w', ...args]);
const last = () => master.heartbeats.at(-1);
const told = () => master.heartbeats.flatMap(({ endedTasks }) => endedTasks);

test('a command, metrics and a crash are in its heartbeats; a killed agent and the next one change nothing for the command', async () => {
  const socket = join(folder, 'pulselane-agent.sock');
  const first = agent();
  await first.logged(({ msg }) => msg === `programs of this machine report to ${socket}`);
  const command = pulselane([
    'task',
    'run',
    '--id',
    'long',
    '--cpu',
    '3',
    '--',
    'sh',
    '-c',
    'while [ ! -e end ]; do sleep 0.02; done',
  ]);
  const client = await SocketClient.connect(socket);
  client.say({ task: { task_id: 'crashed', progress: 0.5 } }, { metrics: { queue_depth: 3 } });
  await eventually(() => last()?.runningTasks.length === 2);
  const running = last()?.runningTasks.find(({ taskId }) => taskId === 'long');
  expect(running).toMatchObject({ cpuAllocated: 3, status: 'running' });
  expect(last()?.metrics).toEqual({ queue_depth: 3 });
  client.socket.destroy();
  const crashed = await eventually(() => told().find(({ taskId }) => taskId === 'crashed'));
  // VANISHED
  expect(crashed.outcome).toBe(4);

  await first.close();
  const second = agent();
  await second.logged(({ msg }) => msg === `programs of this machine report to ${socket}`);
  master.heartbeats.length = 0;
  const again = await eventually(() => last()?.runningTasks.find(({ taskId }) => taskId === 'long'));
  expect(again.startedAtUnixMs).toBe(running?.startedAtUnixMs);
  expect(command.process.exitCode).toBe(null);
  await pulselane(['task', 'progress', '--id', 'long', '90%']).ended();
  await eventually(() => last()?.runningTasks[0]?.progress === 0.9);
  writeFileSync(join(command.folder, 'end'), '');
  expect(await command.ended()).toBe(0);
  const ended = await eventually(() => told().find(({ taskId }) => taskId === 'long'));
  expect(ended).toMatchObject({ outcome: 1, exitCode: 0, startedAtUnixMs: running?.startedAtUnixMs });
});

test('of two agents the second one leaves the socket to the first; one that must have it ends', async () => {
  const socket = join(folder, 'pulselane-agent.sock');
  const first = agent();
  await first.logged(({ msg }) => msg.startsWith('programs of this machine report to'));
  const second = agent();
  await second.logged(
    ({ msg, level }) =>
      level === 'warn' &&
      msg === `programs of this machine cannot report to this agent: ${socket}: another agent listens there`,
  );
  const third = agent('--socket', socket);
  expect(await third.ended()).toBe(1);
  expect(third.stderr).toBe(`pulselane: --socket ${socket}: another agent listens there\n`);
});

test('a program that embeds the agent opens the hub; what it says itself comes first', async () => {
  const socket = join(folder, 'own.sock');
  const own = new Agent({ workerId: 'w', master: master.address, intervalMs: 100, hub: { socket } });
  await own.start();
  own.setMetric('shared', 1);
  own.addTask({ taskId: 'shared', status: 'running' });
  await sayTo(
    socket,
    { metrics: { shared: 2, other: 3 } },
    { task: { task_id: 'shared', status: 'paused', keep: true } },
    { task: { task_id: 'done', status: 'finished' } },
  );
  own.endTask('shared');
  await eventually(() => last()?.runningTasks[0]?.status === 'paused' && last()?.metrics.other === 3);
  expect(last()?.metrics).toEqual({ shared: 1, other: 3 });
  await eventually(
    () => told().some(({ taskId }) => taskId === 'done') && told().some(({ taskId }) => taskId === 'shared'),
  );
  // Each was told, and none is told for ever.
  await eventually(() => last()?.endedTasks.length === 0);
  await own.stop();
  expect(() => new Agent({ workerId: 'w', master: 'a:1', hub: { socket: 'x', port: 1 } as object })).toThrow(
    'hub: unknown option "port"',
  );
  expect(() => new Agent({ workerId: 'w', master: 'a:1', hub: { local: 'nowhere' } })).toThrow(
    'hub.local is "nowhere"; expected a port such as 9464',
  );
});
