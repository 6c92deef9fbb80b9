/** The HTTP API of a master, as the client commands call it: the legacy routes, and what there is beside them. */
import type { Clock } from '../../lib/clock.ts';
import { ERRORS, type ErrorCode, messageOf, PulselaneError } from '../../lib/errors.ts';
import { jsonIn } from '../../lib/json.ts';
import type { Isolation } from '../../model/isolation.ts';
import type { ApiAnswer } from '../views/api-answer.ts';
import { grpcPortText, noAnswerText } from './no-answer.ts';
import { NoAnswerError, type Response, send } from './send.ts';
import type { ClientTls } from './tls.ts';

/** A master answers within milliseconds, and a command within 5 s in any case; a wrong address may never. */
const TIMEOUT_MS = 5000;
const COMMAND_TIMEOUT_MS = 6000;

/** Receivers are given 35 s by the master. */
const TRIAL_TIMEOUT_MS = 40_000;

/** A query of history may run for 10 s, and wait for others before. */
const HISTORY_TIMEOUT_MS = 30_000;
/** The next piece of an export takes as long as a query at most. */
const EXPORT_SILENCE_MS = 60_000;

/** What the API lists on a page at most. */
const PAGE_WORKERS = 1000;
const PAGE_TASKS = 1000;

interface Asked {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly timeoutMs?: number;
  /** Sent as JSON. */
  readonly content?: unknown;
}

/** Of a query string. */
export type QueryParameters = Readonly<Record<string, string>>;

/** The same, where a name may occur more than once. */
export type QueryPairs = readonly (readonly [name: string, value: string])[];

export interface ExportDownload {
  chunks(): AsyncGenerator<Uint8Array>;
  /** What the master could not read, in words, once all has been read; undefined: nothing. */
  missing(): string | undefined;
}

export interface ApiClientOptions {
  /** The origin, such as `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Undefined: none is shown. */
  readonly token: string | undefined;
  readonly tls: ClientTls;
  readonly clock: Clock;
  /** For an answer, in place of the usual time. */
  readonly timeoutMs?: number | undefined;
}

export class ApiClient {
  /** The origin. */
  readonly url: string;
  readonly #token: string | undefined;
  readonly #tls: ClientTls;
  readonly #clock: Clock;
  readonly #timeoutMs: number;

