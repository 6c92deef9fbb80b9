/**
 * Heartbeats as JSON over kept connections, each of which sends its next request when it has the answer. Written to the socket:
 * Node's own client would cost more than the servers do. A request's bytes are made once, and only its numbers change.
 */
import { connect, type Socket } from 'node:net';
import { workerIdOf } from './fleet.ts';
import { type ClosedHttpSpec, type Load, noStats } from './load.ts';

const TASKS = 4;
/** Digits of the numbers that change: always as many, so that they can be overwritten. */
const SEQUENCE_DIGITS = 9;
const HEAD_END = '\r\n\r\n';

/** See {@link ClosedHttpSpec}. */
export function closedHttp({ httpPort, workers, connections, perRequest }: ClosedHttpSpec): Load {
  const stats = noStats();
  const idle = Promise.withResolvers<void>();
  let isStopping = false;
  let busy = connections;
  const perConnection = Math.max(1, Math.floor(workers / connections));

  const run = (number: number): Socket => {
    const socket = connect({ port: httpPort, host: '127.0.0.1', noDelay: true });
    const requests = requestsOf(number * perConnection, perConnection, perRequest);
    let next = 0;
    let received = '';
    const send = (): void => {
      const request = requests[next++ % requests.length] as Request;
      stats.sent += perRequest;
      socket.write(request.next());
    };
    const over = (isOk: boolean): void => {
      if (isOk) stats.acked += perRequest;
      else stats.failed += perRequest;
      if (isOk && !isStopping) send();
      else if (--busy === 0) idle.resolve();
    };
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      const end = received.indexOf(HEAD_END);
      const length = Number(/^content-length: (\d+)/im.exec(received)?.[1] ?? Number.POSITIVE_INFINITY);
      if (end < 0 || received.length < end + HEAD_END.length + length) return;
      const isOk = received.startsWith('HTTP/1.1 200') && received.includes(`{"accepted":${perRequest},"refused":[]}`);
      received = '';
      over(isOk);
    });
    socket.on('error', () => socket.destroy());
    socket.once('connect', send);
    return socket;
  };
  const open = Array.from({ length: connections }, (_, number) => run(number));

  return {
    stats,
    async stop() {
      isStopping = true;
      await idle.promise;
      for (const socket of open) socket.destroy();
    },
  };
}

/** One request and the numbers in it. */
class Request {
  readonly #bytes: Buffer;
  readonly #numbersAt: readonly number[];
  #sequence = 0;

  constructor(workers: readonly number[], isList: boolean) {
    const mark = '1'.padEnd(SEQUENCE_DIGITS, '0');
    const heartbeats = workers.map((worker) => heartbeatText(worker, mark));
    const body = isList ? `[${heartbeats.join(',')}]` : (heartbeats[0] as string);
    const head = `POST /api/v1/heartbeats HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n`;
    this.#bytes = Buffer.from(`${head}Content-Length: ${Buffer.byteLength(body)}${HEAD_END}${body}`);
    const numbersAt: number[] = [];
    for (let at = this.#bytes.indexOf(`:${mark}`); at >= 0; at = this.#bytes.indexOf(`:${mark}`, at + 1)) {
      numbersAt.push(at + 1);
    }
    this.#numbersAt = numbersAt;
  }

  /** The bytes change with the next call; the server has answered by then. */
  next(): Buffer {
    const digits = String(10 ** (SEQUENCE_DIGITS - 1) + ++this.#sequence);
    for (const at of this.#numbersAt) this.#bytes.write(digits, at, 'latin1');
    return this.#bytes;
  }
}

/** All workers of a connection, some to a request, in turn. */
function requestsOf(from: number, workers: number, perRequest: number): readonly Request[] {
  const requests = Math.max(1, Math.floor(workers / perRequest));
  return Array.from({ length: requests }, (_, request) => {
    const first = from + request * perRequest;
    return new Request(
      Array.from({ length: perRequest }, (_, worker) => first + worker),
      perRequest > 1,
    );
  });
}

function heartbeatText(worker: number, sequence: string): string {
  const tasks = Array.from({ length: TASKS }, (_, task) => {
    const task_id = `task-${worker}-${task}`;
    return { task_id, cpu_allocated: 0.5, memory_allocated: 0.25, gpu_allocated: 0, status: 'running' };
  });
  const usages = { cpu_usage: 14.99, memory_usage: 40.25, storage_usage: 61.5, gpu_usage: 0 };
  const text = JSON.stringify({ worker_id: workerIdOf(worker), ...usages, running_tasks: tasks, sequence: 0 });
  return text.replace(/"sequence":0/, `"sequence":${sequence}`);
}
