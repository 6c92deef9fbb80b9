/** A real Alertmanager with the configuration of deploy/prometheus/, and the receiver of its messages. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { parse, stringify } from 'yaml';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/free-port.ts';
import { SUPERVISOR } from '../support/prometheus-server.ts';
import type { Json } from './dashboards.ts';
import { PROMETHEUS_FOLDER } from './prometheus-rules.ts';

/** An alert in a message, or as Alertmanager has it. */
export interface Alert {
  readonly status: string | { readonly state: string; readonly inhibitedBy: readonly string[] };
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export class Alertmanager {
  readonly address: string;
  /** Each alert of each message that it sent, in order. */
  readonly sent: Alert[] = [];
  readonly #folder: string;
  readonly #supervisor: ChildProcess;
  readonly #receiver: Server;

  private constructor(address: string, folder: string, supervisor: ChildProcess, receiver: Server) {
    this.address = address;
    this.#folder = folder;
    this.#supervisor = supervisor;
    this.#receiver = receiver;
    receiver.on('request', async (request, response) => {
      const { alerts } = (await json(request)) as { alerts: Alert[] };
      this.sent.push(...alerts);
      response.end();
    });
  }

  /** With all waiting times short. */
  static async start(): Promise<Alertmanager> {
    const folder = mkdtempSync(join(tmpdir(), 'pulselane-alertmanager-'));
    const receiver = createServer();
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    const config = parse(readFileSync(`${PROMETHEUS_FOLDER}alertmanager.yml`, 'utf8')) as Json;
    for (const route of [config.route, ...config.route.routes])
      Object.assign(route, { group_wait: '100ms', group_interval: '1s' });
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}`;
    config.receivers[0].webhook_configs = [{ url, send_resolved: true }];
    writeFileSync(join(folder, 'alertmanager.yml'), stringify(config));
    writeFileSync(join(folder, 'log'), '');
    const address = `127.0.0.1:${await freePort()}`;
    const command = [
      'prometheus-alertmanager',
      `--config.file=${join(folder, 'alertmanager.yml')}`,
      `--storage.path=${join(folder, 'data')}`,
      `--web.listen-address=${address}`,
      '--cluster.listen-address=',
    ];
    const supervisor = spawn('/bin/sh', ['-c', SUPERVISOR, 'sh', folder, ...command], {
      cwd: '/',
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    // It may have ended already.
    supervisor.stdin?.on('error', () => undefined);
    const started = new Alertmanager(address, folder, supervisor, receiver);
    try {
      await eventually(async () => {
        const answer = await fetch(`http://${address}/-/ready`).catch(() => undefined);
        await answer?.arrayBuffer();
        return answer?.ok;
      });
    } catch (error) {
      const log = readFileSync(join(folder, 'log'), 'utf8');
      await started.close();
      throw new Error(`${(error as Error).message}\n${log.slice(-2000)}`);
    }
    return started;
  }

  /** All that it has now. */
  async alerts(): Promise<Alert[]> {
    return (await (await fetch(`http://${this.address}/api/v2/alerts`)).json()) as Alert[];
  }

  async close(): Promise<void> {
    this.#receiver.close();
    this.#receiver.closeAllConnections();
    if (this.#supervisor.exitCode === null) {
      const ended = new Promise((resolve) => this.#supervisor.once('exit', resolve));
      this.#supervisor.stdin?.end();
      await ended;
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
