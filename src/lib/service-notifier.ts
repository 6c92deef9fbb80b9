/**
 * Notifies the service manager (systemd, `Type=notify`) of this process's state, and that it is alive.
 *
 * Node has no Unix datagram sockets, so each notification runs `systemd-notify`, which takes some milliseconds. Only
 * one runs at a time, except STOPPING=1; meanwhile the latest four states and one watchdog ping wait. The unit needs `NotifyAccess=all`,
 * since the sender is not the service's main process. A notification that fails (no process can be started, the manager
 * is busy) is sent again after a second, a few times; the first failure after a success is logged.
 *
 * | call        | sent                                | when                                                             |
 * |-------------|-------------------------------------|------------------------------------------------------------------|
 * | `ready`     | READY=1, STATUS=…                   | the process has started, or has finished a reload                |
 * | `reloading` | RELOADING=1, MONOTONIC_USEC=…       | the process begins to reload its files                           |
 * | `stopping`  | STOPPING=1                          | the process begins to stop; no watchdog ping follows             |
 * | `watch`     | WATCHDOG=1, STATUS=…                | four times in each watchdog period, while nothing is stuck       |
 */
import { execFile } from 'node:child_process';
import type { Clock, Timer } from './clock.ts';
import { messageOf } from './errors.ts';
import type { Logger } from './logging.ts';

/** Longer than systemd-notify's own wait of 5 s for the manager's answer. */
const SEND_WITHIN_MS = 10_000;
/** So that a lost ping, a late timer and a slow start of systemd-notify together do not use up a period. */
const PINGS_PER_PERIOD = 4;
/** While something is stuck and a ping is due. */
const LOOK_AGAIN_MS = 1000;
/** A lack of processes or memory passes within seconds. */
const RETRY_AFTER_MS = 1000;
/** In a row, for one notification. With the default period of 60 s, the next ping is due soon after. */
const MAX_RETRIES = 5;

/** Enough for a reload that is over before it was told, and another. */
const MAX_STATES_WAITING = 4;

export interface ServiceNotifierOptions {
  /** Undefined: no notifications. */
  readonly manager:
    | { readonly socket: string; readonly watchdogMs: number | undefined; readonly path: string }
    | undefined;
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'warn'>;
  /** Sends the assignments; `systemd-notify` except in tests. */
  readonly send?: (assignments: readonly string[]) => Promise<void>;
}

/** The service's health, for its manager. */
export interface Vitality {
  /** One line for `systemctl status`. */
  readonly status: string;
  /** What does not respond; undefined if everything does. */
  readonly stuck: string | undefined;
}

export class ServiceNotifier {
  readonly #options: ServiceNotifierOptions;
  readonly #send: (assignments: readonly string[]) => Promise<void>;
  #isSending = false;
  #isStopping = false;
  /** The last notification could not be sent. */
  #isFailing = false;
  #retries = 0;
  /** Until it fires, nothing is sent: what failed goes first. */
  #retry: Timer | undefined;
  /** What did not respond at the last look. */
  #stuck: string | undefined;
  #states: (readonly string[])[] = [];
  #signOfLife: readonly string[] | undefined;
  #watch: Timer | undefined;

  constructor(options: ServiceNotifierOptions) {
    this.#options = options;
    this.#send = options.send ?? ((assignments) => this.#runSystemdNotify(assignments));
  }

  ready(status: string): void {
    this.#tell(['READY=1', statusOf(status)]);
  }

