/** A master and an agent under a service manager that waits to be told how they do. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { describeWith } from '../support/debian.ts';
import { eventually } from '../support/eventually.ts';
import { NotifySocket } from '../support/notify-socket.ts';
import { PulselaneProcess, portOf } from '../support/processes.ts';

const MASTER = { GRPC_PORT: '127.0.0.1:0', HTTP_PORT: '127.0.0.1:0' };

const running: { close(): Promise<void> }[] = [];
const opened = <T extends { close(): Promise<void> }>(item: T): T => {
  running.push(item);
  return item;
};
afterEach(async () => {
  for (const item of running.splice(0).reverse()) await item.close();
});

describeWith('systemd', 'python3')('what systemd is told', () => {
  let socket: NotifySocket;
  beforeEach(async () => {
    socket = opened(await NotifySocket.open());
  });

  test('a master: it listens, lives, reads files again, stops', async () => {
    const environment = { ...MASTER, NOTIFY_SOCKET: socket.name, WATCHDOG_USEC: '2000000' };
    const master = opened(new PulselaneProcess(['master', '--with-agent'], environment));
    const ready = await socket.got('READY=1');
    const [grpc, http] = [await portOf(master, 'grpc'), await portOf(master, 'http')];
    expect(ready[1]).toBe(`STATUS=listening: gRPC on 127.0.0.1:${grpc}, HTTP on 127.0.0.1:${http}`);
    await eventually(() => socket.received.filter(([first]) => first === 'WATCHDOG=1').length >= 2);
    await socket.got('STATUS=1 of 1 workers active');
    master.process.kill('SIGHUP');
    const reloading = await socket.got('RELOADING=1');
    expect(reloading[1]).toMatch(/^MONOTONIC_USEC=\d+$/);
    const reloadedAt = socket.received.findIndex(([first]) => first === 'RELOADING=1');
    await eventually(() => socket.received.slice(reloadedAt).some(([first]) => first === 'READY=1'));
    master.process.kill('SIGTERM');
    await socket.got('STOPPING=1');
    expect(await master.ended()).toBe(0);
    expect(socket.received.at(-1)).toEqual(['STOPPING=1']);
    expect(master.log.filter(({ level }) => level === 'error')).toEqual([]);
  });

  test('a master by an abstract socket', async () => {
    const abstract = opened(await NotifySocket.open({ isAbstract: true }));
    const environment = { ...MASTER, HTTP_PORT: 'off', NOTIFY_SOCKET: abstract.name };
    opened(new PulselaneProcess(['master'], environment));
    await abstract.got('READY=1');
  });

  test('an agent: it has begun, lives, stops', async () => {
    const environment = { NOTIFY_SOCKET: socket.name, WATCHDOG_USEC: '2000000' };
    const agent = opened(new PulselaneProcess(['agent', '--master', '127.0.0.1:1', '--id', 'a'], environment));
    expect(await socket.got('READY=1')).toContain('STATUS=reporting a');
    await eventually(() => socket.received.filter(([first]) => first === 'WATCHDOG=1').length >= 2);
    agent.process.kill('SIGTERM');
    await socket.got('STOPPING=1');
    expect(await agent.ended()).toBe(0);
  });
});

test('where systemd-notify is not to be had, the master says so once and goes on', async () => {
  const environment = { ...MASTER, HTTP_PORT: 'off', NOTIFY_SOCKET: '/nonexistent/notify', PATH: '/nonexistent' };
  const master = opened(new PulselaneProcess(['master'], environment));
  await master.logged(({ msg }) => msg.includes('systemd-notify'));
  master.process.kill('SIGHUP');
  master.process.kill('SIGTERM');
  expect(await master.ended()).toBe(0);
  expect(master.log.filter(({ msg }) => msg.includes('systemd-notify'))).toHaveLength(1);
});
