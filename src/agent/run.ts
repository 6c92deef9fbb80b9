/** Runs `pulselane agent`: reports this machine to a master until a signal asks it to end. */
import type { Writable } from 'node:stream';
import { formatAddress } from '../config/kinds.ts';
import type { AgentConfig } from '../config/options.ts';
import { serviceManager } from '../config/service-manager.ts';
import { nameOf, settingText } from '../config/setting-names.ts';
import { dotenvWarnings } from '../config/sources.ts';
import { systemClock } from '../lib/clock.ts';
import { messageOf, PulselaneError } from '../lib/errors.ts';
import { createLogger, type Logger } from '../lib/logging.ts';
import { ServiceNotifier } from '../lib/service-notifier.ts';
import { checkWorkerId } from '../model/worker-id.ts';
import { checkGroup, checkLabels } from '../model/worker-info.ts';
import { freeMemory } from './free-memory.ts';
import { type CredentialSettings, isToken, readMasterCredentials } from './sender/credentials.ts';
import { type AgentSettings, checkAgentOptions, checkWish, type TlsOptions } from './settings.ts';
import { StandaloneAgent } from './standalone.ts';

const FREE_AFTER_MS = 3_000;

/** Where its log goes: readable lines on a terminal, else JSON. */
export type LogOutput = Writable & { readonly isTTY?: boolean };

/** What the command needs of the program around it, which alone knows signals and exit codes. */
export interface AgentCommandEnvironment {
  readonly stdout: LogOutput;
  /**
   * Resolves with the first signal that asks the program to end (a second one ends it at once), or with undefined after an
   * internal error.
   */
  readonly untilSignal: () => Promise<string | undefined>;
  /** Calls back at each signal to reload. Where there is none (in a terminal) it does nothing. */
  readonly onReloadSignal: (take: () => void) => void;
}

/**
 * Resolves after the farewell. After an internal error there is none: the master is to see a failure.
 * @throws PulselaneError `bad_setting` for a wrong setting, `environment` when it cannot listen
 */
export async function runAgent(config: AgentConfig, environment: AgentCommandEnvironment): Promise<void> {
  const { stdout, untilSignal, onReloadSignal } = environment;
  const logger = await loggerOf(config, stdout);
  for (const warning of dotenvWarnings()) logger.warn(warning);
  // What is wrong with the files already now is told at once, and not with each try.
  readMasterCredentials(checkedAccess(config), '');
  const agent = new StandaloneAgent({ settings: settingsOf(config), logger, clock: systemClock });
  // Before anything is started, so that no signal is missed.
  const signalled = untilSignal();
  onReloadSignal(() =>
    logger.info('SIGHUP: nothing to read again: token and certificates are read for each connection'),
  );
  const service = new ServiceNotifier({ manager: serviceManager(), clock: systemClock, logger });
  await agent.start();
  // By then the first heartbeat is out, where there is a master.
  systemClock.after(FREE_AFTER_MS, freeMemory);
  const status = `reporting ${config.workerId}`;
  service.ready(status);
  // Whatever hangs, each measurement ends in a bounded time (`MachineMeter`): if the loop turns, heartbeats are made.
  service.watch(() => ({ status, stuck: undefined }));
  const signal = await signalled;
  service.stopping();
  logger.info(signal === undefined ? 'ending after an internal error' : `${signal}: saying farewell`);
  await agent.stop({ saysFarewell: signal !== undefined });
}

async function loggerOf({ logLevel: level }: AgentConfig, stdout: LogOutput): Promise<Logger> {
  if (stdout.isTTY !== true) return createLogger({ level, destination: stdout });
  const { createReadableLogger } = await import('../lib/readable-logging.ts');
  return createReadableLogger({ level, destination: stdout });
}

/** Each of the files says that TLS is meant: nothing is to go out in the open because `--tls` was forgotten. */
function tlsOf({ tls, tlsCa: ca, tlsCert: cert, tlsKey: key }: AgentConfig): TlsOptions | undefined {
  return tls || ca !== undefined || cert !== undefined ? { ca, cert, key } : undefined;
}

function listenTlsOf({ listenTlsCert: cert, listenTlsKey: key, listenTlsClientCa: clientCa }: AgentConfig) {
  return cert === undefined || key === undefined ? undefined : { cert, key, clientCa };
}

function checkedAccess(config: AgentConfig): CredentialSettings {
  const { token, tokenFile, names } = config;
  if (token !== undefined && !isToken(token)) {
    throw new PulselaneError('bad_setting', 'WORKER_TOKEN: expected one token of visible ASCII characters');
  }
  const tls = tlsOf(config);
  return { tls: tls && { ca: tls.ca, cert: tls.cert, key: tls.key, verify: true }, token, tokenFile, names };
}

/** The two belong together: what a large exporter has is not sent by mistake. */
function scrapeOf({ scrape: urls, scrapeMetrics: metrics, scrapeIntervalMs: intervalMs, names }: AgentConfig) {
  if (urls === undefined && metrics === undefined) return undefined;
  if (urls === undefined || metrics === undefined || metrics.length === 0) {
    const [given, missing] =
      urls === undefined ? ['AGENT_SCRAPE_METRICS', 'AGENT_SCRAPE'] : ['AGENT_SCRAPE', 'AGENT_SCRAPE_METRICS'];
    const example = urls === undefined ? 'http://localhost:9100/metrics' : 'node_load1,DCGM_FI_DEV_*';
    throw new PulselaneError('bad_setting', `${nameOf(names, given)} requires ${missing}, such as ${example}`);
  }
  return { urls, metrics: metrics.map(({ text }) => text), intervalMs };
}

function settingsOf(config: AgentConfig): AgentSettings {
  const { workerId, masters, listen, intervalMs, labels, group, ephemeral, isolate, gpuToolPath, token, tokenFile } =
    config;
  const { names } = config;
  const name = (variable: string) => nameOf(names, variable);
  ofSetting(name('WORKER_LABELS'), () => checkLabels(labels));
  ofSetting(name('WORKER_GROUP'), () => checkGroup(group));
  ofSetting(settingText(names, 'WORKER_ID', workerId), () => checkWorkerId(workerId));
  if (isolate) ofSetting(`${name('WORKER_ISOLATE')} and ${name('WORKER_LABELS')}`, () => checkWish(labels));
  const scrape = scrapeOf(config);
  // All else was checked when the settings were read; but labels of which each fits may be too much together.
  return ofSetting(name('WORKER_LABELS'), () => {
    const options = {
      workerId,
      master: masters?.map(formatAddress),
      listen: listen && formatAddress(listen),
      listenTls: listenTlsOf(config),
      intervalMs,
      labels,
      group,
      ephemeral,
      isolate,
      gpuToolPath,
      tls: tlsOf(config),
      token,
      tokenFile,
      hub: { socket: config.socket, local: config.local && formatAddress(config.local) },
      scrape,
    };
    return checkAgentOptions(options, names ?? {});
  });
}

/** @throws PulselaneError `bad_setting`, naming the setting */
function ofSetting<T>(setting: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new PulselaneError('bad_setting', `${setting}: ${messageOf(error)}`);
  }
}