  constructor({ url, token, tls, clock, timeoutMs = TIMEOUT_MS }: ApiClientOptions) {
    this.url = url;
    this.#token = token;
    this.#tls = tls;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** `/health` is 503 and tells the same when the master is stuck. */
  health(): Promise<ApiAnswer> {
    return this.#get('/health', [200, 503]);
  }

  /** The fleet in figures; undefined if the master is a legacy one. */
  async cluster(): Promise<ApiAnswer | undefined> {
    const { status, answer } = await this.#request('/api/v1/cluster', [200, 404]);
    return status === 404 ? undefined : answer;
  }

  telemetry(): Promise<ApiAnswer> {
    return this.#get('/telemetry', [200]);
  }

  async workerTelemetry(workerId: string): Promise<ApiAnswer> {
    const { status, answer } = await this.#request(`/telemetry/${encodeURIComponent(workerId)}`, [200, 404]);
    if (status === 404) throw new PulselaneError('not_found', `no worker is called ${workerId}`);
    return answer;
  }

  /** All that is known of a worker; undefined if there is none, or the master is a legacy one. */
  async workerDetail(workerId: string): Promise<ApiAnswer | undefined> {
    const { status, answer } = await this.#request(`/api/v1/workers/${encodeURIComponent(workerId)}`, [200, 404]);
    return status === 404 ? undefined : answer;
  }

  /**
   * Workers with their states, page by page; undefined if the master has no such list.
   * @param filters and the sort, as the API's parameters have them
   * @param limit how many at most
   */
  async listWorkers(
    filters: Readonly<Record<string, string>>,
    limit = Number.POSITIVE_INFINITY,
  ): Promise<readonly ApiAnswer[] | undefined> {
    const pages: ApiAnswer[] = [];
    let listed = 0;
    for (let cursor: string | undefined; ; ) {
      const page = {
        limit: String(Math.min(PAGE_WORKERS, limit - listed)),
        ...(cursor === undefined ? {} : { cursor }),
      };
      const query = new URLSearchParams({ ...filters, ...page });
      const { status, answer } = await this.#request(`/api/v1/workers?${query}`, [200, 404]);
      if (status === 404) return undefined;
      pages.push(answer);
      const { next_cursor: next, workers } = (answer.body ?? {}) as { next_cursor?: unknown; workers?: unknown };
      listed += Array.isArray(workers) ? workers.length : 0;
      if (typeof next !== 'string' || listed >= limit) return pages;
      cursor = next;
    }
  }

  /** Who waits for approval; undefined if the master does not tell. */
  async pending(): Promise<ApiAnswer | undefined> {
    const { status, answer } = await this.#request('/api/v1/pending', [200, 404]);
    return status === 404 ? undefined : answer;
  }

  /** The lanes that serve somebody, and what limits them; undefined if the master does not tell. */
  async lanes(): Promise<ApiAnswer | undefined> {
    const { status, answer } = await this.#request('/api/v1/lanes', [200, 404]);
    return status === 404 ? undefined : answer;
  }

  /** The inside of the master; undefined if it does not tell. */
  async internalState(): Promise<ApiAnswer | undefined> {
    const asked = { timeoutMs: COMMAND_TIMEOUT_MS };
    const { status, answer } = await this.#request('/api/v1/internal-state', [200, 404], asked);
    return status === 404 ? undefined : answer;
  }

  /** What keeps the master from judging. */
  holds(): Promise<ApiAnswer> {
    return this.#get('/api/v1/holds', [200]);
  }

  /** Has the master do something to a worker. @returns what it says */
  approve(workerId: string): Promise<ApiAnswer> {
    return this.#command('POST', `/api/v1/workers/${encodeURIComponent(workerId)}/approve`);
  }

  release(workerId: string): Promise<ApiAnswer> {
    return this.#command('POST', `/api/v1/workers/${encodeURIComponent(workerId)}/release`);
  }

  unregister(workerId: string): Promise<ApiAnswer> {
    return this.#command('DELETE', `/api/v1/workers/${encodeURIComponent(workerId)}`);
  }

  isolate(workerId: string, lane: Isolation): Promise<ApiAnswer> {
    return this.#command('PUT', `/api/v1/workers/${encodeURIComponent(workerId)}/isolation`, { lane });
  }

  /** @param group undefined: of all groups */
  releaseBrakes(group: string | undefined): Promise<ApiAnswer> {
    const query = group === undefined ? '' : `?group=${encodeURIComponent(group)}`;
    return this.#command('POST', `/api/v1/brakes/release${query}`);
  }

  /** Events, as the parameters of the API say. */
  events(parameters: QueryParameters): Promise<ApiAnswer> {
    return this.#get(`/api/v1/events?${new URLSearchParams(parameters)}`, [200], { timeoutMs: HISTORY_TIMEOUT_MS });
  }

  /** A page of alerts, as the parameters of the API say. */
  alerts(parameters: QueryPairs): Promise<ApiAnswer> {
    return this.#get(`/api/v1/alerts?${queryOf(parameters)}`, [200]);
  }

  /** Undefined: there is none with this id. */
  async alert(id: string): Promise<ApiAnswer | undefined> {
    const { status, answer } = await this.#request(`/api/v1/alerts/${encodeURIComponent(id)}`, [200, 404]);
    return status === 404 ? undefined : answer;
  }

  /** Alerting rules and receivers. */
  alertRules(): Promise<ApiAnswer> {
    return this.#get('/api/v1/rules', [200]);
  }

  /** Sends a trial to a receiver of alerts. */
  testReceiver(name: string, isFiringOnly = false): Promise<ApiAnswer> {
    const query = isFiringOnly ? '?firing_only=true' : '';
    return this.#get(`/api/v1/receivers/${encodeURIComponent(name)}/test${query}`, [200], {
      method: 'POST',
      timeoutMs: TRIAL_TIMEOUT_MS,
    });
  }

  silences(): Promise<ApiAnswer> {
    return this.#get('/api/v1/silences', [200]);
  }

  /** @param silence as the API takes it */
  createSilence(silence: unknown): Promise<ApiAnswer> {
    return this.#command('POST', '/api/v1/silences', silence);
  }

  expireSilence(id: string): Promise<ApiAnswer> {
    return this.#command('DELETE', `/api/v1/silences/${encodeURIComponent(id)}`);
  }

  /** The history of a worker, as the parameters of the API say. */
  history(workerId: string, parameters: QueryPairs): Promise<ApiAnswer> {
    const path = `/api/v1/workers/${encodeURIComponent(workerId)}/history?${queryOf(parameters)}`;
    return this.#get(path, [200], { timeoutMs: HISTORY_TIMEOUT_MS });
  }

  /** The state of history. */
  historyStatus(): Promise<ApiAnswer> {
    return this.#get('/api/v1/history', [200]);
  }

  /** A page of runs of tasks, newest first. @param cursor of the page before */
  tasks(workerId: string | undefined, parameters: QueryParameters, cursor: string | undefined): Promise<ApiAnswer> {
    const isOnlyWorker = workerId !== undefined && parameters.task === undefined;
    // The path of a worker refuses one that never was; of a task, the list is empty then.
    const path = isOnlyWorker ? `/api/v1/workers/${encodeURIComponent(workerId)}/tasks` : '/api/v1/tasks';
    const { limit = String(PAGE_TASKS), ...others } = parameters;
    const query = new URLSearchParams({
      ...others,
      ...(isOnlyWorker || workerId === undefined ? {} : { worker: workerId }),
      limit: String(Math.min(Number(limit), PAGE_TASKS)),
      ...(cursor === undefined ? {} : { cursor }),
    });
    return this.#get(`${path}?${query}`, [200], { timeoutMs: HISTORY_TIMEOUT_MS });
  }

  /**
   * A range of history as a file, as the parameters of the API say.
   * @throws PulselaneError, also while it is read: as the others do
   */
  async export(parameters: QueryPairs): Promise<ExportDownload> {
    const path = `/api/v1/history/export?${queryOf(parameters)}`;
    const abort = new AbortController();
    const silence = () => this.#clock.after(EXPORT_SILENCE_MS, () => abort.abort());
    let timer = silence();
    const failure = (error: unknown) =>
      abort.signal.aborted
        ? this.#failure('/api/v1/history/export', `sent nothing for ${EXPORT_SILENCE_MS / 1000} s`)
        : new PulselaneError(
            'environment',
            `the master ended the export early (${messageOf(error)}); its log says why`,
          );
    try {
      const response = await this.#send('GET', path, undefined, abort.signal);
      if (response.status !== 200) {
        const text = await response.text();
        throw problemIn(response, text) ?? this.#refusal('/api/v1/history/export', response, text);
      }
      return {
        async *chunks() {
          try {
            for await (const chunk of response.chunks) {
              // Whoever writes it may take as long as it likes.
              timer.cancel();
              yield chunk;
              timer = silence();
            }
          } catch (error) {
            throw failure(error);
          } finally {
            timer.cancel();
            abort.abort();
          }
        },
        missing: () => response.trailers['pulselane-missing'] || undefined,
      };
    } catch (error) {
      timer.cancel();
      abort.abort();
      if (error instanceof PulselaneError) throw error;
      throw failure(error);
    }
  }

  async #get(path: string, expected: readonly number[], asked: Asked = {}): Promise<ApiAnswer> {
    return (await this.#request(path, expected, asked)).answer;
  }

  async #command(method: 'POST' | 'PUT' | 'DELETE', path: string, content?: unknown): Promise<ApiAnswer> {
    return (await this.#request(path, [200], { method, timeoutMs: COMMAND_TIMEOUT_MS, content })).answer;
  }

  /** @throws PulselaneError as the master names it, else `environment`, naming the URL */
  async #request(
    path: string,
    expected: readonly number[],
    { method = 'GET', timeoutMs = this.#timeoutMs, content }: Asked = {},
  ): Promise<{ status: number; answer: ApiAnswer }> {
    const abort = new AbortController();
    const timer = this.#clock.after(timeoutMs, () => abort.abort());
    try {
      const response = await this.#send(method, path, content, abort.signal);
      const text = await response.text();
      if (!expected.includes(response.status)) throw problemIn(response, text) ?? this.#refusal(path, response, text);
      const atUnixMs = Date.parse(response.headers.date ?? '');
      return {
        status: response.status,
        answer: {
          body: response.status === 404 ? undefined : this.#parse(path, text),
          atUnixMs: Number.isNaN(atUnixMs) ? this.#clock.wallMs() : atUnixMs,
        },
      };
    } catch (error) {
      if (error instanceof PulselaneError) throw error;
      throw abort.signal.aborted
        ? this.#failure(path, `did not answer within ${timeoutMs / 1000} s`)
        : this.#failure(path, `broke off: ${messageOf(error)}`);
    } finally {
      timer.cancel();
    }
  }

  async #send(method: string, path: string, content: unknown, signal: AbortSignal): Promise<Response> {
    try {
      const headers: Record<string, string> = {
        ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }),
        ...(content === undefined ? {} : { 'content-type': 'application/json' }),
      };
      const body = content === undefined ? undefined : JSON.stringify(content);
      return await send({ method, url: this.url + path, headers, body, tls: this.#tls, signal });
    } catch (error) {
      if (signal.aborted || !(error instanceof NoAnswerError)) throw error;
      const hasCert = this.#tls.cert !== undefined;
      throw new PulselaneError('environment', noAnswerText(this.url, error, hasCert), { cause: error });
    }
  }

  #parse(path: string, text: string): unknown {
    try {
      return JSON.parse(text);
    } catch {
      throw this.#failure(path, 'does not answer with JSON');
    }
  }

  /** What an answer means that is none. */
  #refusal(path: string, { status, headers }: Response, text: string): PulselaneError {
    switch (status) {
      case 401: {
        const what =
          this.#token === undefined
            ? 'asks for a token: give --token-file <file>, or set PULSELANE_TOKEN'
            : (expiryTold(text) ??
              'does not know this token: it was taken back, or is of another master, or is a worker’s token');
        return new PulselaneError('unauthenticated', `the master at ${this.url} ${what}`);
      }
      case 403:
        // What Node says at a port of HTTP/2 alone, where it says it over TLS.
        if (/\bALPN\b/.test(text)) return new PulselaneError('environment', grpcPortText(this.url, 'ALPN'));
        return new PulselaneError('permission_denied', `the master at ${this.url} does not let this token do that`);
      case 421: {
        const what = `does not go by that name: ALLOWED_HOSTS of the master adds it`;
        return new PulselaneError('environment', `the master at ${this.url} ${what}`);
      }
      case 429: {
        const what = `receives too many requests from this client; try again in ${headers['retry-after'] ?? '1'} s`;
        return new PulselaneError('rate_limited', `the master at ${this.url} ${what}`);
      }
      default:
        return this.#failure(path, `answers ${status}`);
    }
  }

  #failure(path: string, what: string): PulselaneError {
    return new PulselaneError('environment', `${this.url}${path} ${what}; is a master there? --url names another`);
  }
}

function queryOf(parameters: QueryPairs): URLSearchParams {
  return new URLSearchParams(parameters.map(([name, value]) => [name, value]));
}

/** Of these `ApiClient` knows better what is to be done about them than the master does. */
const TOLD_BY_STATUS: ReadonlySet<number> = new Set([401, 421, 429]);

/** What a master says of a token that it knew, in the shape of either kind of route; undefined: it says nothing of that. */
function expiryTold(text: string): string | undefined {
  const { detail, error } = (jsonIn(text) ?? {}) as { detail?: unknown; error?: unknown };
  const told = typeof detail === 'string' ? detail : error;
  return typeof told === 'string' && told.includes(' expired at ') ? `says that ${told}` : undefined;
}

/** The error that the master tells, if it is one of ours. */
function problemIn({ status }: Response, text: string): PulselaneError | undefined {
  if (TOLD_BY_STATUS.has(status)) return undefined;
  const { type, detail } = (jsonIn(text) ?? {}) as { type?: unknown; detail?: unknown };
  const code = typeof type === 'string' ? type.replace('urn:pulselane:error:', '') : '';
  if (!Object.hasOwn(ERRORS, code) || typeof detail !== 'string') return undefined;
  return new PulselaneError(code as ErrorCode, detail);
}
