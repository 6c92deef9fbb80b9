/**
 * Who may be in the fleet: workers that come by themselves, operators who register, approve and remove them, and those who
 * wait or are turned away. How often a worker may change is bounded here.
 *
 * | comes in by              | under `open`       | under `approved`                          |
 * |--------------------------|--------------------|-------------------------------------------|
 * | a heartbeat, `announce`  | at once            | once it is approved; it waits until then  |
 * | `register`, an operator  | at once            | at once: it is approved by that           |
 *
 * | goes by                  | approval, address and isolation                                |
 * |--------------------------|----------------------------------------------------------------|
 * | `unregister`, an operator | are taken back                                                |
 * | `deregister`, itself     | stay: what an operator said is taken back by an operator alone |
 * | `retire`, by silence     | stay: it may be a rack that was off for a weekend              |
 */
import type { WorkerInfo } from '../../gen/pulselane/v1/telemetry_pb.ts';
import type { Clock } from '../../lib/clock.ts';
import { PulselaneError } from '../../lib/errors.ts';
import { ISOLATIONS, type Isolation, isIsolation } from '../../model/isolation.ts';
import type { LaneStanding } from '../lanes/lane-policy.ts';
import type { Liveness } from '../liveness/liveness.ts';
import type { Members } from '../persistence/members.ts';
import type { Refusals } from '../refusals.ts';
import { type IdentityViolation, IdentityViolations } from './identity-violations.ts';
import { PendingAdmissions } from './pending-admissions.ts';
import { Registrations } from './registrations.ts';
import type { Roster, RosterEntry } from './roster.ts';
import type { EarlierWorker, WorkerLifecycle } from './worker-lifecycle.ts';

export interface AdmissionOptions {
  readonly maxWorkers: number;
  /** Changes of one worker; 0: no limit. */
  readonly maxWorkerRegistersPerS: number;
  readonly members: Members;
  readonly roster: Roster;
  readonly liveness: Liveness;
  readonly lifecycle: WorkerLifecycle;
  readonly refusals: Refusals;
  readonly clock: Clock;
}

export class Admission {
  readonly #maxWorkers: number;
  readonly #members: Members;
  readonly #roster: Roster;
  readonly #liveness: Liveness;
  readonly #lifecycle: WorkerLifecycle;
  readonly #refusals: Refusals;
  readonly #clock: Clock;
  readonly #registrations: Registrations;
  readonly #identityViolations: IdentityViolations;
  readonly #pendingAdmissions: PendingAdmissions;

  constructor(options: AdmissionOptions) {
    const { maxWorkers, maxWorkerRegistersPerS: perS, liveness, refusals, clock } = options;
    this.#maxWorkers = maxWorkers;
    this.#members = options.members;
    this.#roster = options.roster;
    this.#liveness = liveness;
    this.#lifecycle = options.lifecycle;
    this.#refusals = refusals;
    this.#clock = clock;
    this.#registrations = new Registrations({ perS, maxWorkers, refusals, clock });
    this.#identityViolations = new IdentityViolations((event) => liveness.recordEvent(event));
    this.#pendingAdmissions = new PendingAdmissions((event) => liveness.recordEvent(event));
  }

