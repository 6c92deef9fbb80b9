/**
 * The main thread's side of the HTTP server: owns the http thread, tells it which workers there are, keeps it alive.
 *
 * | state     | entered when                                       | a death of the thread then            |
 * |-----------|----------------------------------------------------|---------------------------------------|
 * | idle      | made                                               | cannot happen                         |
 * | starting  | `start`                                            | fails `start`; nothing is tried again |
 * | serving   | the first address was bound                        | is logged; it is started again        |
 * | stopped   | `stop`, or `start` failed                          | is what was asked for                 |
 *
 * A new thread is given the whole roster before it listens. Announcements that come while there is no thread need no
 * queue: they are in the roster by then. None is doubled, since roster and `announce` change in one turn of the loop,
 * in which no thread starts.
 */
import { type Address, formatAddress } from '../config/kinds.ts';
import { masterOptions } from '../config/options.ts';
import { type Clock, type Timer, until } from '../lib/clock.ts';
import { PulselaneError } from '../lib/errors.ts';
import { portTakenText } from '../lib/local-ports.ts';
import type { Logger } from '../lib/logging.ts';
import { SupervisedThread, type ThreadDeath } from '../lib/supervised-thread.ts';
import type { Announcement } from '../reading/directory.ts';
import type { BoardMemory } from '../store/board.ts';
import { EndedSessions } from './access/ended-sessions.ts';
import { type HttpLimits, STOP_GRACE_MS } from './http-limits.ts';
import type { Command, CommandReply, FromHttp, HttpSecrets, HttpThreadData, ToHttp } from './messages.ts';

export interface HttpHostOptions {
  readonly board: BoardMemory;
  /** Where to listen; port 0 means any free one, kept for as long as the host lives. */
  readonly address: Address;
  readonly corsOrigins: readonly string[];
  readonly allowedHosts: readonly string[];
  readonly limits: HttpLimits;
  /** Those of the start; see {@link HttpHost.reload}. */
  readonly secrets: HttpSecrets;
  /** One `slotAdded` for each worker there is. Already holds what `announce` is about to tell. */
  readonly roster: () => readonly Announcement[];
  /** Does what the API asks for. */
  readonly onCommand: (command: Command) => CommandReply | Promise<CommandReply>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How often a thread that listens is asked for a sign of life. */
const PING_EVERY_MS = 1000;
/**
 * A thread that owes this many answers is stuck: no answer that it gives takes 10 s. A stall of main does not count: it
 * asks once for all the time that it stood still.
 */
const MOST_UNANSWERED = 10;
/** The thread's own grace, and as much again for a thread that is busy. */
const STOP_WITHIN_MS = 2 * STOP_GRACE_MS;

export class HttpHost {
  readonly #options: HttpHostOptions;
  readonly #thread: SupervisedThread<FromHttp, ToHttp>;
  readonly #firstBind = Promise.withResolvers<Address>();
  #state: 'idle' | 'starting' | 'serving' | 'stopped' = 'idle';
  #address: Address;
  #secrets: HttpSecrets;
  /** Of all lives of the thread. */
  readonly #endedSessions = new EndedSessions();
  /** The thread that lives now does not listen yet, and one before it did. */
  #cameBack = false;
  #unanswered = 0;
  #pings: Timer | undefined;
  #threadStopped = false;
  #stopping: Promise<void> | undefined;