  reloading(): void {
    const monotonicUsec = Math.floor(this.#options.clock.monotonicMs() * 1000);
    this.#tell(['RELOADING=1', `MONOTONIC_USEC=${monotonicUsec}`]);
  }

  stopping(): void {
    this.#watch?.cancel();
    this.#retry?.cancel();
    this.#retry = undefined;
    this.#signOfLife = undefined;
    this.#states = [];
    if (this.#options.manager === undefined || this.#isStopping) return;
    this.#isStopping = true;
    // Beside one that is under way: the process may end before that is sent.
    void this.#send(['STOPPING=1']).catch((error: unknown) => this.#failed(error));
  }

  /** Starts sending watchdog pings, if the manager expects any. A further call replaces `look`. */
  watch(look: () => Vitality): void {
    this.#watch?.cancel();
    const { manager } = this.#options;
    if (manager?.watchdogMs !== undefined && !this.#isStopping)
      this.#lookIn(0, manager.watchdogMs / PINGS_PER_PERIOD, look);
  }

  #lookIn(delayMs: number, everyMs: number, look: () => Vitality): void {
    this.#watch = this.#options.clock.after(delayMs, () => {
      const { status, stuck } = look();
      if (stuck === undefined) {
        this.#signOfLife = ['WATCHDOG=1', statusOf(status)];
        this.#sendNext();
      } else {
        // One that still waits would no longer be true.
        this.#signOfLife = undefined;
        if (stuck !== this.#stuck)
          this.#options.logger.warn(`sending no watchdog pings to the service manager: ${stuck}`);
      }
      this.#stuck = stuck;
      this.#lookIn(stuck === undefined ? everyMs : Math.min(LOOK_AGAIN_MS, everyMs), everyMs, look);
    });
  }

  #tell(state: readonly string[]): void {
    if (this.#options.manager === undefined || this.#isStopping) return;
    // The newest state is the truth: the oldest that waits may be dropped.
    this.#states = [...this.#states, state].slice(-MAX_STATES_WAITING);
    this.#sendNext();
  }

  /** States first: the watchdog starts when the service is ready. */
  #sendNext(): void {
    if (this.#isSending || this.#retry !== undefined) return;
    const state = this.#states.shift();
    const assignments = state ?? this.#signOfLife;
    if (assignments === undefined) return;
    if (state === undefined) this.#signOfLife = undefined;
    this.#isSending = true;
    void this.#send(assignments)
      .then(
        () => {
          this.#isFailing = false;
          this.#retries = 0;
        },
        (error: unknown) => {
          this.#failed(error);
          this.#sendAgain(state, assignments);
        },
      )
      .finally(() => {
        this.#isSending = false;
        this.#sendNext();
      });
  }

  #failed(error: unknown): void {
    if (this.#isFailing) return;
    this.#isFailing = true;
    this.#options.logger.warn(
      `the service manager cannot be notified by systemd-notify, and may restart this service: ${messageOf(error)}`,
    );
  }

  /** A second from now, unless it was tried often enough. After the stop nothing is: the process is about to end. */
  #sendAgain(state: readonly string[] | undefined, signOfLife: readonly string[]): void {
    if (this.#isStopping) return;
    if (this.#retries === MAX_RETRIES) {
      this.#retries = 0;
      return;
    }
    this.#retries++;
    if (state !== undefined) this.#states = [state, ...this.#states].slice(-MAX_STATES_WAITING);
    // Not one that was taken back meanwhile, nor in place of a newer one.
    else if (this.#stuck === undefined) this.#signOfLife ??= signOfLife;
    this.#retry = this.#options.clock.after(RETRY_AFTER_MS, () => {
      this.#retry = undefined;
      this.#sendNext();
    });
  }

  #runSystemdNotify(assignments: readonly string[]): Promise<void> {
    const { socket = '', path = '' } = this.#options.manager ?? {};
    return new Promise((resolve, reject) => {
      const child = execFile(
        'systemd-notify',
        ['--', ...assignments],
        // The rest of the environment may contain secrets.
        { env: { NOTIFY_SOCKET: socket, PATH: path }, timeout: SEND_WITHIN_MS, windowsHide: true },
        (error, _stdout, stderr) => {
          if (error === null) resolve();
          else reject(new Error(stderr.trim() || messageOf(error)));
        },
      );
      // The process can end without waiting for it.
      child.unref();
    });
  }
}

/** Formats one line. */
function statusOf(status: string): string {
  return `STATUS=${status.replaceAll(/\s+/g, ' ')}`;
}
