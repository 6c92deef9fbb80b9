/**
 * The main thread's side of the HTTP server: the address it listens on, its secrets, and the commands it sends to main.
 * {@link ReaderHost} keeps the thread alive and informed about workers.
 *
 * | state     | entered when                                       | if the thread dies then            |
 * |-----------|----------------------------------------------------|---------------------------------------|
 * | idle      | created                                            | cannot happen                         |
 * | starting  | `start`                                            | `start` fails; no retry               |
 * | serving   | the first address was bound                        | is logged; the thread restarts        |
 * | stopped   | `stop`, or `start` failed                          | is expected                           |
 */
import { type Address, formatAddress } from '../config/kinds.ts';
import { masterOptions } from '../config/options.ts';
import { type SettingNames, settingText } from '../config/setting-names.ts';
import type { DatabasePlace } from '../history/database.ts';
import type { Clock } from '../lib/clock.ts';
import { PulselaneError } from '../lib/errors.ts';
import { portTakenText } from '../lib/local-ports.ts';
import type { Logger } from '../lib/logging.ts';
import type { ThreadDeath } from '../lib/supervised-thread.ts';
import { holdThread } from '../lib/threads.ts';
import type { MetricsSettings } from '../metrics/settings.ts';
import type { Announcement } from '../reading/directory.ts';
import { ReaderHost } from '../reading/reader-host.ts';
import type { RelayedAnswer, RelayedCall } from '../rpc/relayed-calls.ts';
import type { BoardMemory } from '../store/board.ts';
import { EndedSessions } from './access/ended-sessions.ts';
import { WorkerCallTurns } from './heartbeats/worker-call-turns.ts';
import type { WorkerCallsMessage } from './heartbeats/worker-calls.ts';
import { type HttpLimits, STOP_GRACE_MS } from './http-limits.ts';
import type { Command, CommandReply, FromHttp, HttpSecrets, HttpThreadData, ToHttp } from './messages.ts';

export interface HttpHostOptions {
  readonly board: BoardMemory;
  /** Where to listen; port 0 means any free port, which then stays the same for the life of the host. */
  readonly address: Address;
  /** How errors name the setting of the address. */
  readonly names?: SettingNames | undefined;
  readonly corsOrigins: readonly string[];
  readonly allowedHosts: readonly string[];
  readonly limits: HttpLimits;
  /** The initial secrets; see {@link HttpHost.reload}. */
  readonly secrets: HttpSecrets;
  /** Where history is; undefined: it is off. */
  readonly history?: DatabasePlace | undefined;
  /** ALERTS is on. */
  readonly hasAlerts?: boolean;
  readonly metrics: MetricsSettings;
  /** One `slotAdded` per worker, including what `announce` is about to publish. */
  readonly roster: () => readonly Announcement[];
  /** Carries out a command of the API. */
  readonly onCommand: (command: Command) => CommandReply | Promise<CommandReply>;
  /** Answers a call of a worker in steps. */
  readonly onWorkerCall: (call: RelayedCall) => Iterator<void, RelayedAnswer>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The thread's own grace period, and the same again in case the thread is busy. */
const STOP_WITHIN_MS = 2 * STOP_GRACE_MS;

export class HttpHost {
  readonly #options: HttpHostOptions;
  readonly #reader: ReaderHost<ToHttp, FromHttp>;
  readonly #workerCalls: WorkerCallTurns;
  readonly #firstBind = Promise.withResolvers<Address>();
  #state: 'idle' | 'starting' | 'serving' | 'stopped' = 'idle';
  #address: Address;
  #secrets: HttpSecrets;
  /** Across restarts of the thread. */
  readonly #endedSessions = new EndedSessions();
  /** The thread was restarted and does not listen yet. */
  #cameBack = false;

