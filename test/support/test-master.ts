/**
 * A real master in a process of its own, for tests of what it shows: at an address that stays the same when it is stopped or killed and
 * started again. Heartbeats are sent over HTTP when the test says so; for many workers that send by themselves see `sim-fleet.ts`.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { apiTokenLine, hashOfToken, newToken } from '../../src/lib/tokens.ts';
import { freePort } from './free-port.ts';
import { PulselaneProcess, portOf } from './processes.ts';

/** As `POST /api/v1/heartbeats` takes it, see docs/languages.md. */
export interface HeartbeatJson {
  readonly worker_id: string;
  readonly cpu_usage?: number;
  readonly memory_usage?: number;
  readonly [key: string]: unknown;
}

export interface TestMasterOptions {
  /** Settings beside those of a test. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Whether API tokens are needed: {@link TestMaster.readerToken}, {@link TestMaster.operatorToken}. */
  readonly hasTokens?: boolean;
}

export class TestMaster {
  readonly url: string;
  readonly grpcPort: number;
  /** Shows everything, changes nothing. */
  readonly readerToken = newToken();
  readonly operatorToken = newToken();
  readonly #folder = mkdtempSync(join(tmpdir(), 'pulselane-test-master-'));
  readonly #environment: Readonly<Record<string, string>>;
  #process: PulselaneProcess | undefined;

  private constructor(httpPort: number, grpcPort: number, { environment = {}, hasTokens = false }: TestMasterOptions) {
    this.url = `http://127.0.0.1:${httpPort}`;
    this.grpcPort = grpcPort;
    this.#environment = {
      HTTP_PORT: `127.0.0.1:${httpPort}`,
      GRPC_PORT: `127.0.0.1:${grpcPort}`,
      DATA_DIR: join(this.#folder, 'data'),
      MAX_DEDICATED_LANES: '0',
      ...(hasTokens ? { API_TOKENS_FILE: this.#tokensFile() } : {}),
      ...environment,
    };
  }

  static async start(options: TestMasterOptions = {}): Promise<TestMaster> {
    const master = new TestMaster(await freePort(), await freePort(), options);
    try {
      await master.start();
    } catch (error) {
      await master.close();
      throw error;
    }
    return master;
  }

  /** At the same address, with the same data. Resolves when it answers. */
  async start(): Promise<void> {
    this.#process = new PulselaneProcess(['master'], this.#environment);
    await portOf(this.#process, 'http');
    await portOf(this.#process, 'grpc');
  }

  /** As `systemctl stop` does. Resolves when it has ended. */
  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  /** As the kernel does where memory is short. */
  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** Of the process that runs; undefined: none does. */
  get pid(): number | undefined {
    return this.#process?.process.pid;
  }

  async send(...heartbeats: readonly HeartbeatJson[]): Promise<void> {
    const answer = await this.#ask('POST', '/api/v1/heartbeats', heartbeats);
    const { refused } = answer as { readonly refused: readonly unknown[] };
    if (refused.length > 0) throw new Error(`refused: ${JSON.stringify(refused)}`);
  }

  /** The answer as an operator gets it. */
  get(path: string): Promise<unknown> {
    return this.#ask('GET', path);
  }

  post(path: string, body: unknown = {}): Promise<unknown> {
    return this.#ask('POST', path, body);
  }

  /** For the end of a test, whatever happened in it. */
  async close(): Promise<void> {
    await this.#process?.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const ending = this.#process;
    this.#process = undefined;
    ending?.process.kill(signal);
    await ending?.ended();
    await ending?.close();
  }

  async #ask(method: 'GET' | 'POST', path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(this.url + path, {
      method,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${this.operatorToken}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  #tokensFile(): string {
    const file = join(this.#folder, 'api-tokens');
    const lines = [
      apiTokenLine({ name: 'reader', scopes: ['read'], hash: hashOfToken(this.readerToken) }),
      apiTokenLine({ name: 'operator', scopes: ['operate'], hash: hashOfToken(this.operatorToken) }),
    ];
    writeFileSync(file, `${lines.join('\n')}\n`);
    return file;
  }
}
