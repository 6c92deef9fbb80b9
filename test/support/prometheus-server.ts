/** A real Prometheus of its own for a test file, and promtool. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';

export interface PrometheusOptions {
  /** `prometheus.yml` as YAML or JSON text; a function gets the folder in which `files` stand. Without it, nothing is scraped. */
  readonly config?: string | ((folder: string) => string);
  /** Further files beside the configuration, by name: rule files, targets. */
  readonly files?: Readonly<Record<string, string>>;
  /** Takes remote write at `/api/v1/write`. */
  readonly receivesRemoteWrite?: boolean;
  /** Values of `--enable-feature`, for example `native-histograms`. */
  readonly features?: readonly string[];
}

/** One series of an instant query. */
export interface PrometheusSample {
  readonly metric: Readonly<Record<string, string>>;
  readonly timeSeconds: number;
  /** NaN for native histograms, which have `histogram`. */
  readonly value: number;
  readonly histogram?: Readonly<Record<string, unknown>>;
}

/** Runs the server until stdin ends, which also happens when the test process dies; then removes its folder. */
export const SUPERVISOR = `
folder=$1; shift
"$@" </dev/null >>"$folder/log" 2>&1 &
server=$!
read -r end
kill -KILL $server; wait $server 2>/dev/null
cd / && rm -rf "$folder"`;

export class PrometheusServer {
  readonly port: number;
  readonly folder: string;
  readonly #options: PrometheusOptions;
  #supervisor: ChildProcess | undefined;

  private constructor(port: number, folder: string, options: PrometheusOptions) {
    this.port = port;
    this.folder = folder;
    this.#options = options;
  }

