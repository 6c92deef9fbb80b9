/** A whole master whose receiver, or whose export thread, fails: what is told, what is counted, and that nothing else changes. */
import { afterEach, expect, test } from 'vitest';
import type { ReceiverStatus } from '../../../src/model/export-status.ts';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';
import { ExportingMaster } from './exporting-master.ts';
import { STALE_BITS, textOf } from './remote-write-messages.ts';
import { type AnswerWith, says, TAKES_V2, WriteReceiver } from './write-receiver.ts';

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

async function receiver(answer?: AnswerWith): Promise<WriteReceiver> {
  const started = await WriteReceiver.start(answer);
  open.push(started);
  return started;
}

async function startExport(url: string, settings: Record<string, string> = {}): Promise<ExportingMaster> {
  const started = await ExportingMaster.start({ REMOTE_WRITE_URL: url, ...settings });
  open.push(started);
  return started;
}

const statusOf = ({ master }: ExportingMaster): ReceiverStatus => master.exports?.receivers[0] as ReceiverStatus;

test('a thread that dies is restarted, goes on, and what waited in it is counted', async () => {
  const to = await receiver(says(503));
  const running = await startExport(to.url);
  running.master.manager.registerWorker('a');
  const waiting = await eventually(() => statusOf(running).queue.samples > 0 && statusOf(running));
  await running.master.exports?.thread.thread?.terminate();
  const dead = await eventually(() => statusOf(running).state === 'degraded' && statusOf(running));
  expect(dead.problem).toMatchObject({ code: 'thread', detail: expect.stringMatching(/restarts in \d+ ms/) });
  expect(dead.dropped.thread).toBeGreaterThanOrEqual(waiting.queue.samples);
  to.answer = TAKES_V2;
  const again = await eventually(() => statusOf(running).sentSamples > 0 && statusOf(running));
  expect(again).toMatchObject({ state: 'ok', problem: null, dropped: { thread: dead.dropped.thread } });
  expect(again.failedAttempts).toBeGreaterThanOrEqual(1);
  const faults = running.master.manager.events.all().filter(({ type }) => type.startsWith('fault'));
  expect(faults.map(({ type }) => type)).toEqual(['fault', 'fault_over']);
  expect(faults[0]?.detail).toContain(`remote write to ${to.url} degraded: `);
});

test('a worker that is forgotten ends, once; a master that stops ends nothing', async () => {
  const to = await receiver();
  const running = await startExport(to.url);
  for (const workerId of ['goes', 'stays']) running.master.manager.registerWorker(workerId);
  const of = (workerId: string) => to.samples.filter((sample) => textOf(sample).includes(`worker="${workerId}"`));
  await eventually(() => of('goes').length > 0);
  running.master.manager.unregisterWorker('goes');
  const ends = () => of('goes').filter(({ bits }) => bits === STALE_BITS);
  await eventually(() => ends().length > 0);
  const before = to.received.length;
  await eventually(() => to.received.length >= before + 2);
  const texts = ends().map(textOf);
  expect(new Set(texts).size).toBe(texts.length);
  expect(new Set(of('goes').map(textOf))).toEqual(new Set(texts));
  await running.stop();
  expect(of('stays').some(({ bits }) => bits === STALE_BITS)).toBe(false);
});

test('a receiver that never answers holds up neither heartbeats nor the stop', async () => {
  const asked = Promise.withResolvers<void>();
  const to = await receiver(() => asked.resolve());
  const running = await startExport(to.url);
  await asked.promise;
  const { manager } = running.master;
  for (let n = 1; n <= 50; n++) manager.processHeartbeat({ workerId: 'a', cpuUsage: n });
  await eventually(() => manager.getWorkerTelemetry('a')?.cpuUsage === 50);
  await running.stop();
  expect(running.messages('warn')).toContainEqual(
    expect.stringMatching(/^export to http.*: \d+ samples still waited at the stop and were dropped$/),
  );
  expect(running.messages('error')).toEqual([]);
});

test('what waits at a stop is sent', async () => {
  const to = await receiver(says(503));
  const running = await startExport(to.url, { REMOTE_WRITE_INTERVAL: '5m' });
  await eventually(() => statusOf(running).failedAttempts > 0);
  to.answer = TAKES_V2;
  await running.stop();
  expect(to.received.at(-1)?.samples.length).toBeGreaterThan(0);
  expect(running.messages('warn').filter((line) => line.includes('dropped'))).toEqual([]);
});

test('the API, the probe and the metrics of the master tell of a receiver that is away, without its credentials', async () => {
  const port = await freePort();
  const running = await startExport(`http://user:s3cret@127.0.0.1:${port}/push?key=k3y`, { HTTP_PORT: '127.0.0.1:0' });
  const { httpAddress } = running.master;
  const get = async (path: string) => await (await fetch(`http://127.0.0.1:${httpAddress?.port}${path}`)).text();
  const text = await eventually(async () => {
    const answer = await get('/api/v1/export');
    return JSON.parse(answer).receivers[0]?.failed_attempts > 0 && answer;
  });
  expect(JSON.parse(text).receivers).toEqual([
    expect.objectContaining({
      kind: 'remote_write',
      place: `http://127.0.0.1:${port}/push`,
      state: 'starting',
      last_failure: expect.objectContaining({ code: 'unreachable', detail: `connect ECONNREFUSED 127.0.0.1:${port}` }),
    }),
  ]);
  expect(text).not.toMatch(/s3cret|k3y/);
  expect(running.messages('info')).toContain(`metrics are sent to http://127.0.0.1:${port}/push`);
  const told = `remote write to http://127.0.0.1:${port}/push: connect ECONNREFUSED 127.0.0.1:${port}; it is tried again`;
  expect(running.messages('warn').filter((line) => line.startsWith('remote write'))).toEqual([told]);
  expect(JSON.stringify(running.master.manager.events.all())).not.toMatch(/s3cret|k3y/);
});

test('without a receiver there is no thread', async () => {
  const running = await ExportingMaster.start({});
  open.push(running);
  expect(running.master.exports).toBeUndefined();
});
