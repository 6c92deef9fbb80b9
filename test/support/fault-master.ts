/**
 * A master as a process of its own that can be blocked, stopped, killed and started again on the same ports and data
 * directory.
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Child } from '../../bench/lib/child.ts';
import type { WorkerEvent } from '../../src/model/events.ts';
import type { FaultMasterCalls, MasterPorts, MasterUsage } from './fault-master/process.ts';
import { freePort } from './free-port.ts';

type Settings = Readonly<Record<string, string>>;

export class FaultMaster {
  readonly #settings: Settings;
  readonly dataDir: string;
  #ports: MasterPorts;
  #child: Child<FaultMasterCalls> | undefined;
  /** What `get` shows; undefined: nothing. */
  apiToken: string | undefined;

  private constructor(settings: Settings, dataDir: string, ports: MasterPorts) {
    this.#settings = settings;
    this.dataDir = dataDir;
    this.#ports = ports;
  }

  /** `settings` as in the environment. Lanes are few: they are not what is looked at. */
  static async start(settings: Settings): Promise<FaultMaster> {
    const dataDir = mkdtempSync(join(tmpdir(), 'pulselane-faults-'));
    const ports = { grpcPort: await freePort(), httpPort: await freePort() };
    const master = new FaultMaster({ MAX_DEDICATED_LANES: '0', SHARED_LANES: '1', ...settings }, dataDir, ports);
    try {
      await master.startAgain();
      return master;
    } catch (error) {
      await master.close();
      throw error;
    }
  }

  get grpcPort(): number {
    return this.#ports.grpcPort;
  }

  get httpPort(): number {
    return this.#ports.httpPort;
  }

  get pid(): number {
    return this.#running.pid;
  }

  /** After `kill` or `stop`. */
  async startAgain(): Promise<void> {
    const { grpcPort, httpPort } = this.#ports;
    const addresses = { GRPC_PORT: `127.0.0.1:${grpcPort}`, HTTP_PORT: `127.0.0.1:${httpPort}` };
    this.#child = new Child(new URL('fault-master/process.ts', import.meta.url).href, ['--expose-gc']);
    await this.#child.call('start', { ...addresses, ALERTS: 'off', DATA_DIR: this.dataDir, ...this.#settings });
  }

  /** Its main thread does nothing else for so long. */
  block(forMs: number): Promise<void> {
    return this.#running.call('block', forMs);
  }

  /** SIGSTOP, and SIGCONT after so long: by a process of its own, so that none is left stopped whatever happens here. */
  async pause(forMs: number): Promise<void> {
    const { pid } = this.#running;
    const script = `kill -STOP ${pid}; sleep ${forMs / 1000}; kill -CONT ${pid}`;
    const [code] = await once(spawn('sh', ['-c', script], { stdio: 'ignore' }), 'exit');
    if (code !== 0) throw new Error(`the master could not be stopped and continued: ${code}`);
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    await this.#running.kill();
    this.#child = undefined;
  }

  /** As an operator stops it. */
  async stop(): Promise<void> {
    await this.#running.stop();
    this.#child = undefined;
  }

  jumpWallClock(byMs: number): Promise<void> {
    return this.#running.call('jumpWallClock', byMs);
  }

  /** As an operator does. */
  async releaseBrakes(): Promise<void> {
    await this.#running.call('releaseBrakes');
  }

  /** After a garbage collection. */
  usage(): Promise<MasterUsage> {
    return this.#running.call('usage');
  }

  // biome-ignore lint/suspicious/noExplicitAny: what the API answers is what tests look at
  async get(path: string): Promise<any> {
    const headers: Record<string, string> =
      this.apiToken === undefined ? {} : { authorization: `Bearer ${this.apiToken}` };
    const response = await fetch(`http://127.0.0.1:${this.#ports.httpPort}${path}`, { headers });
    const text = await response.text();
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }

  /** All events since this life of it began, oldest first. */
  async events(): Promise<readonly WorkerEvent[]> {
    return this.#running.call('events');
  }

  /** Ids of the workers that it knows. */
  knownIds(): Promise<string[]> {
    return this.#running.call('knownIds');
  }

  /** Ends it, and forgets what it kept. */
  async close(): Promise<void> {
    await this.#child?.kill();
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  get #running(): Child<FaultMasterCalls> {
    if (this.#child === undefined) throw new Error('the master does not run');
    return this.#child;
  }
}
