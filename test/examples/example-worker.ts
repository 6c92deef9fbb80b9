/** What each example worker must do, whatever its language: tried with the worker as a process, against a real master. */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, type TestContext, test } from 'vitest';
import { hashOfToken, newToken } from '../../src/lib/tokens.ts';
import { workerTokenLine } from '../../src/model/identity.ts';
import { ACK_EVERY_MS } from '../../src/rpc/telemetry-service.ts';
import { CertificateAuthority } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { PulselaneProcess, portOf } from '../support/processes.ts';

export interface ExampleCommand {
  readonly file: string;
  readonly args: readonly string[];
  /** How its options begin: `--` or `-`. */
  readonly dashes: string;
}

/** A process that is ended with the test; what it prints is kept. */
export class ExampleProcess {
  printed = '';
  readonly #child;
  readonly #closed: Promise<number | null>;

  constructor(file: string, args: readonly string[], options: { cwd?: string; detached?: boolean } = {}) {
    this.#child = spawn(file, [...args], { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const output of [this.#child.stdout, this.#child.stderr]) {
      output.on('data', (chunk) => {
        this.printed += chunk;
      });
    }
    this.#closed = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('close', (code) => resolve(code));
    });
  }

  /** With those that it started, if it leads a group of its own (`detached`). */
  killGroup(): Promise<number | null> {
    if (this.#child.pid !== undefined && this.#child.exitCode === null) process.kill(-this.#child.pid, 'SIGKILL');
    return this.#closed;
  }

  end(signal: NodeJS.Signals): Promise<number | null> {
    this.#child.kill(signal);
    return this.ended();
  }

  /** Waits until it ends of its own accord. @returns the exit code; null if a signal ended it */
  ended(): Promise<number | null> {
    return this.#closed;
  }
}

interface WorkerDetail {
  readonly state: string;
  readonly facts: { readonly group: string; readonly labels: Record<string, string> };
  readonly heartbeats: { readonly accepted: number; readonly applied: number; readonly rejected: number };
  readonly record: { readonly metrics: Record<string, number>; readonly running_tasks: unknown[] };
}

export async function workerDetail(httpPort: number, id: string): Promise<WorkerDetail | undefined> {
  const response = await fetch(`http://127.0.0.1:${httpPort}/api/v1/workers/${id}`);
  return response.ok ? ((await response.json()) as WorkerDetail) : undefined;
}

