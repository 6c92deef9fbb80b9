import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_PIPELINED, POLL_MS } from '../../src/http/http-limits.ts';
import { eventually } from '../support/eventually.ts';
import { task } from '../support/fleet.ts';
import { newServer } from './support.ts';

let served: Awaited<ReturnType<typeof newServer>>;
let socket: Socket;
let received = '';

beforeEach(async () => {
  served = await newServer();
  received = '';
  socket = connect(served.port, '127.0.0.1');
  socket.on('data', (bytes) => {
    received += bytes.toString('latin1');
  });
  socket.on('error', () => {});
  await once(socket, 'connect');
});
afterEach(async () => {
  socket.destroy();
  await served.stop();
});

function send(...targets: readonly string[]): void {
  socket.write(targets.map((target) => `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`).join(''));
}

/** A worker whose record is too large to be copied. */
function large(workerId: string): void {
  const tasks = Array.from({ length: 6_000 }, (_, index) => task(`task-${index}`));
  served.fleet.register(workerId);
  served.fleet.beat(workerId, { runningTasks: tasks });
}

describe('requests that are sent before the answers of others have come', () => {
  it('are answered in their order, once each', async () => {
    const ids = Array.from({ length: 50 }, (_, index) => `worker-${index}`);
    for (const id of ids) served.fleet.register(id);
    send(...ids.flatMap((id) => [`/telemetry/${id}`, `/api/v1/workers?prefix=${id}&fields=worker_id&limit=1`]));
    await eventually(() => received.split('HTTP/1.1 200').length === 2 * ids.length + 1);
    const told = Array.from(received.matchAll(/\{"worker_id":"(worker-\d+)"/g), ([, id]) => id);
    expect(told).toEqual(ids.flatMap((id) => [id, id]));
  });

  it('may have bodies', async () => {
    const post = 'POST /api/v1/workers/a/approve HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\n12345';
    socket.write(post.repeat(20));
    send('/health');
    await eventually(() => received.includes('"healthy"'));
    expect(served.commands).toHaveLength(20);
  });

  it('behind a stream take up nothing, and are gone with it', async () => {
    large('worker-1');
    send('/api/v1/stream', '/api/v1/stream', '/telemetry', '/api/v1/workers?index=0');
    await eventually(() => received.includes('event: snapshot'));
    // A look later whatever is served would have been.
    served.clock.advance(POLL_MS);
    await fetch(`${served.url}/health`);
    expect(served.server.live.clients).toBe(1);
    expect(served.server.bodiesInFlight).toBe(0);
    socket.destroy();
    await eventually(() => served.server.live.clients === 0);
    expect(served.server.bodiesInFlight).toBe(0);
  });

  it('end the connection when they are too many', async () => {
    send('/api/v1/stream', ...Array.from({ length: MAX_PIPELINED + 1 }, () => '/health'));
    await once(socket, 'close');
    await eventually(() => served.server.live.clients === 0);
  });
});
