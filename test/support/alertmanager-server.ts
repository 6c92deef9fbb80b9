/** A real Alertmanager of its own for a test file, and amtool. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';
import { SUPERVISOR } from './prometheus-server.ts';

/** As amtool and the API show it. */
export interface AlertmanagerAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly generatorURL: string;
  readonly status: { readonly state: 'unprocessed' | 'active' | 'suppressed' };
}

export interface AlertmanagerOptions {
  /** URL of a webhook that it tells of each alert; by default nobody is told. */
  readonly webhook?: string;
  /** `--web.config.file` as YAML. */
  readonly webConfig?: string;
}

export class AlertmanagerServer implements AsyncDisposable {
  readonly port: number;
  readonly folder: string;
  #supervisor: ChildProcess | undefined;

  private constructor(port: number, folder: string) {
    this.port = port;
    this.folder = folder;
  }

  /** Resolves when it takes alerts. */
  static async start(options: AlertmanagerOptions = {}): Promise<AlertmanagerServer> {
    // Between the look for a free port and its use somebody else may take it.
    for (let attempt = 1; ; attempt++) {
      const server = new AlertmanagerServer(await freePort(), mkdtempSync(join(tmpdir(), 'pulselane-alertmanager-')));
      try {
        await server.#run(options);
        return server;
      } catch (error) {
        const log = server.log;
        await server[Symbol.asyncDispose]();
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

  /** What amtool lists: alerts that fire. */
  alerts(): readonly AlertmanagerAlert[] {
    const args = ['alert', 'query', '--alertmanager.url', this.url, '--output', 'json'];
    const { status, stdout, stderr } = spawnSync('amtool', args, { encoding: 'utf8' });
    if (status !== 0) throw new Error(`amtool: ${stderr}`);
    return JSON.parse(stdout) as AlertmanagerAlert[];
  }

  async #run({ webhook, webConfig }: AlertmanagerOptions): Promise<void> {
    const config = {
      route: { receiver: 'test', group_by: ['...'], group_wait: '0s', group_interval: '1s', repeat_interval: '1h' },
      receivers: [{ name: 'test', ...(webhook === undefined ? {} : { webhook_configs: [{ url: webhook }] }) }],
    };
    writeFileSync(join(this.folder, 'alertmanager.yml'), JSON.stringify(config));
    writeFileSync(join(this.folder, 'web.yml'), webConfig ?? '{}');
    writeFileSync(join(this.folder, 'log'), '');
    mkdirSync(join(this.folder, 'data'));
    const command = [
      'prometheus-alertmanager',
      `--config.file=${join(this.folder, 'alertmanager.yml')}`,
      `--web.config.file=${join(this.folder, 'web.yml')}`,
      `--storage.path=${join(this.folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${this.port}`,
      '--cluster.listen-address=',
    ];
    const supervisor = spawn('/bin/sh', ['-c', SUPERVISOR, 'sh', this.folder, ...command], {
      cwd: '/',
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#supervisor = supervisor;
    // It may have ended already.
    supervisor.stdin?.on('error', () => undefined);
    await eventually(async () => {
      if (/level=error/i.test(this.log)) throw new Error('Alertmanager does not start');
      const answer = await fetch(`${this.url}/-/ready`).catch(() => undefined);
      await answer?.arrayBuffer();
      // A server that asks for a password is there, too.
      return answer?.ok || answer?.status === 401;
    });
  }

  /** Ends it and removes its folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    const supervisor = this.#supervisor;
    this.#supervisor = undefined;
    if (supervisor !== undefined && supervisor.exitCode === null) {
      const ended = new Promise((resolve) => supervisor.once('exit', resolve));
      supervisor.stdin?.end();
      await ended;
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}
