/**
 * HTTP on the hub's socket and port.
 *
 * | route              | takes or answers                                                                     |
 * |--------------------|--------------------------------------------------------------------------------------|
 * | POST /v1/lines     | JSON lines, as the socket takes them                                                 |
 * | POST /v1/tasks     | a task, or an array of tasks, as they stand in lines                                 |
 * | POST /v1/metrics   | OTLP/HTTP: metrics of OpenTelemetry                                                  |
 * | GET /v1/tasks      | the tasks that run                                                                   |
 * | GET /v1/status     | what the hub has, its limits, and what it has refused                                |
 *
 * A request has no connection that stays open: its tasks are kept until they are ended.
 *
 * On the port, pages of a browser must not write: a request that comes from a page (`Origin`, `Sec-Fetch-Site`) or that names another host than this
 * machine (`Host`; a name that was made to point here) is refused.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { isLoopback } from '../../config/kinds.ts';
import type { Clock, Timer } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import { countOf, LINE_FEED, OPENING_BRACE } from '../bytes.ts';
import type { HubState } from './hub-state.ts';
import { HEADERS_WITHIN_MS, HUB_LIMITS, METRIC_KEEP_MS, REQUEST_WITHIN_MS } from './limits.ts';
import { RefusedLine } from './line.ts';
import type { LineRate } from './line-rate.ts';
import { LineSplitter, type SplitLine } from './line-splitter.ts';

const MAX_HEADER_BYTES = 16 * 1024;
/** How much of a body costs at least as much as a line, whatever is in it: ten tasks in JSON, or the metrics that are read in the time of a line. */
const BODY_BYTES_PER_LINE = 2048;
/** In the body of a request with tasks: a hundred times those that may be there. Without it, a body of two million empty ones would be read at once. */
const MAX_TASK_OBJECTS = 100 * HUB_LIMITS.linesPerRequest;
/** Between two requests of one connection. */
const KEEP_ALIVE_MS = 5_000;

export interface HubHttpOptions {
  readonly state: HubState;
  readonly clock: Clock;
  readonly rate: LineRate;
  readonly status: () => object;
}

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: object | string | Uint8Array;
}

/** Ends a request with an answer. */
class RefusedRequest extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

interface Handler {
  /** Without it, no body is read. */
  readonly takesBody?: true;
  readonly answer: (request: IncomingMessage, body: Buffer) => Answer;
}

const NO_BODY = Buffer.alloc(0);

/** What is known of a connection. */
interface Connection {
  readonly isPort: boolean;
  /** By then the next headers, or the request that is read, must be complete. */
  deadline: Timer | undefined;
  /** Not yet answered. */
  requests: number;
}

export class HubHttp {
  readonly #options: HubHttpOptions;
  readonly #server: Server;
  readonly #connections = new WeakMap<Socket, Connection>();
  /** Of bodies that are read now. */
  readonly #heldBytes = { socket: 0, port: 0 };
  readonly #routes: Readonly<Record<string, Readonly<Record<string, Handler>>>>;

