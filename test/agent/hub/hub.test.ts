/** The hub on real sockets: its file, what it answers, and what it does to those who ask too much. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { HUB_LIMITS } from '../../../src/agent/hub/limits.ts';
import { eventually } from '../../support/eventually.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { freePort } from '../../support/free-port.ts';
import { SocketClient, sayTo, type TestHub, testHub } from '../../support/hub-client.ts';

const hubs: TestHub[] = [];
afterEach(async () => {
  for (const hub of hubs.splice(0)) await hub.close();
});

async function open(...options: Parameters<typeof testHub>): Promise<TestHub> {
  const hub = await testHub(...options);
  hubs.push(hub);
  return hub;
}

describe('its socket', () => {
  test('is for its owner and group, and gone when it ends', async () => {
    const hub = await open();
    expect(statSync(hub.socket).mode & 0o7777).toBe(0o660);
    expect(hub.reports).toEqual([`info: programs of this machine report to ${hub.socket}`]);
    await hub.hub.stop();
    expect(existsSync(hub.socket)).toBe(false);
  });

  test('takes the place of one whose process was killed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pulselane-hub-'));
    const path = join(folder, 'agent.sock');
    const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('listening'))`;
    const dead = spawn(process.execPath, ['-e', script]);
    await once(dead.stdout, 'data');
    dead.kill('SIGKILL');
    await once(dead, 'exit');
    expect(existsSync(path)).toBe(true);
    const hub = await open({}, undefined, folder);
    expect(await sayTo(hub.socket, { metrics: { a: 1 } })).toEqual([{ accepted: 1, refused: 0 }]);
  });

  test('leaves a living agent in its place: an error for who named the path, a warning otherwise', async () => {
    const first = await open();
    await expect(testHub({}, undefined, first.folder)).rejects.toThrow(
      `PULSELANE_SOCKET=${first.socket}: another agent listens there`,
    );
    const second = await testHub({ mustHaveSocket: false }, undefined, first.folder);
    expect(second.reports).toEqual([
      `warn: programs of this machine cannot report to this agent: ${first.socket}: another agent listens there`,
    ]);
    await second.hub.stop();
    expect(await sayTo(first.socket, { metrics: { a: 1 } })).toEqual([{ accepted: 1, refused: 0 }]);
  });

  test('takes the place of no other file, and says what is wrong with a path', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pulselane-hub-'));
    const path = join(folder, 'agent.sock');
    writeFileSync(path, 'precious');
    const at = (socket: string) => testHub({ sockets: [socket] }, undefined, folder);
    await expect(at(path)).rejects.toThrow(`${path}: a file that is no socket is there; expected none`);
    await expect(at(join(folder, 'none/agent.sock'))).rejects.toThrow('its directory does not exist');
    await expect(at(`/tmp/${'x'.repeat(100)}`)).rejects.toThrow('the path has 105 bytes; at most 97 are allowed');
    expect(statSync(path).size).toBe(8);
    rmSync(folder, { recursive: true });
  });

  test('is looked for in the first place that has a directory', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'pulselane-hub-'));
    const sockets = [join(folder, 'none/agent.sock'), join(folder, 'agent.sock')];
    const hub = await open({ sockets, mustHaveSocket: false }, undefined, folder);
    expect(hub.reports).toEqual([`info: programs of this machine report to ${sockets[1]}`]);
    const nowhere = await testHub({ sockets: sockets.slice(0, 1), mustHaveSocket: false });
    expect(nowhere.reports).toEqual([
      `info: there is no socket for programs of this machine: ${sockets[0]}: its directory does not exist; PULSELANE_SOCKET names another path`,
    ]);
    await nowhere.close();
  });

  test('comes back if it is removed, and is left to another agent that takes it', async () => {
    const clock = new FakeClock();
    const hub = await open({}, clock);
    rmSync(hub.socket);
    await eventually(() => {
      clock.advance(1_000);
      return hub.reports.includes(`warn: ${hub.socket} was removed; created it again`);
    });
    await sayTo(hub.socket, { metrics: { a: 1 } });
    rmSync(hub.socket);
    const other = createServer().listen(hub.socket);
    await once(other, 'listening');
    await eventually(() => {
      clock.advance(1_000);
      return hub.reports.some((line) => line.includes('another agent, which has taken'));
    });
    await hub.hub.stop();
    expect(existsSync(hub.socket)).toBe(true);
    other.close();
  });
});

test('a port that is taken is an error that names its setting', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as { port: number };
  await expect(testHub({ sockets: [], local: { host: '127.0.0.1', port } })).rejects.toThrow(
    `AGENT_LOCAL=127.0.0.1:${port}: the port is in use`,
  );
  taken.close();
});

test('a socket whose directory is away comes back with it, and so do its tasks', async () => {
  const clock = new FakeClock();
  const folder = mkdtempSync(join(tmpdir(), 'pulselane-hub-'));
  const [place, away] = [join(folder, 'run'), join(folder, 'away')];
  mkdirSync(place);
  const { hub, socket, reports } = await open({}, clock, folder, join(place, 'a.sock'));
  await sayTo(socket, { task: { task_id: 'kept', keep: true } });
  renameSync(place, away);
  const lost = `warn: ${socket} was removed and cannot be created again yet: its directory does not exist`;
  await eventually(() => {
    clock.advance(1_000);
    return reports.includes(lost);
  });
  for (let looks = 0; looks < 3; looks++) {
    clock.advance(1_000);
    await new Promise((resolve) => setImmediate(resolve));
  }
  mkdirSync(place);
  await eventually(() => {
    clock.advance(1_000);
    return reports.includes(`warn: ${socket} was removed; created it again`) && existsSync(`${socket}.tasks`);
  });
  expect(reports.filter((line) => line === lost)).toHaveLength(1);
  expect(await sayTo(socket, { metrics: { a: 1 } })).toEqual([{ accepted: 1, refused: 0 }]);
  expect([...hub.state.tasks.tasks.keys()]).toEqual(['kept']);
});

test('of two agents at one path only the one whose socket is there reports the kept tasks', async () => {
  const clock = new FakeClock();
  const before = await open({}, clock);
  await sayTo(before.socket, { task: { task_id: 'kept', keep: true } });
  await before.hub.stop();
  const first = await before.again();
  const client = await SocketClient.connect(first.socket);
  client.say({ id: 1, task: { task_id: 'own' } });
  await eventually(() => client.answers.length > 0);
  // As when both start in the same moment: both find the path free.
  rmSync(first.socket);
  const second = await first.again();
  expect([...second.hub.state.tasks.tasks.keys()]).toEqual(['kept']);
  await eventually(() => {
    clock.advance(1_000);
    return first.hub.state.tasks.tasks.size === 1;
  });
  expect([...first.hub.state.tasks.tasks.keys()]).toEqual(['own']);
  expect(first.ended).toEqual([]);
  await first.hub.stop();
  await second.hub.stop();
  expect(readFileSync(`${first.socket}.tasks`, 'utf8')).toContain('"kept"');
});

describe('lines', () => {
  test('are answered if they are wrong, by their number, or if they have an id; the end by a summary', async () => {
    const { socket, hub } = await open();
    const answers = await sayTo(
      socket,
      '{"metrics":{"a":1}}\n\r\n  \n{"metrics":{"a":"x"}}\n',
      { id: 'r', task: { task_id: 't', keep: true } },
      { id: 7, task: { task_id: 't', progress: 3 } },
      Buffer.from([0x7b, 0xff, 0x7d, 0x0a]),
      '{"metrics":{"b":2}}',
    );
    expect(answers).toEqual([
      { error: 'metrics["a"] is "x"; expected a finite number, or null to remove it', reason: 'wrong_member', line: 4 },
      { id: 'r', ok: true },
      { id: 7, error: 'task.progress is 3; expected a number from 0 to 1', reason: 'wrong_member', line: 6 },
      { error: 'the line is not valid UTF-8', reason: 'not_utf8', line: 7 },
      { accepted: 3, refused: 3 },
    ]);
    expect([...hub.state.metrics.values]).toEqual([
      ['a', 1],
      ['b', 2],
    ]);
  });

  test('that are too long are refused, however they come, and the next one is taken', async () => {
    const { socket } = await open();
    const long = `{"metrics":{"${'x'.repeat(HUB_LIMITS.lineBytes)}":1}}`;
    expect(await sayTo(socket, long.slice(0, 50_000), `${long.slice(50_000)}\n`, { metrics: { a: 1 } })).toEqual([
      {
        error: `the line has ${long.length} bytes; expected at most 65536, without the line feed`,
        reason: 'line_too_long',
        line: 1,
      },
      { accepted: 1, refused: 1 },
    ]);
  });

  test('of a program that ends without a goodbye leave tasks that have vanished', async () => {
    const { socket, ended, hub } = await open();
    const script = `
      const socket = require('node:net').connect(${JSON.stringify(socket)}, () => {
        socket.write('{"task":{"task_id":"left"}}\\n{"task":{"task_id":"kept","keep":true}}\\n{"metrics":{"m":1}}\\n');
      });`;
    const program = spawn(process.execPath, ['-e', script]);
    await eventually(() => hub.state.metrics.values.size === 1);
    expect(ended).toEqual([]);
    program.kill('SIGKILL');
    await eventually(() => ended.length > 0);
    expect(ended.map(({ taskId, outcome }) => [taskId, outcome])).toEqual([['left', 'vanished']]);
    expect([...hub.state.tasks.tasks.keys()]).toEqual(['kept']);
    expect(hub.state.metrics.values.get('m')).toBe(1);
  });

  test('are told when their end leaves tasks behind', async () => {
    const { socket } = await open();
    expect(await sayTo(socket, { task: { task_id: 'a' } })).toEqual([{ accepted: 1, refused: 0, vanished: 1 }]);
  });

  test('that come too fast are read later, and cost others nothing', async () => {
    const clock = new FakeClock();
    const { socket, hub } = await open({}, clock);
    const greedy = await SocketClient.connect(socket);
    const most = HUB_LIMITS.connectionLinesAtOnce;
    greedy.say(`${JSON.stringify({ metrics: { a: 1 } })}\n`.repeat(2 * most));
    await eventually(() => hub.state.counts.refused.get('slowed_down'));
    expect(hub.state.counts.lines).toBe(most);
    expect(await sayTo(socket, { metrics: { b: 1 } })).toEqual([{ accepted: 1, refused: 0 }]);
    const answers = greedy.end();
    await eventually(() => {
      clock.advance(50);
      return hub.state.counts.lines === 2 * most + 1;
    });
    expect(await answers).toEqual([{ accepted: 2 * most, refused: 0 }]);
  });

  test('that are blank, and one that does not end, are read no faster', async () => {
    const clock = new FakeClock();
    const { socket, hub } = await open({}, clock);
    const greedy = await SocketClient.connect(socket);
    const slowed = () => hub.state.counts.refused.get('slowed_down') ?? 0;
    greedy.say('\n'.repeat(HUB_LIMITS.connectionLinesAtOnce + 1));
    await eventually(() => slowed() === 1);
    // What is left after this is not enough for 64 KiB.
    clock.advance(50);
    greedy.say('\n'.repeat(24));
    greedy.say('x'.repeat(2 * HUB_LIMITS.lineBytes));
    await eventually(() => slowed() === 2);
    greedy.say('\n', { metrics: { a: 1 } });
    await eventually(() => {
      clock.advance(50);
      return hub.state.metrics.values.has('a');
    });
    greedy.socket.destroy();
  });

  test('of which nobody reads the answers cost no memory', async () => {
    const clock = new FakeClock();
    const { socket, hub } = await open({}, clock);
    const deaf = await SocketClient.connect(socket);
    deaf.socket.pause();
    deaf.say('{"nothing":1}\n'.repeat(6_000));
    await eventually(() => {
      clock.advance(1_000);
      return hub.state.counts.refused.get('answer_not_read');
    });
    deaf.socket.destroy();
  });

  test('of more connections than there may be are refused, and those that are there go on', async () => {
    const { socket, hub } = await open();
    const clients: SocketClient[] = [];
    for (let n = 0; n < HUB_LIMITS.connections; n++) clients.push(await SocketClient.connect(socket));
    const oneMore = await SocketClient.connect(socket);
    await eventually(() => oneMore.socket.closed);
    expect(oneMore.answers).toEqual([
      { error: 'there are 256 connections, which is the limit', reason: 'too_many_connections' },
    ]);
    const [first] = clients as [SocketClient];
    first.say({ metrics: { a: 1 } });
    expect(await first.end()).toEqual([{ accepted: 1, refused: 0 }]);
    expect(hub.state.counts.refused.get('too_many_connections')).toBe(1);
    for (const client of clients) client.socket.destroy();
  });

  test('of the port have a limit of their own, and keep none of the socket away', async () => {
    const port = await freePort();
    const { socket, hub } = await open({ local: { host: '127.0.0.1', port } });
    const clients: SocketClient[] = [];
    const most = HUB_LIMITS.portConnections;
    for (let n = 0; n <= most; n++) clients.push(await SocketClient.connect({ host: '127.0.0.1', port }));
    await eventually(() => clients.at(-1)?.socket.closed);
    expect(clients.at(-1)?.answers).toEqual([
      { error: `there are ${most} connections on this port, which is the limit`, reason: 'too_many_connections' },
    ]);
    expect(await sayTo(socket, { metrics: { a: 1 } })).toEqual([{ accepted: 1, refused: 0 }]);
    clients[0]?.socket.destroy();
    await eventually(async () => {
      const client = await SocketClient.connect({ host: '127.0.0.1', port });
      client.say({ id: 1, metrics: { b: 1 } });
      await client.end();
      return hub.state.metrics.values.has('b');
    });
    for (const client of clients) client.socket.destroy();
  });

  test('that are no protocol, and silence, are told what is expected', async () => {
    const clock = new FakeClock();
    const { socket, hub } = await open({}, clock);
    expect(await sayTo(socket, Buffer.from([0x16, 0x03, 0x01]))).toEqual([
      {
        error: expect.stringContaining('this is neither JSON nor HTTP; expected lines such as'),
        reason: 'not_a_protocol',
      },
    ]);
    expect(await sayTo(socket)).toEqual([]);
    const silent = await SocketClient.connect(socket);
    await eventually(() => {
      clock.advance(1_000);
      return silent.socket.closed;
    });
    expect(silent.answers).toEqual([
      { error: 'nothing was said for 30 s; expected JSON lines, or HTTP', reason: 'silent' },
    ]);
    expect(Object.fromEntries(hub.state.counts.refused)).toEqual({ not_a_protocol: 1, silent: 1 });
  });
});

test('what runs when the agent stops has not vanished', async () => {
  const { socket, hub, ended } = await open();
  const client = await SocketClient.connect(socket);
  client.say({ id: 1, task: { task_id: 'a' } });
  await eventually(() => client.answers.length > 0);
  await hub.stop();
  await eventually(() => client.socket.closed);
  expect(ended).toEqual([]);
});

test('tasks that were started outlive a restart, also of an agent that is killed, and of a file that is damaged', async () => {
  const clock = new FakeClock();
  const first = await open({}, clock);
  await sayTo(first.socket, { task: { task_id: 'kept', keep: true, progress: 0.5 } });
  // As after a kill: it is written while the hub runs.
  const path = `${first.socket}.tasks`;
  await eventually(() => {
    clock.advance(1_000);
    return existsSync(path);
  });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  appendFileSync(path, 'damaged\n');
  const text = readFileSync(path, 'utf8');
  await first.hub.stop();
  writeFileSync(path, text);
  const second = await first.again();
  expect(second.reports[0]).toBe(`warn: ${path}: 1 of 2 tasks cannot be read and are left out`);
  expect(second.hub.state.tasks.tasks.get('kept')).toEqual(first.hub.state.tasks.tasks.get('kept'));
  await sayTo(second.socket, { task: { task_id: 'kept', status: 'finished' } });
  second.ended.length = 0;
  await second.hub.stop();
  expect(existsSync(path)).toBe(false);
});

test('an end that no master knows outlives an agent that is killed in the same moment', async () => {
  const clock = new FakeClock();
  const first = await open({}, clock);
  const path = `${first.socket}.tasks`;
  await sayTo(first.socket, { task: { task_id: 'a', keep: true, started_at_unix_ms: 5 } });
  await sayTo(first.socket, { task: { task_id: 'a', status: 'failed', exit_code: 3, cpu_seconds: 1.5 } });
  // No time has passed.
  const text = await eventually(() => existsSync(path) && readFileSync(path, 'utf8'));
  const ended = [...first.ended];
  await sayTo(first.socket, { task: { task_id: 'b', status: 'finished' } });
  await eventually(() => {
    clock.advance(50);
    return readFileSync(path, 'utf8').includes('"b"');
  });
  expect(clock.monotonicMs()).toBeLessThan(1_000);
  await first.hub.stop();
  writeFileSync(path, text);
  const second = await first.again();
  expect(second.ended).toEqual(ended);
  expect(second.hub.state.tasks.tasks.size).toBe(0);
  second.ended.length = 0;
  await second.hub.stop();
  expect(existsSync(path)).toBe(false);
});
