/** What people are told of the connection: one line per transition, however often a master is tried in vain. */
import { type Address, formatAddress, formatDuration } from '../../config/kinds.ts';
import type { Report } from '../report.ts';
import type { DisconnectReason } from './disconnect-reason.ts';

/** Reasons told of a master since the connection stood; one with a new text each time must not fill the log. */
const MAX_REASONS = 8;

export class ConnectionLog {
  readonly #workerId: string;
  readonly #report: Report;
  /** By the address of the master, since some master was reached. */
  readonly #reasonsLogged = new Map<string, Set<string>>();
  /** Addresses of masters that take a later instance, as was told, and no heartbeat of this one since. */
  readonly #conflictsLogged = new Set<string>();

  /** Why masters do not take what this worker says of itself, by their addresses, as was told. */
  readonly #undescribed = new Map<string, string>();

  constructor(workerId: string, report: Report) {
    this.#workerId = workerId;
    this.#report = report;
  }

  /** Other masters are to be tried: each reason is new again. */
  pointed(): void {
    this.#reasonsLogged.clear();
  }

  connected(master: Address, kind: 'streaming' | 'unary', intervalMs: number): void {
    this.#reasonsLogged.clear();
    const name = formatAddress(master);
    // That this instance may register while a later one has its place is no change worth a line.
    if (this.#conflictsLogged.has(name)) return;
    const way = kind === 'streaming' ? '' : ', one call per heartbeat';
    this.#report('info', `reporting ${this.#workerId} to ${name} every ${formatDuration(intervalMs)}${way}`);
  }

  /** The master refuses what this worker says of itself: it is reported all the same. */
  notDescribed(reason: string, master: Address): void {
    const name = formatAddress(master);
    if (this.#undescribed.get(name) === reason) return;
    this.#undescribed.set(name, reason);
    this.#report(
      'warn',
      `${name} does not take what ${this.#workerId} says of itself (${reason}); only heartbeats are sent`,
    );
  }

  described(master: Address): void {
    this.#undescribed.delete(formatAddress(master));
  }

  accepted(master: Address): void {
    if (this.#conflictsLogged.size === 0) return;
    const name = formatAddress(master);
    if (!this.#conflictsLogged.delete(name)) return;
    this.#report('info', `${name} takes heartbeats of this instance of ${this.#workerId} again`);
  }

  /** @param next the master that is tried next: another one, or the lost one again */
  lost(reason: DisconnectReason, master: Address, next: Address): void {
    const [name, nextName] = [formatAddress(master), formatAddress(next)];
    if (reason.isConflict) this.#conflict(reason, name, nextName);
    else this.#failed(reason, name, nextName);
  }

  #failed({ reason, isDenied, quietMs }: DisconnectReason, name: string, nextName: string): void {
    const logged = this.#reasonsLogged.get(name) ?? new Set();
    if (logged.has(reason) || logged.size >= MAX_REASONS) return;
    this.#reasonsLogged.set(name, logged.add(reason));
    const then = name === nextName ? 'trying again' : `trying ${nextName} next`;
    if (!isDenied) {
      this.#report('warn', `cannot report ${this.#workerId} to ${name} (${reason}); ${then}`);
      return;
    }
    const waits = `it is asked again in ${Math.round(quietMs / 1000)} s`;
    const denied = name === nextName ? waits : `${waits}, and ${nextName} is tried next`;
    this.#report('warn', `${name} does not let this agent report ${this.#workerId} (${reason}); ${denied}`);
  }

  #conflict({ reason, quietMs }: DisconnectReason, name: string, nextName: string): void {
    if (this.#conflictsLogged.has(name)) return;
    this.#conflictsLogged.add(name);
    const waits = `this one waits ${Math.round(quietMs / 1000)} s before it tries`;
    const then = name === nextName ? `${waits} again` : `${waits} there again, and tries ${nextName} next`;
    this.#report('warn', `another instance of ${this.#workerId} reports to ${name}; ${then}`, { reason });
  }
}
