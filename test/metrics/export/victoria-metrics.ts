/** A real VictoriaMetrics of its own for a test file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/free-port.ts';

export class VictoriaMetrics {
  readonly url: string;
  readonly #folder: string;
  readonly #process: ChildProcess;

  private constructor(url: string, folder: string, process: ChildProcess) {
    this.url = url;
    this.#folder = folder;
    this.#process = process;
  }

  static async start(program = 'victoria-metrics'): Promise<VictoriaMetrics> {
    const folder = mkdtempSync(join(tmpdir(), 'pulselane-victoria-'));
    const address = `127.0.0.1:${await freePort()}`;
    const child = spawn(
      program,
      [
        `-storageDataPath=${folder}`,
        `-httpListenAddr=${address}`,
        '-search.latencyOffset=0s',
        '-memory.allowedBytes=64MB',
      ],
      { stdio: 'ignore' },
    );
    const server = new VictoriaMetrics(`http://${address}`, folder, child);
    await eventually(async () => (await fetch(`${server.url}/health`).catch(() => undefined))?.ok);
    return server;
  }

  /** The values of an instant query, by the label `worker`. */
  async values(expression: string): Promise<Record<string, number>> {
    return Object.fromEntries((await this.query(expression)).map(({ labels, value }) => [labels.worker ?? '', value]));
  }

  async query(expression: string): Promise<{ labels: Record<string, string>; value: number }[]> {
    // What came is shown about a second later, unless asked for.
    await (await fetch(`${this.url}/internal/force_flush`)).arrayBuffer();
    const query = new URLSearchParams({ query: expression, nocache: '1' });
    const response = await fetch(`${this.url}/api/v1/query?${query}`);
    const { data } = (await response.json()) as {
      data: { result: { metric: Record<string, string>; value: [number, string] }[] };
    };
    return data.result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }));
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    if (this.#process.exitCode === null) {
      this.#process.kill('SIGKILL');
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
