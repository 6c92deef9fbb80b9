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
import type { Clock } from '../../lib/clock.ts';
import { messageOf } from '../../lib/errors.ts';
import { MetricsReceiver } from '../otlp/metrics-receiver.ts';
import type { HubState } from './hub-state.ts';
import { HUB_LIMITS, METRIC_KEEP_MS, REQUEST_WITHIN_MS } from './limits.ts';
import { RefusedLine } from './line.ts';
import { LineSplitter, type SplitLine } from './line-splitter.ts';
import type { TokenBucket } from './token-bucket.ts';

const MAX_HEADER_BYTES = 16 * 1024;
/** How much of an OTLP request counts as a line. */
const OTLP_BYTES_PER_LINE = 2048;
/** Between two requests of one connection. */
const KEEP_ALIVE_MS = 5_000;

export interface HubHttpOptions {
  readonly state: HubState;
  readonly clock: Clock;
  readonly allLines: TokenBucket;
  readonly status: () => object;
}

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: object | string | Uint8Array;
}

/** Ends a request with an answer. */
class Refusal extends Error {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

type Handler = (request: IncomingMessage, body: Buffer) => Answer;

export class HubHttp {
  readonly #options: HubHttpOptions;
  readonly #server: Server;
  /** Connections of the port. */
  readonly #ofPort = new WeakSet<Socket>();
  readonly #otlpReceiver = new MetricsReceiver();
  readonly #routes: Readonly<Record<string, Readonly<Record<string, Handler>>>>;

  constructor(options: HubHttpOptions) {
    this.#options = options;
    this.#routes = {
      '/v1/lines': { POST: (_, body) => this.#lines(body) },
      '/v1/tasks': { POST: (_, body) => this.#tasks(body), GET: () => this.#runningTasks() },
      '/v1/metrics': { POST: (request, body) => this.#otlp(request, body) },
      '/v1/status': { GET: () => this.#status() },
    };
    this.#server = createServer({ maxHeaderSize: MAX_HEADER_BYTES, keepAliveTimeout: KEEP_ALIVE_MS });
    // Idle for so long while something is expected.
    this.#server.timeout = REQUEST_WITHIN_MS;
    this.#server.on('request', (request, response) => void this.#handle(request, response));
    this.#server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      options.state.count('wrong_request');
      if (!socket.writable) return;
      const text = `${JSON.stringify({ error: `this is no HTTP request: ${messageOf(error)}` })}\n`;
      const head = `HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}`;
      socket.end(`${head}\r\nConnection: close\r\n\r\n${text}`);
    });
  }

  /** Takes over a connection whose first bytes it can read. */
  serve(socket: Socket, isPort: boolean): void {
    if (isPort) this.#ofPort.add(socket);
    this.#server.emit('connection', socket);
  }

  close(): void {
    this.#server.close();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const deadline = this.#options.clock.after(REQUEST_WITHIN_MS, () => request.destroy());
    let answer: Answer;
    try {
      answer = await this.#answerTo(request);
    } catch (error) {
      if (request.destroyed && !(error instanceof Refusal)) return;
      if (error instanceof Refusal) {
        answer = { status: error.status, headers: error.headers, body: { error: error.message } };
      } else {
        answer = { status: 500, body: { error: `internal error: ${messageOf(error)}` } };
      }
    } finally {
      deadline.cancel();
    }
    const { status, headers, body } = answer;
    const isRaw = typeof body === 'string' || body instanceof Uint8Array;
    const bytes = isRaw ? Buffer.from(body as Uint8Array) : Buffer.from(`${JSON.stringify(body)}\n`);
    response.writeHead(status, {
      ...(isRaw ? {} : { 'content-type': 'application/json' }),
      'content-length': bytes.length,
      // What it was sending is not read to its end.
      ...(request.complete ? {} : { connection: 'close' }),
      ...headers,
    });
    response.end(bytes);
  }

  async #answerTo(request: IncomingMessage): Promise<Answer> {
    const { method = '', url = '' } = request;
    if (this.#ofPort.has(request.socket)) this.#mustBeLocal(request);
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
    return handler(request, await this.#bodyOf(request));
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

  #foreign(message: string): Refusal {
    this.#options.state.count('foreign_origin');
    return new Refusal(403, message);
  }

  #refused(status: number, message: string, headers?: Readonly<Record<string, string>>): Refusal {
    this.#options.state.count('wrong_request');
    return new Refusal(status, message, headers);
  }

  async #bodyOf(request: IncomingMessage): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > HUB_LIMITS.bodyBytes) {
        this.#options.state.count('too_large');
        throw new Refusal(413, `the body has more than ${HUB_LIMITS.bodyBytes} bytes, which is the limit`);
      }
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  #lines(body: Buffer): Answer {
    const { state } = this.#options;
    const lines = linesOf(body);
    if (lines.length === 0)
      throw this.#refused(400, 'the body is empty; expected lines such as {"metrics":{"name":1}}');
    this.#mustHaveTime(lines.length, 'lines');
    return resultOf(
      lines,
      (line) => state.takeBytes(line.line, undefined),
      ({ number }) => ({ line: number }),
    );
  }

  #tasks(body: Buffer): Answer {
    const { state } = this.#options;
    const tasks = tasksOf(body);
    if (typeof tasks === 'string') throw this.#refused(400, tasks);
    this.#mustHaveTime(tasks.length, 'tasks');
    return resultOf(
      tasks,
      (task) => state.takeValue({ task }, undefined),
      (_, index) => ({ index }),
    );
  }

  #otlp({ headers }: IncomingMessage, body: Buffer): Answer {
    const { otlpMetrics } = this.#options.state;
    this.#mustHaveTokens(Math.ceil(body.length / OTLP_BYTES_PER_LINE));
    const asked = new Set<string>();
    const {
      status,
      headers: answered,
      body: answer,
      ...result
    } = this.#otlpReceiver.receive(headers, body, (name) => {
      if (!otlpMetrics.values.has(name)) asked.add(name);
      const { otlpMetrics: most } = HUB_LIMITS;
      return otlpMetrics.values.size + asked.size <= most ? undefined : `there are ${most} metrics, which is the limit`;
    });
    if (result.problem !== undefined) this.#options.state.count('otlp');
    otlpMetrics.set(
      result.ended.map((name) => [name, null] as const),
      { keepMs: METRIC_KEEP_MS },
    );
    otlpMetrics.set(result.metrics, { keepMs: METRIC_KEEP_MS });
    return { status, headers: answered, body: answer };
  }

  /** All at once, or nothing. */
  #mustHaveTime(count: number, what: string): void {
    const { linesPerRequest } = HUB_LIMITS;
    const { state } = this.#options;
    if (count > linesPerRequest) {
      state.count('too_large');
      throw new Refusal(413, `the body has ${count} ${what}; expected at most ${linesPerRequest} in one request`);
    }
    this.#mustHaveTokens(count);
  }

  #mustHaveTokens(count: number): void {
    const { state, allLines } = this.#options;
    if (allLines.take(count)) return;
    state.count('too_fast');
    throw new Refusal(429, `this machine's programs send more than ${HUB_LIMITS.linesPerS} lines a second`, {
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
