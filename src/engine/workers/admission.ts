/**
 * Controls which workers are in the fleet: workers that report by themselves, operators who register, approve and
 * remove workers, and workers that wait for approval or are refused. Also limits how often a worker may change.
 *
 * | enters by                    | under `open` | under `approved`                           |
 * |------------------------------|--------------|--------------------------------------------|
 * | a heartbeat, `announce`      | at once      | after approval; it is pending until then   |
 * | `register` by an operator    | at once      | at once; this approves it                  |
 *
 * | leaves by                    | approval, address and isolation                             |
 * |------------------------------|-------------------------------------------------------------|
 * | `unregister` by an operator  | are removed                                                 |
 * | `deregister` by itself       | stay: only operators revoke what an operator set            |
 * | `retire` after its retention | stay: it may be a rack that is off for a weekend            |
 */
import { create } from '@bufbuild/protobuf';
import { type WorkerInfo, WorkerInfoSchema } from '../../gen/pulselane/v1/telemetry_pb.ts';
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
  /** Maximum rate of changes per worker; 0: no limit. */
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

  // ── entering ─────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * The entry of a worker that reports; admits an unknown worker if allowed.
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
   * Admits the worker and makes it a member.
   * @param earlier facts from an earlier master; undefined: it is new
   * @throws PulselaneError `resource_exhausted` at the worker limit
   */
  letIn(workerId: string, earlier?: EarlierWorker): RosterEntry {
    const entry = this.#lifecycle.begin(workerId, this.#members.get(workerId)?.isolation ?? 'auto', earlier);
    this.#members.join(workerId);
    return entry;
  }

  /** An operator admits a worker before its first heartbeat. @throws PulselaneError `resource_exhausted` */
  register(workerId: string): void {
    if (this.#members.mode === 'approved') this.#members.approve(workerId);
    if (this.#roster.get(workerId) === undefined) this.letIn(workerId);
  }

  /**
   * An operator approves a worker. One that has not reported yet is admitted when it does. Under open admission the
   * approval is kept for a later start under `approved`.
   * @throws PulselaneError `resource_exhausted`
   */
  approve(workerId: string): 'known' | 'waiting' | 'awaited' {
    const isKnown = this.#roster.get(workerId) !== undefined;
    if (!isKnown && this.#members.get(workerId)?.approved !== true) {
      // An approved worker that never reports is kept for ever, so their number must be limited.
      const isFull = this.#roster.size >= this.#maxWorkers || this.#members.size >= 2 * this.#maxWorkers;
      if (isFull) throw this.#lifecycle.noRoomFor(workerId);
    }
    const isWaiting = this.#members.approve(workerId);
    if (isKnown) return 'known';
    return isWaiting ? 'waiting' : 'awaited';
  }

  /**
   * An operator sets the kind of lane of a worker that is known, or of which anything is kept.
   * @returns the worker's lane state afterwards
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
    // The decision is kept for ever, even if the worker never comes back.
    if (isolation !== 'auto' && this.#members.size >= 2 * this.#maxWorkers) {
      throw new PulselaneError(
        'resource_exhausted',
        'too many workers are stored; unregister those that no longer exist',
      );
    }
    const isNews = this.#members.setIsolation(workerId, isolation);
    if (isNews) this.#liveness.recordEvent({ type: 'isolation', workerId, detail: isolation });
    if (entry !== undefined) return this.#lifecycle.decide(entry, isolation);
    // Without the decision there may be nothing left to keep.
    if (member?.known === false) this.#members.expire(workerId);
    return 'absent';
  }

  /** The worker info whose encoded bytes have this digest, if a worker's last registration had it. */
  announced(digest: string): WorkerInfo | undefined {
    const entry = this.#registrations.by(digest);
    return entry && this.#members.get(entry.workerId)?.info;
  }

  /**
   * A worker registers itself.
   * @param digest of its encoded info; undefined: not available
   * @throws PulselaneError as `admitted`; `rate_limited`; `failed_precondition` if a later instance of it has reported
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

  /**
   * A worker tells how often it means to send, without registering. Costs a comparison if that is known.
   * @throws PulselaneError as `announce`
   */
  announceInterval(workerId: string, intervalMs: number): void {
    const known = this.#members.get(workerId)?.info;
    if (known?.intervalMs === intervalMs) return;
    // The present instance: that of an earlier registration may be refused by now.
    const [instanceId = ''] = this.#roster.get(workerId)?.liveness.instances ?? [];
    const info = { ...(known ?? create(WorkerInfoSchema)), workerId, instanceId, intervalMs };
    this.announce(create(WorkerInfoSchema, info), undefined);
  }

  /** A peer was refused because it reported for a worker that it may not speak for. */
  identityViolated(violation: IdentityViolation): void {
    this.#refusals.count('identity');
    this.#identityViolations.seen(violation, this.#clock.monotonicMs());
  }

  // ── leaving ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** An operator removes a worker and its approval. @returns whether there was either */
  unregister(workerId: string): boolean {
    const wasMember = this.#members.forget(workerId);
    const entry = this.#roster.get(workerId);
    if (entry === undefined) return wasMember;
    this.#end(entry, 'unregistered');
    return true;
  }

  /**
   * A worker deregisters itself.
   * @returns whether it was known
   * @throws PulselaneError `failed_precondition` if another instance of it is present; `rate_limited`
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

  /** The worker's retention has passed. */
  retire(entry: RosterEntry): void {
    this.#end(entry, 'retention');
    this.#members.expire(entry.workerId);
  }

  #end(entry: RosterEntry, cause: 'retention' | 'unregistered'): void {
    this.#lifecycle.end(entry, cause);
    this.#registrations.remember(entry, undefined);
  }
}