  /** @throws PulselaneError `environment` if the package is incomplete */
  constructor(options: HttpHostOptions) {
    this.#options = options;
    this.#address = options.address;
    const { board, corsOrigins, allowedHosts, limits, secrets, history: place, hasAlerts = false, metrics } = options;
    const queryScript = holdThread('http/query/thread');
    const history = place === undefined ? undefined : { place, script: holdThread('http/history/thread') };
    const metricsScript = holdThread('http/metrics/thread');
    const data: HttpThreadData = {
      board,
      corsOrigins,
      allowedHosts,
      limits,
      secrets,
      queryScript,
      history,
      hasAlerts,
      metrics,
      metricsScript,
    };
    this.#secrets = secrets;
    const { onWorkerCall: answering, clock, logger } = options;
    this.#workerCalls = new WorkerCallTurns({ answering, clock, logger });
    this.#reader = new ReaderHost({
      script: 'http/thread',
      name: 'pulselane-http',
      title: 'the HTTP thread',
      data,
      clock: options.clock,
      roster: () => [options.roster()],
      onFed: () => this.#begin(),
      onMessage: (message) => this.#received(message),
      onDeath: (death) => this.#died(death),
      stopWithinMs: STOP_WITHIN_MS,
    });
    // Its rejection must not count as unhandled if `start` was never called.
    this.#firstBind.promise.catch(() => {});
  }

  /** For the display of threads, and for fault tests. */
  get thread(): ReaderHost<ToHttp, FromHttp>['thread'] {
    return this.#reader.thread;
  }

  /** Whether the thread serves no more and cannot be ended; false while it restarts, or tries again to listen. */
  get isStuck(): boolean {
    return this.#state === 'serving' && this.#reader.isStuck;
  }

  /**
   * Starts the thread; may be called once.
   * @returns the bound address
   * @throws PulselaneError `environment`, naming the setting, if it cannot be bound; `unavailable` if stopped meanwhile
   */
  async start(): Promise<Address> {
    if (this.#state !== 'idle')
      throw new PulselaneError('unavailable', 'the HTTP server has already been started or stopped');
    this.#state = 'starting';
    try {
      this.#reader.start();
      return await this.#firstBind.promise;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Publishes changes to the thread, in order. */
  announce(items: readonly Announcement[]): void {
    this.#reader.announce(items);
  }

  /**
   * Sets tokens and certificates, from the next request and the next connection on; open connections stay.
   * @throws PulselaneError `bad_setting` if TLS was switched on or off, which needs a restart
   */
  reload(changes: Partial<HttpSecrets>): void {
    const secrets = { ...this.#secrets, ...changes };
    if ((secrets.tls === undefined) !== (this.#secrets.tls === undefined)) {
      throw new PulselaneError('bad_setting', 'TLS_CERT: switching TLS on or off needs a restart');
    }
    this.#secrets = secrets;
    this.#reader.post({ type: 'secrets', secrets });
  }

  /** Stops the server: gracefully, then after at most 2 s by force. Idempotent. */
  async stop(): Promise<void> {
    this.#state = 'stopped';
    this.#firstBind.reject(new PulselaneError('unavailable', 'the HTTP server was stopped'));
    await this.#reader.stop();
  }

  /** The thread knows all workers and may listen. */
  #begin(): void {
    // The secrets may have changed since the thread data was built.
    this.#reader.post({ type: 'secrets', secrets: this.#secrets });
    const sessions = this.#endedSessions.list(this.#options.clock.wallMs() / 1000);
    if (sessions.length > 0) this.#reader.post({ type: 'endedSessions', sessions });
    this.#reader.post({ type: 'listen', address: this.#address });
  }

  #received(message: FromHttp): void {
    const { logger } = this.#options;
    switch (message.type) {
      case 'listening':
        this.#listening(message.address);
        break;
      case 'listenFailed':
        this.#listenFailed(bindError(this.#address, message, this.#options.names));
        break;
      case 'log':
        logger[message.level](message.message);
        break;
      case 'sessionEnded':
        this.#endedSessions.add(message.ended, this.#options.clock.wallMs() / 1000);
        break;
      case 'command':
        void this.#run(message.id, message.command);
        break;
      case 'workerCalls':
        this.#answer(message);
        break;
      default:
        message satisfies never;
    }
  }

  async #run(id: number, command: Command): Promise<void> {
    const { thread } = this.#reader.thread;
    let reply: CommandReply;
    try {
      reply = await this.#options.onCommand(command);
    } catch (error) {
      this.#options.logger.error({ command: command.type, err: error }, 'a command failed');
      reply = { ok: false, code: 'internal', message: 'internal error' };
    }
    // A restarted thread would mistake it for the reply to a command of its own.
    if (thread === this.#reader.thread.thread) this.#reader.post({ type: 'reply', id, reply });
  }

  #answer(message: WorkerCallsMessage): void {
    const { thread } = this.#reader.thread;
    this.#workerCalls.take(message, (answers) => {
      // As above.
      if (thread === this.#reader.thread.thread) this.#reader.post({ type: 'workerAnswers', id: message.id, answers });
    });
  }

  #listening(address: Address): void {
    // From now on this port, also if any was requested: clients know it.
    this.#address = address;
    if (this.#state === 'starting') {
      this.#state = 'serving';
      this.#firstBind.resolve(address);
    }
    if (this.#cameBack) this.#options.logger.info(`HTTP is listening again on ${formatAddress(address)}`);
    this.#cameBack = false;
  }

  #listenFailed(error: PulselaneError): void {
    if (this.#state === 'starting') {
      this.#firstBind.reject(error);
      return;
    }
    // A thread that cannot listen is useless: kill it, so that the supervisor restarts it with back-off.
    this.#reader.kill(error.message);
  }

  #died(death: ThreadDeath): number {
    const reason = death.how === 'killed' ? death.reason : `the HTTP thread ended: ${death.reason}`;
    if (this.#state === 'starting') this.#firstBind.reject(new PulselaneError('environment', reason));
    if (this.#state === 'serving') {
      this.#cameBack = true;
      this.#options.logger.warn(`${reason}; it restarts in ${death.backOffMs} ms`);
    }
    return death.backOffMs;
  }
}

const BIND_PROBLEMS: Readonly<Record<string, string>> = {
  EACCES: 'this user is not allowed to listen on that port',
  EADDRNOTAVAIL: 'this machine does not have that address',
  ENOTFOUND: 'unknown host',
};

/** A bind failure for people: the setting, its value, and what is wrong. */
export function bindError(
  address: Address,
  failure: { code: string; message: string },
  names?: SettingNames,
): PulselaneError {
  const problem =
    failure.code === 'EADDRINUSE' ? portTakenText(address.port) : (BIND_PROBLEMS[failure.code] ?? failure.message);
  const setting = settingText(names, masterOptions.httpAddress.env, formatAddress(address));
  return new PulselaneError('environment', `${setting}: ${problem}`);
}
