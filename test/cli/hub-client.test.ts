/** What `pulselane task` makes of an agent that is busy, and of what is no agent. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AgentUnreachable, connectToHub } from '../../src/cli/task/hub-client.ts';
import { RunningTask } from '../../src/cli/task/running-task.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { eventually } from '../support/eventually.ts';
import { FakeClock } from '../support/fake-clock.ts';

let folder: string;
let path: string;
let server: Server;
let sockets: Socket[];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'pulselane-hub-'));
  path = join(folder, 'agent.sock');
  sockets = [];
  server = createServer((socket) => sockets.push(socket.on('error', () => {}))).listen(path);
  await once(server, 'listening');
});
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

const connect = (clock = systemClock) => connectToHub({ paths: [path], isGiven: true }, clock, 1_000);

test('what it says without being asked is left out, and answers come to their lines', async () => {
  const client = await connect();
  const [first, second] = [client.send({ n: 1 }), client.send({ n: 2 })];
  await eventually(() => sockets[0]?.bytesRead);
  sockets[0]?.write('220 welcome\nnull\n[]\n{"id":"x"}\n{"id":9,"ok":true}\n{"id":2,"error":"no","li');
  sockets[0]?.write('ne":2}\n{"id":1,"ok":true,"unknown_task":true}\n');
  expect(await first).toEqual({ error: undefined, wasUnknown: true });
  expect(await second).toEqual({ error: 'no', wasUnknown: false });
  client.close();
});

test('an error before any answer is the answer to all', async () => {
  const client = await connect();
  const [first, second] = [client.send({}), client.send({})];
  sockets[0]?.write('{"error":"there are 256 connections, which is the limit"}\n');
  for (const answer of [await first, await second]) expect(answer.error).toContain('256 connections');
  client.close();
});

test('silence, an end and endless text are an agent that cannot be reached', async () => {
  const clock = new FakeClock();
  const silent = await connect(clock);
  const answer = silent.send({});
  answer.catch(() => {});
  clock.advance(2_000);
  await expect(answer).rejects.toThrow(AgentUnreachable);
  silent.close();
  const ended = await connect();
  const unanswered = ended.send({});
  unanswered.catch(() => {});
  sockets[1]?.destroy();
  await expect(unanswered).rejects.toThrow('does not answer');
  const endless = await connect();
  sockets[2]?.write('x'.repeat(100_000));
  await endless.closed;
});

test('a running task is told once that nobody answers, and its end is not waited for longer than 2 s', async () => {
  const clock = new FakeClock();
  const told: string[] = [];
  const task = new RunningTask({
    socket: { paths: [path], isGiven: true },
    clock,
    task: { task_id: 'a', started_at_unix_ms: 1 },
    onTrouble: (message) => told.push(message),
  });
  const begun = task.beginAtOnce();
  await eventually(() => sockets[0]?.bytesRead);
  clock.advance(250);
  await begun;
  const finished = task.finish({ status: 'finished' });
  let isOver = false;
  void finished.then(() => {
    isOver = true;
  });
  await eventually(() => {
    clock.advance(100);
    return isOver;
  });
  expect(told).toEqual([expect.stringMatching(/^(the agent at .* does not answer|the agent was not told)/)]);
  expect(clock.monotonicMs()).toBeGreaterThanOrEqual(2_000);
});