  constructor(options: HubHttpOptions) {
    this.#options = options;
    this.#routes = {
      '/v1/lines': { POST: { takesBody: true, answer: (_, body) => this.#lines(body) } },
      '/v1/tasks': {
        POST: { takesBody: true, answer: (_, body) => this.#tasks(body) },
        GET: { answer: () => this.#runningTasks() },
      },
      '/v1/metrics': { POST: { takesBody: true, answer: (request, body) => this.#otlp(request, body) } },
      '/v1/status': { GET: { answer: () => this.#status() } },
    };
    this.#server = createServer({ maxHeaderSize: MAX_HEADER_BYTES, keepAliveTimeout: KEEP_ALIVE_MS });
    // Idle for so long while something is expected.
    this.#server.timeout = REQUEST_WITHIN_MS;
    this.#server.on('request', (request, response) => void this.#handle(request, response));
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      options.state.count('wrong_request');
      if (socket.writable) socket.end(rawAnswer('400 Bad Request', `this is no HTTP request: ${messageOf(error)}`));
    });
  }

  /** Takes over a connection whose first bytes it can read. */
  serve(socket: Socket, isPort: boolean): void {
    const connection: Connection = { isPort, deadline: undefined, requests: 0 };
    this.#connections.set(socket, connection);
    this.#awaitHeaders(socket);
    socket.once('close', () => connection.deadline?.cancel());
    this.#server.emit('connection', socket);
  }

  close(): void {
    this.#server.close();
  }

  /** Node's own deadlines begin only in a server that listens itself. */
  #awaitHeaders(socket: Socket): void {
    this.#setDeadline(socket, HEADERS_WITHIN_MS, () => {
      const text = `the headers of the request were not complete within ${HEADERS_WITHIN_MS / 1000} s`;
      socket.end(rawAnswer('408 Request Timeout', text));
      socket.destroySoon();
    });
  }

  #setDeadline(socket: Socket, withinMs: number, end: () => void): void {
    const connection = this.#connections.get(socket);
    if (connection === undefined) return;
    connection.deadline?.cancel();
    connection.deadline = this.#options.clock.after(withinMs, () => {
      this.#options.state.count('slow_request');
      end();
    });
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    this.#setDeadline(socket, REQUEST_WITHIN_MS, () => socket.destroy());
    const connection = this.#connections.get(socket);
    if (connection !== undefined) connection.requests++;
    response.once('close', () => {
      // The next one of a client that does not wait for answers may be there already.
      if (connection !== undefined && --connection.requests === 0 && !socket.destroyed) this.#awaitHeaders(socket);
    });
    let answer: Answer;
    try {
      answer = await this.#answerTo(request);
    } catch (error) {
      if (request.destroyed && !(error instanceof RefusedRequest)) return;
      if (error instanceof RefusedRequest) {
        answer = { status: error.status, headers: error.headers, body: { error: error.message } };
      } else {
        answer = { status: 500, body: { error: `internal error: ${messageOf(error)}` } };
      }
    }
    const { status, headers, body } = answer;
    const isRaw = typeof body === 'string' || body instanceof Uint8Array;
    const bytes = isRaw ? Buffer.from(body as Uint8Array) : Buffer.from(`${JSON.stringify(body)}\n`);
    response.writeHead(status, {
      ...(isRaw ? {} : { 'content-type': 'application/json' }),
      'content-length': bytes.length,
      // What it was sending is not read to its end.
      ...(request.complete || !hasBody(request) ? {} : { connection: 'close' }),
      ...headers,
    });
    response.end(bytes);
  }

  async #answerTo(request: IncomingMessage): Promise<Answer> {
    const { method = '', url = '' } = request;
    const isPort = this.#connections.get(request.socket)?.isPort === true;
    if (isPort) this.#mustBeLocal(request);
    const path = url.replace(/[?#].*$/s, '');
    const route = Object.hasOwn(this.#routes, path) ? this.#routes[path] : undefined;
    if (route === undefined) {
      throw this.#refused(
        404,
        `there is no ${JSON.stringify(path.slice(0, 64))}; expected ${Object.keys(this.#routes).join(', ')}`,
      );
    }
    const handler = Object.hasOwn(route, method) ? route[method] : undefined;
    const allow = Object.keys(route).join(', ');
    if (handler === undefined) throw this.#refused(405, `${path} takes ${allow}, and not ${method}`, { allow });
    if (handler.takesBody === undefined) return handler.answer(request, NO_BODY);
    this.#mustNotBeTooFast();
    return this.#withBody(request, isPort ? 'port' : 'socket', (body) => {
      // Others may have used what there was.
      this.#mustNotBeTooFast();
      return handler.answer(request, body);
    });
  }

  #mustBeLocal({ headers }: IncomingMessage): void {
    const { origin, host = '', 'sec-fetch-site': site } = headers;
    if (origin !== undefined || (site !== undefined && site !== 'none')) {
      throw this.#foreign(
        'pages of a browser may not use this port: the request has a header Origin or Sec-Fetch-Site',
      );
    }
    const name = /^(?:\[(.*)\]|([^:]*))(?::\d+)?$/.exec(host);
    if (!isLoopback((name?.[1] ?? name?.[2] ?? '').toLowerCase())) {
      throw this.#foreign(
        `the header Host is ${JSON.stringify(host.slice(0, 64))}; expected localhost, or an address such as 127.0.0.1`,
      );
    }
  }

  #foreign(message: string): RefusedRequest {
    this.#options.state.count('foreign_origin');
    return new RefusedRequest(403, message);
  }

  #refused(status: number, message: string, headers?: Readonly<Record<string, string>>): RefusedRequest {
    this.#options.state.count('wrong_request');
    return new RefusedRequest(status, message, headers);
  }

  async #withBody(
    request: IncomingMessage,
    from: 'socket' | 'port',
    answer: (body: Buffer) => Answer,
  ): Promise<Answer> {
    const held = this.#heldBytes;
    const most = from === 'port' ? HUB_LIMITS.portBodiesBytes : HUB_LIMITS.bodiesBytes;
    const chunks: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        held[from] += chunk.length;
        if (bytes > HUB_LIMITS.bodyBytes) {
          this.#options.state.count('too_large');
          throw new RefusedRequest(413, `the body has more than ${HUB_LIMITS.bodyBytes} bytes, which is the limit`);
        }
        if (held[from] > most) {
          this.#options.state.count('too_many_bodies');
          const message = `requests that are sent at the same time have more than ${most} bytes together, which is the limit`;
          throw new RefusedRequest(503, message, { 'retry-after': '1' });
        }
        chunks.push(chunk);
      }
      return answer(Buffer.concat(chunks));
    } finally {
      held[from] -= bytes;
    }
  }

  #lines(body: Buffer): Answer {
    const { state } = this.#options;
    this.#pay(body, linesIn(body), 'lines');
    const lines = linesOf(body);
    if (lines.length === 0)
      throw this.#refused(400, 'the body is empty; expected lines such as {"metrics":{"name":1}}');
    return resultOf(
      lines,
      (line) => state.takeBytes(line.line, undefined),
      ({ number }) => ({ line: number }),
    );
  }

  #tasks(body: Buffer): Answer {
    const { state } = this.#options;
    const objects = countOf(OPENING_BRACE, body);
    if (objects > MAX_TASK_OBJECTS) this.#pay(body, objects, 'objects');
    const tasks = tasksOf(body);
    this.#pay(body, typeof tasks === 'string' ? 1 : tasks.length, 'tasks');
    if (typeof tasks === 'string') throw this.#refused(400, tasks);
    return resultOf(
      tasks,
      (task) => state.takeValue({ task }, undefined),
      (_, index) => ({ index }),
    );
  }

  #otlp({ headers }: IncomingMessage, body: Buffer): Answer {
    const { otlpMetrics, otlpReceiver } = this.#options.state;
    const accepted = new Set<string>();
    const {
      status,
      headers: answered,
      body: answer,
      ...result
    } = otlpReceiver.receive(headers, body, (names) => {
      const unknown = names.filter((name) => !otlpMetrics.values.has(name) && !accepted.has(name));
      const { otlpMetrics: most } = HUB_LIMITS;
      if (unknown.length > 0 && otlpMetrics.values.size + accepted.size + unknown.length > most) {
        return `there are ${most} metrics, which is the limit`;
      }
      for (const name of unknown) accepted.add(name);
      return undefined;
    });
    this.#options.rate.spendRequest(Math.max(1, Math.ceil(result.plainBytes / BODY_BYTES_PER_LINE)));
    if (result.problem !== undefined) this.#options.state.count('otlp');
    otlpMetrics.set(
      result.ended.map((name) => [name, null] as const),
      { keepMs: METRIC_KEEP_MS },
    );
    otlpMetrics.set(result.metrics, { keepMs: METRIC_KEEP_MS });
    return { status, headers: answered, body: answer };
  }

  /** Also for what is refused: it was read. */
  #pay(body: Buffer, count: number, what: string): void {
    const { linesPerRequest } = HUB_LIMITS;
    const { state, rate } = this.#options;
    const isTooMuch = count > linesPerRequest;
    rate.spendRequest(Math.max(isTooMuch ? 1 : count, Math.ceil(body.length / BODY_BYTES_PER_LINE)));
    if (!isTooMuch) return;
    state.count('too_large');
    throw new RefusedRequest(413, `the body has ${count} ${what}; expected at most ${linesPerRequest} in one request`);
  }

  #mustNotBeTooFast(): void {
    const { state, rate } = this.#options;
    if (rate.hasRequest()) return;
    state.count('too_fast');
    throw new RefusedRequest(429, `this machine's programs send more than ${HUB_LIMITS.linesPerS} lines a second`, {
      'retry-after': '1',
    });
  }

  #runningTasks(): Answer {
    const tasks = Array.from(this.#options.state.tasks.tasks.values(), (task) => ({
      task_id: task.taskId,
      status: task.status,
      ...(task.progress === undefined ? {} : { progress: task.progress }),
      ...(task.startedAtUnixMs === undefined ? {} : { started_at_unix_ms: task.startedAtUnixMs }),
      cpu_allocated: task.cpuAllocated,
      memory_allocated: task.memoryAllocated,
      gpu_allocated: task.gpuAllocated,
    }));
    return { status: 200, body: { tasks } };
  }

  #status(): Answer {
    const { state, status } = this.#options;
    const { tasks, metrics, otlpMetrics, counts } = state;
    return {
      status: 200,
      body: {
        ...status(),
        tasks: tasks.tasks.size,
        kept_tasks: tasks.keptCount,
        watched_processes: tasks.watchedCount,
        metrics: metrics.values.size,
        otlp_metrics: otlpMetrics.values.size,
        lines_accepted: counts.lines,
        tasks_vanished: counts.vanished,
        refused: Object.fromEntries(counts.refused),
        limits: LIMITS_SHOWN,
      },
    };
  }
}