export function testExampleWorker(command: () => ExampleCommand): void {
  /** Of one test: what it starts is ended with it. */
  async function stage({ onTestFinished }: TestContext) {
    const folder = await mkdtemp(join(tmpdir(), 'pulselane-example-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    return {
      folder,
      startMaster(settings: Record<string, string> = {}): PulselaneProcess {
        const master = new PulselaneProcess(['master'], {
          GRPC_PORT: '127.0.0.1:0',
          HTTP_PORT: '127.0.0.1:0',
          ALERTS: 'off',
          DATA_DIR: join(folder, 'data'),
          ...settings,
        });
        onTestFinished(() => master.close());
        return master;
      },
      startWorker(options: Record<string, string>): ExampleProcess {
        const { file, args, dashes } = command();
        const flags = Object.entries(options).flatMap(([name, value]) => [`${dashes}${name}`, value]);
        const worker = new ExampleProcess(file, [...args, ...flags]);
        onTestFinished(async () => void (await worker.end('SIGKILL')));
        return worker;
      },
    };
  }

  test.concurrent('reports labels, group, tasks and metrics at the interval of the master, and says farewell', async (context) => {
    const { startMaster, startWorker } = await stage(context);
    // Of its own accord it would take most of a minute for as many heartbeats.
    const master = startMaster({ HEARTBEAT_INTERVAL: '100ms' });
    const [grpcPort, httpPort] = [await portOf(master, 'grpc'), await portOf(master, 'http')];
    const worker = startWorker({ master: `127.0.0.1:${grpcPort}`, id: 'w', group: 'rack-1', label: 'team=render' });
    const detail = await eventually(async () => {
      const seen = await workerDetail(httpPort, 'w');
      return (seen?.heartbeats.applied ?? 0) >= 10 && seen;
    });
    expect(detail.state).toBe('active');
    expect(detail.facts).toMatchObject({ group: 'rack-1', labels: { team: 'render' } });
    expect(detail.record.metrics.processes).toBeGreaterThan(0);
    expect(detail.record.running_tasks).toMatchObject([{ task_id: 'example-task', status: 'running' }]);
    expect(await worker.end('SIGTERM')).toBe(0);
    expect((await workerDetail(httpPort, 'w'))?.state).toBe('left');
    expect(worker.printed).toBe('registered as w\n');
  });

  test.concurrent('says why it is refused, once, and reports as soon as it is approved; and again after its master is back', async (context) => {
    const { startMaster, startWorker } = await stage(context);
    const port = await freePort();
    const settings = { GRPC_PORT: `127.0.0.1:${port}`, HEARTBEAT_INTERVAL: '100ms' };
    const first = startMaster({ ...settings, ADMISSION: 'approved' });
    await portOf(first, 'grpc');
    const worker = startWorker({ master: `127.0.0.1:${port}`, id: 'w' });
    await eventually(() => worker.printed.includes('; trying again'));
    expect(worker.printed).toMatch(new RegExp(`^the master 127\\.0\\.0\\.1:${port} refuses this worker: .*\\bw\\b`));
    await first.close();
    await portOf(startMaster(settings), 'grpc');
    await eventually(() => worker.printed.includes('registered as w'));
    const said = worker.printed.split('\n').filter((line) => /permission/i.test(line));
    expect(said).toHaveLength(1);
  });

  test.concurrent('says once why the master rejects its values, and stays alive', async (context) => {
    const { startMaster, startWorker } = await stage(context);
    const processor = fileURLToPath(new URL('../support/processors/rude.mjs', import.meta.url));
    const intervalMs = 100;
    const master = startMaster({ HEARTBEAT_INTERVAL: `${intervalMs}ms`, PROCESSOR: processor });
    const [grpcPort, httpPort] = [await portOf(master, 'grpc'), await portOf(master, 'http')];
    const worker = startWorker({ master: `127.0.0.1:${grpcPort}`, id: 'w' });
    await eventually(() => worker.printed.includes('INVALID_ARGUMENT: processor: no'));
    // A stream is answered once in an ack period. After as many rejections as there are heartbeats in one, and a few more
    // for the answer's way, the master has said the same a second time.
    const rejected = async () => (await workerDetail(httpPort, 'w'))?.heartbeats.rejected ?? 0;
    const toldAgainAt = (await rejected()) + ACK_EVERY_MS / intervalMs + 5;
    await eventually(async () => (await rejected()) > toldAgainAt);
    expect(worker.printed.match(/the master rejects the values of heartbeats/g)).toHaveLength(1);
    expect(worker.printed).not.toContain('again');
    expect(await workerDetail(httpPort, 'w')).toMatchObject({
      last_rejection: {
        cause: 'content',
        reason: expect.stringContaining('processor: no'),
        sequence: expect.any(Number),
      },
    });
  });

  test.concurrent('shows its token, and takes only the master that its authority vouches for', async (context) => {
    const { folder, startMaster, startWorker } = await stage(context);
    const authority = await CertificateAuthority.create();
    context.onTestFinished(() => authority.remove());
    const { cert, key } = await authority.server();
    const token = newToken();
    const [tokens, tokenFile] = [join(folder, 'worker-tokens'), join(folder, 'w.token')];
    await writeFile(tokens, workerTokenLine({ kind: 'worker', id: 'w' }, hashOfToken(token)));
    await writeFile(tokenFile, `${token}\n`);
    const master = startMaster({ TLS_CERT: cert, TLS_KEY: key, WORKER_TOKENS_FILE: tokens });
    const address = `localhost:${await portOf(master, 'grpc')}`;
    const worker = startWorker({ master: address, id: 'w', 'tls-ca': authority.path, 'token-file': tokenFile });
    await master.logged(({ msg, worker: id }) => id === 'w' && msg === 'worker is active');
    await worker.end('SIGTERM');
    const other = await CertificateAuthority.create('another authority');
    context.onTestFinished(() => other.remove());
    const wary = startWorker({ master: address, id: 'w', 'tls-ca': other.path, 'token-file': tokenFile });
    await eventually(() => wary.printed.includes('trying again'));
    expect(wary.printed).not.toContain('registered');
  });

  test.concurrent('asks whether it is the HTTP port where that answers', async (context) => {
    const { startMaster, startWorker } = await stage(context);
    const port = await portOf(startMaster(), 'http');
    const worker = startWorker({ master: `127.0.0.1:${port}`, id: 'w' });
    await eventually(() => worker.printed.includes('trying again'));
    expect(worker.printed).toContain(`no gRPC answer from 127.0.0.1:${port}; is it the HTTP port?`);
  });

  test.concurrent.each(['127.0.0.1', '127.0.0.1:0', ':50051', '127.0.0.1:70000', 'http://127.0.0.1:50051', '::1'])(
    'refuses the address %s of a master',
    async (address) => {
      const { file, args, dashes } = command();
      const worker = new ExampleProcess(file, [...args, `${dashes}master`, address]);
      expect(await worker.end('SIGCONT')).toBe(2);
      expect(worker.printed).toContain('expected host:port, such as 10.0.0.5:50051');
    },
  );

  test.concurrent('without an id, is not taken for the agent of its machine', async (context) => {
    const { startMaster, startWorker } = await stage(context);
    const master = startMaster();
    const worker = startWorker({ master: `127.0.0.1:${await portOf(master, 'grpc')}` });
    await eventually(() => worker.printed.includes('registered as'));
    expect(worker.printed).toMatch(new RegExp(`registered as ${hostname()}-(python|go)\n`));
  });

  test.concurrent('names an option that cannot be right, and ends', async (context) => {
    const { folder, startWorker } = await stage(context);
    const worker = startWorker({ 'token-file': join(folder, 'nothing') });
    expect(await worker.ended()).toBe(2);
    expect(worker.printed).toContain(join(folder, 'nothing'));
    expect(worker.printed).not.toMatch(/Traceback|goroutine/);
  });
}