  constructor(options: HttpHostOptions) {
    this.#options = options;
    this.#address = options.address;
    const { board, corsOrigins, allowedHosts, limits, secrets } = options;
    const data: HttpThreadData = { board, corsOrigins, allowedHosts, limits, secrets };
    this.#secrets = secrets;
    this.#thread = new SupervisedThread({
      script: 'http/thread',
      name: 'pulselane-http',
      data,
      clock: options.clock,
      onStart: () => {
        this.announce(options.roster());
        // They may have changed since the data was made.
        this.#thread.post({ type: 'secrets', secrets: this.#secrets });
        const sessions = this.#endedSessions.list(options.clock.wallMs() / 1000);
        if (sessions.length > 0) this.#thread.post({ type: 'endedSessions', sessions });
        this.#thread.post({ type: 'listen', address: this.#address });
        this.#unanswered = 0;
      },
      onMessage: (message) => this.#received(message),
      onDeath: (death) => this.#died(death),
    });
    // Failing it must not count as unhandled when nobody called `start`.
    this.#firstBind.promise.catch(() => {});
  }

  /** For what is shown of threads, and for tests that hurt it. */
  get thread(): SupervisedThread<FromHttp, ToHttp> {
    return this.#thread;
  }

  /**
   * Starts the thread; once only.
   * @returns the address with the port that was bound.
   * @throws PulselaneError `environment`, naming the setting, if it cannot be bound; `unavailable` if stopped meanwhile.
   */
  async start(): Promise<Address> {
    if (this.#state !== 'idle')
      throw new PulselaneError('unavailable', 'the HTTP server was started or stopped before');
    this.#state = 'starting';
    try {
      this.#thread.start();
      return await this.#firstBind.promise;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Tells the thread what changed, in order. */
  announce(items: readonly Announcement[]): void {
    if (items.length > 0) this.#thread.post({ type: 'announcements', items });
  }

  /**
   * Other tokens and certificates, from the next request and the next connection on; nobody is cut off.
   * @throws PulselaneError `bad_setting` if TLS was switched on or off, which needs a restart.
   */
  reload(changes: Partial<HttpSecrets>): void {
    const secrets = { ...this.#secrets, ...changes };
    if ((secrets.tls === undefined) !== (this.#secrets.tls === undefined)) {
      throw new PulselaneError('bad_setting', 'TLS_CERT: TLS is switched on and off by a restart only');
    }
    this.#secrets = secrets;
    this.#thread.post({ type: 'secrets', secrets });
  }

  /** Ends the server: politely, then, after at most 2 s, for good. Idempotent. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const wasServing = this.#state === 'serving';
    this.#state = 'stopped';
    this.#pings?.cancel();
    this.#firstBind.reject(new PulselaneError('unavailable', 'the HTTP server was stopped'));
    if (wasServing && this.#thread.thread !== undefined) {
      this.#thread.post({ type: 'stop' });
      const ended = () => this.#threadStopped || this.#thread.thread === undefined;
      await until(this.#options.clock, ended, { withinMs: STOP_WITHIN_MS, everyMs: 10 });
    }
    await this.#thread.stop();
  }

  #received(message: FromHttp): void {
    const { logger } = this.#options;
    switch (message.type) {
      case 'listening':
        this.#listening(message.address);
        break;
      case 'listenFailed':
        this.#listenFailed(bindError(this.#address, message));
        break;
      case 'log':
        logger[message.level](message.message);
        break;
      case 'sessionEnded':
        this.#endedSessions.add(message.ended, this.#options.clock.wallMs() / 1000);
        break;
      case 'pong':
        this.#unanswered = 0;
        break;
      case 'command':
        void this.#run(message.id, message.command);
        break;
      case 'stopped':
        this.#threadStopped = true;
        break;
      default:
        message satisfies never;
    }
  }

  async #run(id: number, command: Command): Promise<void> {
    const { thread } = this.#thread;
    let reply: CommandReply;
    try {
      reply = await this.#options.onCommand(command);
    } catch (error) {
      this.#options.logger.error({ command: command.type, err: error }, 'a command failed');
      reply = { ok: false, code: 'internal', message: 'internal error' };
    }
    // A new thread would take it for the reply to a command of its own.
    if (thread === this.#thread.thread) this.#thread.post({ type: 'reply', id, reply });
  }

  #listening(address: Address): void {
    // From now on this very port, also where any was asked for: clients know it.
    this.#address = address;
    if (this.#state === 'starting') {
      this.#state = 'serving';
      this.#pings = this.#options.clock.every(PING_EVERY_MS, () => this.#ping());
      this.#firstBind.resolve(address);
    }
    if (this.#cameBack) this.#options.logger.info(`HTTP listens again on ${formatAddress(address)}`);
    this.#cameBack = false;
  }

  #listenFailed(error: PulselaneError): void {
    if (this.#state === 'starting') {
      this.#firstBind.reject(error);
      return;
    }
    // Dead is what a thread is that cannot listen: the supervisor tries again, less and less often.
    this.#thread.kill(error.message);
  }

  #ping(): void {
    if (this.#thread.thread === undefined) return;
    if (this.#unanswered >= MOST_UNANSWERED) {
      this.#thread.kill('the HTTP thread does not answer and is ended');
      return;
    }
    this.#unanswered++;
    this.#thread.post({ type: 'ping' });
  }

  #died(death: ThreadDeath): number {
    const reason = death.how === 'killed' ? death.reason : `the HTTP thread ended: ${death.reason}`;
    if (this.#state === 'starting') this.#firstBind.reject(new PulselaneError('environment', reason));
    if (this.#state === 'serving') {
      this.#cameBack = true;
      this.#options.logger.warn(`${reason}; it starts again in ${death.backOffMs} ms`);
    }
    return death.backOffMs;
  }
}

const BIND_PROBLEMS: Readonly<Record<string, string>> = {
  EACCES: 'this user may not listen on that port',
  EADDRNOTAVAIL: 'this machine does not have that address',
  ENOTFOUND: 'there is no such host',
};

/** The failure as people read it: the setting, its value, what is wrong. */
export function bindError(address: Address, failure: { code: string; message: string }): PulselaneError {
  const problem =
    failure.code === 'EADDRINUSE' ? portTakenText(address.port) : (BIND_PROBLEMS[failure.code] ?? failure.message);
  return new PulselaneError('environment', `${masterOptions.httpAddress.env}=${formatAddress(address)}: ${problem}`);
}