  // ── who comes ────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * The entry of a worker that speaks: it is let in if it may be.
   * @throws PulselaneError `not_admitted`; `resource_exhausted` at the worker limit
   */
  admitted(workerId: string): RosterEntry {
    const known = this.#roster.get(workerId);
    if (known !== undefined) return known;
    if (!this.#members.admits(workerId)) {
      if (this.#members.turnAway(workerId)) this.#pendingAdmissions.requested(workerId, this.#clock.monotonicMs());
      throw new PulselaneError('not_admitted', `worker ${workerId} waits for approval by an operator`);
    }
    return this.letIn(workerId);
  }

  /**
   * The worker is known from now on, and stays a member.
   * @param earlier what an earlier master knew of it; undefined: it is new
   * @throws PulselaneError `resource_exhausted` at the worker limit
   */
  letIn(workerId: string, earlier?: EarlierWorker): RosterEntry {
    const entry = this.#lifecycle.begin(workerId, this.#members.get(workerId)?.isolation ?? 'auto', earlier);
    this.#members.join(workerId);
    return entry;
  }

  /** An operator lets in a worker before its first heartbeat. @throws PulselaneError `resource_exhausted` */
  register(workerId: string): void {
    if (this.#members.mode === 'approved') this.#members.approve(workerId);
    if (this.#roster.get(workerId) === undefined) this.letIn(workerId);
  }

  /**
   * An operator approves a worker: one that is not there yet is let in once it comes.
   * @throws PulselaneError `failed_precondition` if it is not known and admission is open; `resource_exhausted`
   */
  approve(workerId: string): 'known' | 'waiting' | 'awaited' {
    const isKnown = this.#roster.get(workerId) !== undefined;
    if (!isKnown && this.#members.mode === 'open') {
      throw new PulselaneError('failed_precondition', 'admission is open: nobody waits for approval');
    }
    if (!isKnown && !this.#members.admits(workerId)) {
      // Who is approved and never comes is kept for ever, so that there is a bound of those, too.
      const isFull = this.#roster.size >= this.#maxWorkers || this.#members.size >= 2 * this.#maxWorkers;
      if (isFull) throw this.#lifecycle.noRoomFor(workerId);
    }
    const isWaiting = this.#members.approve(workerId);
    if (isKnown) return 'known';
    return isWaiting ? 'waiting' : 'awaited';
  }

  /**
   * An operator decides which kind of lane a worker is to have: one that is there, or of which anything is kept.
   * @returns where it leaves the worker
   * @throws PulselaneError `invalid_argument`; `not_found`; `resource_exhausted` if too many decisions are kept
   */
  isolate(workerId: string, isolation: Isolation): LaneStanding {
    if (!isIsolation(isolation)) {
      const expected = `expected one of ${ISOLATIONS.join(', ')}`;
      throw new PulselaneError('invalid_argument', `isolation ${JSON.stringify(isolation)}: ${expected}`);
    }
    const entry = this.#roster.get(workerId);
    const member = this.#members.get(workerId);
    if (entry === undefined && member === undefined) {
      throw new PulselaneError('not_found', `no worker is called ${workerId}`);
    }
    // It is kept for ever, also when the worker never comes again.
    if (isolation !== 'auto' && this.#members.size >= 2 * this.#maxWorkers) {
      throw new PulselaneError('resource_exhausted', 'too many workers are remembered; unregister those that are gone');
    }
    const isNews = this.#members.setIsolation(workerId, isolation);
    if (isNews) this.#liveness.recordEvent({ type: 'isolation', workerId, detail: isolation });
    if (entry !== undefined) return this.#lifecycle.decide(entry, isolation);
    // Without the decision there may be nothing left to keep.
    if (member?.known === false) this.#members.expire(workerId);
    return 'absent';
  }

  /** What a worker said of itself last, if it did so in bytes of this digest. */
  announced(digest: string): WorkerInfo | undefined {
    const entry = this.#registrations.by(digest);
    return entry && this.#members.get(entry.workerId)?.info;
  }

  /**
   * A worker says who it is.
   * @param digest of the bytes in which it says so; undefined: nobody knows it
   * @throws PulselaneError as `admitted`; `rate_limited`; `failed_precondition` if a later instance of it has spoken
   */
  announce(info: WorkerInfo, digest: string | undefined): void {
    const isUnchanged = digest !== undefined && this.#registrations.by(digest)?.workerId === info.workerId;
    if (!isUnchanged) this.#registrations.mustMayChange(info.workerId);
    const entry = this.admitted(info.workerId);
    this.#liveness.checkInstance(entry, info.instanceId);
    this.#liveness.describe(entry, info);
    if (isUnchanged) return;
    const isNews = this.#members.describe(info.workerId, info);
    if (isNews || entry.facts === undefined) this.#lifecycle.describe(entry, info);
    this.#registrations.remember(entry, digest);
  }

  /** A peer spoke for a worker that it is not, and was refused. */
  identityViolated(violation: IdentityViolation): void {
    this.#refusals.count('identity');
    this.#identityViolations.seen(violation, this.#clock.monotonicMs());
  }

  // ── who goes ─────────────────────────────────────────────────────────────────────────────────────────────────

  /** An operator removes a worker, and its approval. @returns whether there was any of these */
  unregister(workerId: string): boolean {
    const wasMember = this.#members.forget(workerId);
    const entry = this.#roster.get(workerId);
    if (entry === undefined) return wasMember;
    this.#end(entry, 'unregistered');
    return true;
  }

  /**
   * A worker asks to be forgotten.
   * @returns whether it was known
   * @throws PulselaneError `failed_precondition` if another instance of it is there; `rate_limited`
   */
  deregister(workerId: string, instanceId: string): boolean {
    const entry = this.#roster.get(workerId);
    if (entry === undefined) return false;
    this.#registrations.mustMayChange(workerId);
    this.#liveness.checkFarewell(entry, instanceId);
    this.#end(entry, 'unregistered');
    this.#members.expire(workerId);
    return true;
  }

  /** The worker was silent for as long as workers are remembered. */
  retire(entry: RosterEntry): void {
    this.#end(entry, 'retention');
    this.#members.expire(entry.workerId);
  }

  #end(entry: RosterEntry, cause: 'retention' | 'unregistered'): void {
    this.#lifecycle.end(entry, cause);
    this.#registrations.remember(entry, undefined);
  }
}
