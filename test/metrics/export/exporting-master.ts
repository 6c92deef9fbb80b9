/** A whole master, from settings, that exports what its workers send. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startMaster } from '../../../src/app/master.ts';
import type { RunningMaster } from '../../../src/app/running-master.ts';
import { masterConfig } from '../../../src/config/resolve.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { type KeptLine, keptLog } from '../../support/kept-log.ts';

export class ExportingMaster {
  readonly folder: string;
  readonly #settings: Readonly<Record<string, string>>;
  #master: RunningMaster | undefined;
  #log: KeptLine[] = [];

  private constructor(folder: string, settings: Readonly<Record<string, string>>) {
    this.folder = folder;
    this.#settings = settings;
  }

  static async start(settings: Readonly<Record<string, string>>): Promise<ExportingMaster> {
    const one = new ExportingMaster(await mkdtemp(join(tmpdir(), 'pulselane-export-')), settings);
    await one.start();
    return one;
  }

  get master(): RunningMaster {
    if (this.#master === undefined) throw new Error('the master is stopped');
    return this.#master;
  }

  /** Also after a stop, with the same data. */
  async start(): Promise<void> {
    const environment: Record<string, string> = {
      GRPC_PORT: '127.0.0.1:0',
      HTTP_PORT: 'off',
      HISTORY: 'off',
      ALERTS: 'off',
      DATA_DIR: join(this.folder, 'data'),
      MAX_DEDICATED_LANES: '0',
      SHARED_LANES: '1',
      ...this.#settings,
    };
    const log = keptLog();
    const config = masterConfig({ flags: {}, environment, dotenv: {} });
    // Users are not offered rounds as short as tests need them.
    const remoteWriteIntervalMs = environment.REMOTE_WRITE_INTERVAL === undefined ? 100 : config.remoteWriteIntervalMs;
    this.#master = await startMaster({ ...config, remoteWriteIntervalMs }, { logger: log.logger, clock: systemClock });
    this.#log = log.lines;
  }

  messages(level: string): string[] {
    return this.#log.filter((line) => line.level === level).map(({ msg }) => msg);
  }

  async stop(): Promise<void> {
    await this.#master?.stop();
    this.#master = undefined;
  }

  async close(): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }
}
