/** The HTTP API of a master, as the client commands call it: the seed's routes, and what there is beside them. */
import type { Clock } from '../../lib/clock.ts';
import { messageOf, PulselaneError } from '../../lib/errors.ts';
import type { Answer } from '../views/from-api.ts';

/** A master answers within milliseconds; a wrong address may never. */
const TIMEOUT_MS = 5000;

export class ApiClient {
  readonly #url: string;
  readonly #clock: Clock;

  /** @param url the origin, such as `http://127.0.0.1:8080` */
  constructor(url: string, clock: Clock) {
    this.#url = url;
    this.#clock = clock;
  }

  /** `/health` is 503 and tells the same when the master is stuck. */
  health(): Promise<Answer> {
    return this.#get('/health', [200, 503]);
  }

  workers(): Promise<Answer> {
    return this.#get('/workers', [200]);
  }

  telemetry(): Promise<Answer> {
    return this.#get('/telemetry', [200]);
  }

  async workerTelemetry(workerId: string): Promise<Answer> {
    const { status, answer } = await this.#request(`/telemetry/${encodeURIComponent(workerId)}`, [200, 404]);
    if (status === 404) throw new PulselaneError('not_found', `no worker is called ${workerId}`);
    return answer;
  }

  /** What the seed does not know of a worker; undefined if the master is one of the seed. */
  async workerDetail(workerId: string): Promise<Answer | undefined> {
    const { status, answer } = await this.#request(`/api/v1/workers/${encodeURIComponent(workerId)}`, [200, 404]);
    return status === 404 ? undefined : answer;
  }

  /** The newest `limit` events. */
  events(limit: number): Promise<Answer> {
    return this.#get(`/api/v1/events?limit=${limit}`, [200]);
  }

  async #get(path: string, expected: readonly number[]): Promise<Answer> {
    return (await this.#request(path, expected)).answer;
  }

  /** @throws PulselaneError `environment`, naming the URL */
  async #request(path: string, expected: readonly number[]): Promise<{ status: number; answer: Answer }> {
    const abort = new AbortController();
    const timer = this.#clock.after(TIMEOUT_MS, () => abort.abort());
    try {
      const response = await this.#fetch(path, abort.signal);
      const text = await response.text();
      if (!expected.includes(response.status)) throw this.#failure(path, `answers ${response.status}`);
      const atUnixMs = Date.parse(response.headers.get('date') ?? '');
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
        ? this.#failure(path, `did not answer within ${TIMEOUT_MS / 1000} s`)
        : this.#failure(path, `broke off: ${messageOf(error)}`);
    } finally {
      timer.cancel();
    }
  }

  async #fetch(path: string, signal: AbortSignal): Promise<Response> {
    try {
      return await fetch(this.#url + path, { signal, redirect: 'error' });
    } catch (error) {
      if (signal.aborted) throw error;
      throw new PulselaneError(
        'environment',
        `no master answers at ${this.#url} (${reasonOf(error)}); "pulselane master" starts one, --url names another`,
        { cause: error },
      );
    }
  }

  #parse(path: string, text: string): unknown {
    try {
      return JSON.parse(text);
    } catch {
      throw this.#failure(path, 'does not answer with JSON');
    }
  }

  #failure(path: string, what: string): PulselaneError {
    return new PulselaneError('environment', `${this.#url}${path} ${what}; is a master there? --url names another`);
  }
}

/** What lies behind the "fetch failed" of fetch. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  return code ?? messageOf(cause ?? error);
}