  /** Resolves when it answers queries. */
  static async start(options: PrometheusOptions = {}): Promise<PrometheusServer> {
    // Between the look for a free port and its use somebody else may take it.
    for (let attempt = 1; ; attempt++) {
      const folder = mkdtempSync(join(tmpdir(), 'pulselane-prometheus-'));
      const server = new PrometheusServer(await freePort(), folder, options);
      try {
        await server.#run();
        return server;
      } catch (error) {
        const log = server.log;
        await server.close();
        if (attempt < 3 && log.includes('address already in use')) continue;
        throw new Error(`${(error as Error).message}\n${log.slice(-2000)}`);
      }
    }
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get log(): string {
    return readFileSync(join(this.folder, 'log'), 'utf8');
  }

  async #run(): Promise<void> {
    const { config = '{}', files = {}, receivesRemoteWrite = false, features = [] } = this.#options;
    for (const [name, content] of Object.entries(files)) writeFileSync(join(this.folder, name), content);
    const text = typeof config === 'string' ? config : config(this.folder);
    writeFileSync(join(this.folder, 'prometheus.yml'), text);
    writeFileSync(join(this.folder, 'log'), '');
    const command = [
      'prometheus',
      `--config.file=${join(this.folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(this.folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${this.port}`,
      '--web.enable-lifecycle',
      ...(receivesRemoteWrite ? ['--web.enable-remote-write-receiver'] : []),
      ...(features.length > 0 ? [`--enable-feature=${features.join(',')}`] : []),
    ];
    const supervisor = spawn('/bin/sh', ['-c', SUPERVISOR, 'sh', this.folder, ...command], {
      cwd: '/',
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#supervisor = supervisor;
    // It may have ended already.
    supervisor.stdin?.on('error', () => undefined);
    await eventually(async () => {
      if (/level=error|level=ERROR|error parsing flag/i.test(this.log)) throw new Error('Prometheus does not start');
      const answer = await fetch(`${this.url}/-/ready`).catch(() => undefined);
      await answer?.arrayBuffer();
      return answer?.ok;
    });
  }

  /** @returns the series of an instant query. @throws Error with Prometheus's words */
  async query(expression: string): Promise<PrometheusSample[]> {
    const { resultType, result } = (await this.api('query', { query: expression })) as QueryData;
    if (resultType === 'scalar') {
      const [at, value] = result as unknown as [number, string];
      return [{ metric: {}, timeSeconds: at, value: numberOf(value) }];
    }
    return result.map(({ metric, value, histogram }) => ({
      metric,
      timeSeconds: (value ?? histogram)?.[0] ?? Number.NaN,
      value: value === undefined ? Number.NaN : numberOf(value[1]),
      ...(histogram === undefined ? {} : { histogram: histogram[1] }),
    }));
  }

  /** @returns the samples of each series over a time, as Prometheus's text: also NaN and stale markers, which it leaves out */
  async range(expression: string, startSeconds: number, endSeconds: number, step: string): Promise<RangeSeries[]> {
    const range = { query: expression, start: String(startSeconds), end: String(endSeconds), step };
    const { result } = (await this.api('query_range', range)) as { result: RangeSeries[] };
    return result;
  }

  /** `data` of the answer of `/api/v1/<path>`. */
  async api(path: string, parameters: Readonly<Record<string, string>> = {}): Promise<unknown> {
    const response = await fetch(`${this.url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const text = await response.text();
    if (!text.startsWith('{')) throw new Error(`${path}: ${response.status} ${text.slice(0, 500)}`);
    const answer = JSON.parse(text) as { status: string; data: unknown; error?: string };
    if (answer.status !== 'success') throw new Error(`${path}: ${answer.error}`);
    return answer.data;
  }

  /** What it says of each target that it scrapes. */
  async targets(): Promise<PrometheusTarget[]> {
    return ((await this.api('targets')) as { activeTargets: PrometheusTarget[] }).activeTargets;
  }

  /** Waits until each target was scraped without an error. @throws Error with the first target's error */
  async scraped(): Promise<void> {
    await eventually(async () => {
      const targets = await this.targets();
      const failed = targets.find(({ lastError }) => lastError !== '');
      if (failed !== undefined) throw new Error(`${failed.scrapeUrl}: ${failed.lastError}`);
      return targets.length > 0 && targets.every(({ health }) => health === 'up');
    });
  }

  /** Ends it and removes its folder. */
  async close(): Promise<void> {
    const supervisor = this.#supervisor;
    this.#supervisor = undefined;
    if (supervisor !== undefined) {
      const ended = new Promise((resolve) => supervisor.once('exit', resolve));
      if (supervisor.exitCode === null) {
        supervisor.stdin?.end();
        await ended;
      }
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

interface QueryData {
  readonly resultType: string;
  readonly result: readonly {
    readonly metric: Record<string, string>;
    readonly value?: [number, string];
    readonly histogram?: [number, Record<string, unknown>];
  }[];
}

export interface RangeSeries {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [timeSeconds: number, value: string])[];
}

export interface PrometheusTarget {
  readonly scrapeUrl: string;
  readonly health: 'up' | 'down' | 'unknown';
  readonly lastError: string;
  readonly labels: Readonly<Record<string, string>>;
}

/**
 * A configuration (JSON is YAML) that scrapes `host:port` targets often. Prometheus begins to scrape up to 5 s after its
 * start, so a test file should have one server for many targets, started in `beforeAll`.
 */
export function scrapeConfig(
  targets: readonly string[],
  job: Readonly<Record<string, unknown>> = {},
  rest: Readonly<Record<string, unknown>> = {},
): string {
  return JSON.stringify({
    global: { scrape_interval: '500ms', scrape_timeout: '500ms', evaluation_interval: '500ms' },
    scrape_configs: [{ job_name: 'pulselane', static_configs: [{ targets }], ...job }],
    ...rest,
  });
}

/** Numbers as Prometheus writes them. */
function numberOf(text: string): number {
  if (text === '+Inf') return Number.POSITIVE_INFINITY;
  if (text === '-Inf') return Number.NEGATIVE_INFINITY;
  return Number(text);
}

/** Runs promtool. `output` is what it wrote to stdout and stderr. */
export function promtool(args: readonly string[], stdin?: string | Uint8Array): { status: number; output: string } {
  const { status, stdout, stderr, error } = spawnSync('promtool', args, { input: stdin, encoding: 'utf8' });
  if (error !== undefined) throw error;
  return { status: status ?? -1, output: `${stdout}${stderr}` };
}
