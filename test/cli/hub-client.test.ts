/** What `pulselane task` makes of an agent that is busy, and of what is no agent. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AgentUnreachable, connectToHub } from '../../src/cli/task/hub-client.ts';
import { TaskReporter } from '../../src/cli/task/task-reporter.ts';
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
  sockets[0]?.write(
    '220 welcome\nnull\n[]\n{"id":"x"}\n{"id":9,"ok":true}\n{"id":2,"error":"no","reason":"wrong_member","li',
  );
  sockets[0]?.write('ne":2}\n{"id":1,"ok":true,"unknown_task":true}\n');
  expect(await first).toEqual({ error: undefined, reason: undefined, wasUnknown: true });
  expect(await second).toEqual({ error: 'no', reason: 'wrong_member', wasUnknown: false });
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

function reporter(clock: FakeClock) {
  const told: string[] = [];
  const task = { task_id: 'a', started_at_unix_ms: 1 };
  const socket = { paths: [path], isGiven: true };
  return { told, task: new TaskReporter({ socket, clock, task, onTrouble: (message) => told.push(message) }) };
}

/** The lines that came on a connection, once there are `count`. */
async function linesOf(connection: number, count: number, clock?: FakeClock) {
  const lines: { id: number; task: Record<string, unknown> }[] = [];
  await eventually(() => {
    clock?.advance(50);
    return sockets[connection];
  });
  let text = '';
  sockets[connection]?.on('data', (chunk) => {
    text += chunk;
  });
  await eventually(() => text.split('\n').length > count);
  for (const line of text.trim().split('\n')) lines.push(JSON.parse(line));
  return lines;
}

const say = (connection: number, answer: object) => sockets[connection]?.write(`${JSON.stringify(answer)}\n`);

test('a running task is told once that nobody answers, and its end is not waited for longer than 2 s', async () => {
  const clock = new FakeClock();
  const { told, task } = reporter(clock);
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
  // An agent that was stopped finds both when it goes on.
  expect((await linesOf(0, 2)).map(({ task: { status } }) => status)).toEqual([undefined, 'finished']);
});

test('an agent that answers late has the task, on the connection on which it was begun', async () => {
  const clock = new FakeClock();
  const { told, task } = reporter(clock);
  const begun = task.begin();
  const [begin] = await linesOf(0, 1);
  clock.advance(2_000);
  expect(await begun).toBe(false);
  expect(told).toEqual([expect.stringContaining('does not answer')]);
  clock.advance(60_000);
  say(0, { id: begin?.id, ok: true });
  const finished = task.finish({ status: 'finished' });
  const [end] = await linesOf(0, 1);
  expect(end?.task).toMatchObject({ task_id: 'a', status: 'finished' });
  say(0, { id: end?.id, ok: true });
  await finished;
  expect(sockets).toHaveLength(1);
  expect(told).toHaveLength(1);
});

test('an agent without room is asked again, and has the task when there is room', async () => {
  const clock = new FakeClock();
  const { told, task } = reporter(clock);
  const begun = task.begin();
  await linesOf(0, 1);
  say(0, { error: 'there are 256 connections, which is the limit', reason: 'too_many_connections' });
  expect(await begun).toBe(false);
  expect(told).toEqual(['the agent does not take this task now: there are 256 connections, which is the limit']);
  const [begin] = await linesOf(1, 1, clock);
  expect(begin?.task).toMatchObject({ task_id: 'a', new: true });
  say(1, { id: begin?.id, ok: true });
  const finished = task.finish({ status: 'finished' });
  const [end] = await linesOf(1, 1);
  say(1, { id: end?.id, ok: true });
  await finished;
  expect(told).toHaveLength(1);
});

test.each(['task_exists', 'wrong_member'])('after %s it is never asked again, and no end is told', async (reason) => {
  const clock = new FakeClock();
  const { told, task } = reporter(clock);
  const begun = task.begin();
  const [begin] = await linesOf(0, 1);
  say(0, { id: begin?.id, error: 'no', reason });
  expect(await begun).toBe(false);
  clock.advance(60_000);
  await task.finish({ status: 'finished' });
  expect(sockets).toHaveLength(1);
  expect(told).toEqual(['the agent does not take this task: no']);
});

test('the end is told again and again while an agent restarts; if it is gone for longer, the lost end is told', async () => {
  for (const comesBack of [true, false]) {
    sockets.length = 0;
    const clock = new FakeClock();
    const { told, task } = reporter(clock);
    const begun = task.begin();
    const [begin] = await linesOf(0, 1);
    say(0, { id: begin?.id, ok: true });
    expect(await begun).toBe(true);
    server.close();
    sockets[0]?.destroy();
    await once(server, 'close');
    let isOver = false;
    const finished = task.finish({ status: 'finished' }).then(() => {
      isOver = true;
    });
    if (comesBack) {
      clock.advance(500);
      await once(server.listen(path), 'listening');
      const [end] = await linesOf(1, 1, clock);
      expect(end?.task).toEqual({ task_id: 'a', started_at_unix_ms: 1, status: 'finished' });
      say(1, { id: end?.id, ok: true });
    } else {
      await eventually(() => {
        clock.advance(50);
        return isOver;
      });
    }
    await finished;
    expect(told.slice(comesBack ? 0 : -1)).toEqual(
      comesBack ? [] : [expect.stringMatching(/^the agent was not told how the task ended: /)],
    );
  }
});
