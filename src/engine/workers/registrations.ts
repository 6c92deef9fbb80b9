/**
 * Limits how often workers may change: register with other info, or deregister. Main decodes each change and posts it
 * to every reader. Registering unchanged is recognised by a digest of the encoded info and is not decoded.
 */
import type { Clock } from '../../lib/clock.ts';
import { PulselaneError } from '../../lib/errors.ts';
import { rateLimit } from '../../model/heartbeat-rate.ts';
import { RateTable } from '../../model/rate-table.ts';
import type { Refusals } from '../refusals.ts';
import type { RosterEntry } from './roster.ts';

export interface RegistrationsOptions {
  /** Changes per second per worker; 0: no limit. */
  readonly perS: number;
  readonly maxWorkers: number;
  readonly refusals: Refusals;
  readonly clock: Clock;
}

/** A burst of ten at one per second. */
const BURST_CHANGES = 10;
/** At one per second, the next change is allowed after this. */
const RETRY_AFTER_MS = 1000;

export class Registrations {
  readonly #clock: Clock;
  readonly #refusals: Refusals;
  /** By id, known or not: a worker that was removed and comes back does not get a new burst. */
  readonly #changes: RateTable;
  /** Created once: a worker that floods must not cost an error object each time. */
  readonly #tooOften: PulselaneError;
  /** Workers by the digest of their last registration, one each. */
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

  /** Counts a change of the worker. @throws PulselaneError `rate_limited` if it exceeds the limit */
  mustMayChange(workerId: string): void {
    if (this.#changes.mayGoOn(workerId, this.#clock.monotonicMs())) return;
    this.#refusals.count('worker_register_rate');
    throw this.#tooOften;
  }

  /** The worker whose last registration has this digest. */
  by(digest: string): RosterEntry | undefined {
    return this.#byDigest.get(digest);
  }

  /** Stores the digest of the worker's last registration; undefined: unknown. */
  remember(entry: RosterEntry, digest: string | undefined): void {
    if (entry.infoDigest === digest) return;
    if (entry.infoDigest !== undefined) this.#byDigest.delete(entry.infoDigest);
    entry.infoDigest = digest;
    if (digest !== undefined) this.#byDigest.set(digest, entry);
  }
}
