/**
 * Tells the service manager (systemd, `Type=notify`) what state this process is in, and that it is alive.
 *
 * Node has no Unix datagram sockets, so each notification is a run of `systemd-notify`, which takes some milliseconds: one at
 * a time, and while one runs only the newest state and one sign of life wait. The unit needs `NotifyAccess=all`, since it is
 * not the service's main process that sends. A notification that cannot be sent is logged once and ends nothing.
 *
 * | call        | sent                                | when                                                             |
 * |-------------|-------------------------------------|------------------------------------------------------------------|
 * | `ready`     | READY=1, STATUS=…                   | the service does its work, or does it again after a reload       |
 * | `reloading` | RELOADING=1, MONOTONIC_USEC=…       | it begins to read files again                                    |
 * | `stopping`  | STOPPING=1                          | it begins to stop; no sign of life follows                       |
 * | `watch`     | WATCHDOG=1, STATUS=…                | twice in each watchdog period, while nothing is stuck            |
 */
import { execFile } from 'node:child_process';
import type { Clock, Timer } from './clock.ts';
import { messageOf } from './errors.ts';
import type { Logger } from './logging.ts';

/** Its own wait for the manager's answer is 5 s. */
const SEND_WITHIN_MS = 10_000;
/** While something is stuck, and a sign of life is due. */
const LOOK_AGAIN_MS = 1000;

export interface ServiceNotifierOptions {
  /** Undefined: nobody is told anything. */
  readonly manager:
    | { readonly socket: string; readonly watchdogMs: number | undefined; readonly path: string }
    | undefined;
  readonly clock: Clock;
  readonly logger: Pick<Logger, 'warn'>;
  /** Sends the assignments; `systemd-notify` unless a test says otherwise. */
  readonly send?: (assignments: readonly string[]) => Promise<void>;
}

/** How a service does, for its manager. */
export interface Vitality {
  /** One line for `systemctl status`. */
  readonly status: string;
  /** What does not answer; undefined if everything does. */
  readonly stuck: string | undefined;
}

export class ServiceNotifier {
  readonly #options: ServiceNotifierOptions;
  readonly #send: (assignments: readonly string[]) => Promise<void>;
  #isSending = false;
  #isStopping = false;
  #hasFailed = false;
  /** What did not answer at the last look. */
  #stuck: string | undefined;
  #state: readonly string[] | undefined;
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
    this.#signOfLife = undefined;
    this.#tell(['STOPPING=1']);
    this.#isStopping = true;
  }

  /** From now on the manager gets its signs of life, if it expects any. Called again, it asks `look` instead. */
  watch(look: () => Vitality): void {
    this.#watch?.cancel();
    const { manager } = this.#options;
    if (manager?.watchdogMs !== undefined && !this.#isStopping) this.#lookIn(0, manager.watchdogMs / 2, look);
  }

  #lookIn(delayMs: number, periodMs: number, look: () => Vitality): void {
    this.#watch = this.#options.clock.after(delayMs, () => {
      const { status, stuck } = look();
      if (stuck === undefined) {
        this.#signOfLife = ['WATCHDOG=1', statusOf(status)];
        this.#sendNext();
      } else if (stuck !== this.#stuck) {
        this.#options.logger.warn(`the service manager gets no sign of life: ${stuck}`);
      }
      this.#stuck = stuck;
      this.#lookIn(stuck === undefined ? periodMs : Math.min(LOOK_AGAIN_MS, periodMs), periodMs, look);
    });
  }

  #tell(state: readonly string[]): void {
    if (this.#options.manager === undefined || this.#isStopping) return;
    this.#state = state;
    this.#sendNext();
  }

  /** States first: a service that is ready only then has a watchdog. */
  #sendNext(): void {
    if (this.#isSending) return;
    const assignments = this.#state ?? this.#signOfLife;
    if (assignments === undefined) return;
    if (assignments === this.#state) this.#state = undefined;
    else this.#signOfLife = undefined;
    this.#isSending = true;
    void this.#send(assignments)
      .catch((error: unknown) => this.#failed(error))
      .finally(() => {
        this.#isSending = false;
        this.#sendNext();
      });
  }

  #failed(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#options.logger.warn(
      `the service manager cannot be notified by systemd-notify, and may restart this service: ${messageOf(error)}`,
    );
  }

  #runSystemdNotify(assignments: readonly string[]): Promise<void> {
    const { socket = '', path = '' } = this.#options.manager ?? {};
    return new Promise((resolve, reject) => {
      const child = execFile(
        'systemd-notify',
        ['--', ...assignments],
        // The rest of the environment may hold secrets.
        { env: { NOTIFY_SOCKET: socket, PATH: path }, timeout: SEND_WITHIN_MS, windowsHide: true },
        (error, _stdout, stderr) => {
          if (error === null) resolve();
          else reject(new Error(stderr.trim() || messageOf(error)));
        },
      );
      // The end of the process does not wait for it.
      child.unref();
    });
  }
}

/** Of one line, whatever is in it. */
function statusOf(status: string): string {
  return `STATUS=${status.replaceAll(/\s+/g, ' ')}`;
}
