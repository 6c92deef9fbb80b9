/**
 * How often workers may change: register with other info, deregister. Each of these is decoded on main, and is a message to
 * every reader. One that registers as before changes nothing: it is known by a
 * digest of its bytes, so that neither main nor anybody else looks into them.
 */
import type { Clock } from '../../lib/clock.ts';
import { PulselaneError } from '../../lib/errors.ts';
import { rateLimit } from '../../model/heartbeat-rate.ts';
import { RateTable } from '../../model/rate-table.ts';
import type { Refusals } from '../refusals.ts';
import type { RosterEntry } from './roster.ts';

export interface RegistrationsOptions {
  /** Changes of one worker; 0: no limit. */
  readonly perS: number;
  readonly maxWorkers: number;
  readonly refusals: Refusals;
  readonly clock: Clock;
}

/** Ten at once, at one a second. */
const BURST_CHANGES = 10;
/** At one a second there is room for the next one then. */
const RETRY_AFTER_MS = 1000;

export class Registrations {
  readonly #clock: Clock;
  readonly #refusals: Refusals;
  /** By id, whether known or not: who is forgotten and comes again must not begin anew. */
  readonly #changes: RateTable;
  /** Made once: a worker that floods must not cost an error each time. */
  readonly #tooOften: PulselaneError;
  /** Workers by the digest of what they said last: one each. */
  readonly #byDigest = new Map<string, RosterEntry>();

  constructor({ perS, maxWorkers, refusals, clock }: RegistrationsOptions) {
    this.#clock = clock;
    this.#refusals = refusals;
    this.#changes = new RateTable(rateLimit(perS, (BURST_CHANGES * 1000) / perS), 2 * maxWorkers);
    this.#tooOften = new PulselaneError(
      'rate_limited',
      `the worker registers with other info or deregisters more than ${perS} times a second (MAX_REGISTER_RATE)`,
      { retryAfterMs: RETRY_AFTER_MS },
    );
  }

  /** A worker changes. @throws PulselaneError `rate_limited` if it does so too often */
  mustMayChange(workerId: string): void {
    if (this.#changes.mayGoOn(workerId, this.#clock.monotonicMs())) return;
    this.#refusals.count('worker_register_rate');
    throw this.#tooOften;
  }

  /** Who said last what has this digest. */
  by(digest: string): RosterEntry | undefined {
    return this.#byDigest.get(digest);
  }

  /** What the worker said last has this digest; undefined: nobody knows. */
  remember(entry: RosterEntry, digest: string | undefined): void {
    if (entry.infoDigest === digest) return;
    if (entry.infoDigest !== undefined) this.#byDigest.delete(entry.infoDigest);
    entry.infoDigest = digest;
    if (digest !== undefined) this.#byDigest.set(digest, entry);
  }
}