/** To what has not become a request. */
function rawAnswer(status: string, error: string): string {
  const text = `${JSON.stringify({ error })}\n`;
  const head = `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}`;
  return `${head}\r\nConnection: close\r\n\r\n${text}`;
}

/** As the other members of the API are written. */
const LIMITS_SHOWN = Object.fromEntries(
  Object.entries(HUB_LIMITS).map(([name, value]) => [
    name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    value,
  ]),
);

/** 400 only if nothing was taken: a client that asks for the status alone then sees that all was wrong. */
function resultOf<T>(
  items: readonly T[],
  take: (item: T) => unknown,
  placeOf: (item: T, index: number) => object,
): Answer {
  const refused: object[] = [];
  let refusedCount = 0;
  for (const [index, item] of items.entries()) {
    try {
      take(item);
    } catch (error) {
      if (!(error instanceof RefusedLine)) throw error;
      refusedCount++;
      if (refused.length < HUB_LIMITS.refusalsPerAnswer)
        refused.push({ ...placeOf(item, index), error: error.message, reason: error.reason });
    }
  }
  const accepted = items.length - refusedCount;
  return { status: accepted === 0 ? 400 : 200, body: { accepted, refused } };
}

/** Blank ones included: each costs time. */
function linesIn(body: Buffer): number {
  return countOf(LINE_FEED, body) + (body.length > 0 && body.at(-1) !== LINE_FEED ? 1 : 0);
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function linesOf(body: Buffer): { readonly line: SplitLine; readonly number: number }[] {
  const splitter = new LineSplitter(HUB_LIMITS.lineBytes);
  splitter.push(body);
  const lines: { line: SplitLine; number: number }[] = [];
  for (let number = 1; ; number++) {
    const line = splitter.next() ?? splitter.rest();
    if (line === undefined) return lines;
    if ('tooLongBytes' in line || line.bytes.toString('latin1').trim() !== '') lines.push({ line, number });
  }
}

/** The tasks, or why there are none. */
function tasksOf(body: Buffer): readonly unknown[] | string {
  const expected = 'a task such as {"task_id":"a","progress":0.5}, or an array of tasks';
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (error) {
    return `the body is no JSON: ${messageOf(error)}; expected ${expected}`;
  }
  if (!Array.isArray(value)) return [value];
  return value.length === 0 ? `the body is an empty array; expected ${expected}` : value;
}
