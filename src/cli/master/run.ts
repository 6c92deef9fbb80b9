/** The life of `pulselane master`: start, show itself, wait for the wish to end, stop in order. */
import { hasReloadableFiles } from '../../app/credentials.ts';
import type { startMaster } from '../../app/master.ts';
import type { RunningMaster } from '../../app/running-master.ts';
import { type Address, formatAddress } from '../../config/kinds.ts';
import type { MasterConfig } from '../../config/options.ts';
import type { ServiceManager } from '../../config/service-manager.ts';
import { type Clock, endsWithin } from '../../lib/clock.ts';
import { messageOf, PulselaneError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/logging.ts';
import { ServiceNotifier } from '../../lib/service-notifier.ts';
import { ReloadSignal } from '../reload-signal.ts';
import type { StopSignals } from '../stop-signals.ts';
import type { Streams } from '../streams.ts';
import { callable } from './announcement.ts';
import { type TerminalMode, terminalModeOf } from './terminal-mode.ts';

/** An agent in this process, reporting this machine. */
export interface LocalAgent {
  /** Says farewell. */
  stop(): Promise<void>;
}

export interface LocalAgentParts {
  /** `host:port` of the master. */
  readonly master: string;
  readonly workerId: string;
  readonly gpuToolPath: string;
  /** Path of the socket for programs of this machine; undefined: the usual one. */
  readonly socket?: string | undefined;
  readonly local?: Address | undefined;
  readonly intervalMs: number;
  /** TLS, without a look at the certificate: the process calls itself. */
  readonly isEncrypted: boolean;
  readonly token: string | undefined;
  readonly logger: Logger;
}

export interface MasterParts {
  readonly streams: Streams;
  readonly clock: Clock;
  readonly signals: StopSignals;
  readonly startMaster: typeof startMaster;
  readonly startLocalAgent: (options: LocalAgentParts) => Promise<LocalAgent>;
  /** Who started this process and waits to be told how it does; undefined: nobody. */
  readonly serviceManager?: ServiceManager | undefined;
  /** `/proc/self/stat` of this process; undefined: nothing is known of its terminal. */
  readonly processStat?: string | undefined;
  /** The master is about to be stopped for good. */
  readonly onStopping?: () => void;
}

export interface MasterRun {
  readonly config: MasterConfig;
  /** How this machine reports itself; undefined: it does not. */
  readonly localAgent: Pick<LocalAgentParts, 'workerId' | 'gpuToolPath' | 'socket' | 'local'> | undefined;
  /** What is most likely not meant, a line each. */
  readonly warnings?: readonly string[];
}

/** A farewell takes milliseconds; a hanging one must not eat the master's own time to stop. */
const FAREWELL_WITHIN_MS = 1500;

/** A start takes a second or two; the whole end has 10 s. */
const START_AFTER_WISH_WITHIN_MS = 5000;

/** Resolves once everything has stopped. @throws PulselaneError when it cannot start, or cannot go on */
export async function runMaster(run: MasterRun, parts: MasterParts): Promise<void> {
  const { config, warnings = [] } = run;
  const { streams, clock, signals, processStat } = parts;
  const mode = terminalModeOf({ streams, config, clock, processStat });
  for (const warning of warnings) mode.logger.warn(warning);
  const wish = Promise.withResolvers<string>();
  // Before anything is started, so that no signal is missed.
  void signals.first().then((signal) => wish.resolve(signal));

  const reloads = new ReloadSignal();
  if (takesReloads(config, streams)) reloads.listen();
  // Nobody sits there any more; what would be cut short is worth an end in order.
  else signals.hangUpEnds();
  const service = new ServiceNotifier({ manager: parts.serviceManager, clock, logger: mode.logger });
  await startAndRun(run, { mode, wish, reloads, service }, parts);
  mode.logger.info('stopped');
}

/**
 * Whether SIGHUP is not the end: there are files to be read again, or nobody's terminal can be closed. A service is told
 * to reload whatever its settings are (`systemctl reload`), and must not end by it.
 */
function takesReloads(config: MasterConfig, { stdin }: Streams): boolean {
  return hasReloadableFiles(config) || stdin.isTTY !== true;
}

interface RunParts {
  readonly mode: TerminalMode;
  readonly wish: PromiseWithResolvers<string>;
  readonly reloads: ReloadSignal;
  readonly service: ServiceNotifier;
}

async function startAndRun(
  { config, localAgent }: MasterRun,
  { mode, wish, reloads, service }: RunParts,
  parts: MasterParts,
): Promise<void> {
  const { clock, signals } = parts;
  const master = await startedUnlessStuck(
    parts.startMaster(config, { logger: mode.logger, clock }),
    wish.promise,
    clock,
  );
  let failure: PulselaneError | undefined;
  void master.failure.then((error) => {
    failure = error;
    wish.resolve(error.message);
  });
  reloads.started(() => void reload(master, service));
  let agent: LocalAgent | undefined;
  try {
    agent = localAgent === undefined ? undefined : await startAgent(master, localAgent, config, mode, parts);
    await mode.started(master, agent && localAgent?.workerId, () => wish.resolve('exit'));
    service.ready(listeningText(master));
    service.watch(() => master.vitality());
    const cause = await wish.promise;
    signals.stopping();
    await mode.stopping(cause);
  } finally {
    reloads.stopping();
    service.stopping();
    if (agent !== undefined) await farewell(agent, clock, mode.logger);
    parts.onStopping?.();
    await master.stop();
  }
  if (failure !== undefined) throw failure;
}

async function reload(master: RunningMaster, service: ServiceNotifier): Promise<void> {
  service.reloading();
  await master.reload();
  service.ready(listeningText(master));
}

/** For `systemctl status`. */
function listeningText({ grpcAddress, httpAddress }: RunningMaster): string {
  const http = httpAddress === undefined ? '' : `, HTTP on ${formatAddress(httpAddress)}`;
  return `listening: gRPC on ${formatAddress(grpcAddress)}${http}`;
}

/**
 * A start that is under way is stopped in order once it is done; one that waits for something (a lock that may be another
 * host's, a disk that does not answer) is not waited for when the end is asked for.
 */
async function startedUnlessStuck<T>(starting: Promise<T>, wish: Promise<string>, clock: Clock): Promise<T> {
  const stuck = wish.then(async (cause): Promise<never> => {
    await endsWithin(clock, START_AFTER_WISH_WITHIN_MS, starting);
    throw new PulselaneError('unavailable', `ended by ${cause} before it had started`);
  });
  stuck.catch(() => {});
  return await Promise.race([starting, stuck]);
}

function startAgent(
  { grpcAddress, localAccess }: RunningMaster,
  own: NonNullable<MasterRun['localAgent']>,
  config: MasterConfig,
  { logger }: TerminalMode,
  parts: MasterParts,
): Promise<LocalAgent> {
  return parts.startLocalAgent({
    master: callable(grpcAddress),
    ...own,
    intervalMs: config.heartbeatIntervalMs,
    ...localAccess(own.workerId),
    logger,
  });
}

async function farewell(agent: LocalAgent, clock: Clock, logger: Logger): Promise<void> {
  try {
    const inTime = await endsWithin(clock, FAREWELL_WITHIN_MS, agent.stop());
    if (!inTime) logger.warn('the local agent did not end in time');
  } catch (error) {
    logger.warn({ err: messageOf(error) }, 'the local agent did not end well');
  }
}
