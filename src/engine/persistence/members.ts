/**
 * The members of the fleet: workers that are known or may be admitted, their last registrations, operators' approvals,
 * and the addresses at which a master introduces itself. All of this survives restarts of the master; the list of
 * pending workers does not.
 */
import { toBinary } from '@bufbuild/protobuf';
import { type WorkerInfo, WorkerInfoSchema } from '../../gen/pulselane/v1/telemetry_pb.ts';
import type { Clock } from '../../lib/clock.ts';
import { MapRound } from '../../lib/map-round.ts';
import { afterArrival, NEVER_MS, type RateLimit } from '../../model/heartbeat-rate.ts';
import { MAX_INSTANCES } from '../../model/instances.ts';
import type { Isolation } from '../../model/isolation.ts';
import type { PendingWorker } from '../../model/pending.ts';

export type AdmissionMode = 'open' | 'approved';

/** Whether a worker was active at the last change, and the Unix second of its last heartbeat by then. */
export interface Activity {
  readonly isActive: boolean;
  readonly heardS: number;
}

/** What is kept of a worker across restarts. Immutable: each change creates a new object. */
export interface Member {
  readonly workerId: string;
  /** An operator has approved it. */
  readonly approved: boolean;
  /** `ip:port`, or `tls://ip:port`, where the worker waits for MasterRegister. */
  readonly address: string | undefined;
  /** Kind of lane chosen by an operator; undefined: chosen by the master. */
  readonly isolation?: Exclude<Isolation, 'auto'> | undefined;
  /** It is in the fleet; after a restart: it was when the master stopped. */
  readonly known: boolean;
  /** Instance ids of its process, newest first, at most {@link MAX_INSTANCES}. */
  readonly instanceIds: readonly string[];
  /** Its last registration; undefined if it only ever sent heartbeats. */
  readonly info: WorkerInfo | undefined;
  /** Undefined if it never sent a heartbeat, as far as is known. */
  readonly activity?: Activity | undefined;
}

type Change = Partial<Omit<Member, 'workerId'>>;

export interface MembersOptions {
  readonly mode: AdmissionMode;
  readonly maxPending: number;
  readonly clock: Clock;
}

/**
 * Rate at which changes caused by one worker are reported: 30 at once, then 4 per minute. Changes beyond it are
 * reported later and combined, so that a worker in a crash loop does not write a line per restart.
 */
const OWN_CHANGES: RateLimit = { intervalMs: 15_000, toleranceMs: 29 * 15_000 };

/** Maximum number of rate entries dropped per look: 10,000 at once would block main for milliseconds. */
const MOST_A_LOOK = 2000;

export class Members {
  readonly mode: AdmissionMode;
  readonly #maxPending: number;
  readonly #clock: Clock;
  readonly #members = new Map<string, Member>();
  /** Pending workers, least recent request first. */
  readonly #pending = new Map<string, PendingWorker>();
  #pendingChanges = 0;
  #isRestored = false;
  /** Per worker with recent changes of its own: when its next change is within the rate limit. */
  readonly #ownDueMs = new Map<string, number>();
  readonly #dueRound = new MapRound(this.#ownDueMs);
  /** Workers with changes of their own that are not reported yet. */
  readonly #late = new Set<string>();
  #onChange: (workerId: string) => void = () => {};
  #onAddress: (workerId: string) => void = () => {};

  constructor({ mode, maxPending, clock }: MembersOptions) {
    this.mode = mode;
    this.#maxPending = maxPending;
    this.#clock = clock;
  }

  /**
   * Sets the listener called with a worker's id after each change that must survive a restart: at once, or from
   * {@link tellLate} if the worker causes too many. Must be cheap.
   */
  onChange(listener: (workerId: string) => void): void {
    this.#onChange = listener;
  }

  /** Sets the listener called when a worker gets an address, or another one. */
  onAddress(listener: (workerId: string) => void): void {
    this.#onAddress = listener;
    for (const { workerId, address } of this.#members.values()) if (address !== undefined) listener(workerId);
  }

  /** Reports delayed changes in their current state. Called periodically. @param all the master is about to stop */
  tellLate(all = false): void {
    const nowMs = this.#clock.monotonicMs();
    for (const workerId of this.#late) {
      const dueMs = afterArrival(this.#ownDueMs.get(workerId) ?? NEVER_MS, nowMs, OWN_CHANGES);
      if (dueMs === undefined && !all) continue;
      if (dueMs !== undefined) this.#ownDueMs.set(workerId, dueMs);
      this.#tell(workerId);
    }
    for (const [workerId, dueMs] of this.#dueRound.next(MOST_A_LOOK)) {
      if (dueMs <= nowMs) this.#ownDueMs.delete(workerId);
    }
  }

  /** Restores the members kept by an earlier master. */
  restore(members: readonly Member[]): void {
    this.#isRestored = true;
    for (const member of members) {
      this.#members.set(member.workerId, member);
      if (member.address !== undefined) this.#onAddress(member.workerId);
    }
  }

  /** Whether {@link all} includes the members kept by an earlier master. */
  get isRestored(): boolean {
    return this.#isRestored;
  }

  get size(): number {
    return this.#members.size;
  }

  /** What is kept of a worker; undefined if nothing is. */
  get(workerId: string): Member | undefined {
    return this.#members.get(workerId);
  }

  all(): readonly Member[] {
    return [...this.#members.values()];
  }

  pending(): readonly PendingWorker[] {
    return [...this.#pending.values()];
  }

  /** Changes with each change of {@link pending}. */
  get pendingChanges(): number {
    return this.#pendingChanges;
  }

  admits(workerId: string): boolean {
    return this.mode === 'open' || this.#members.get(workerId)?.approved === true;
  }

  addressOf(workerId: string): string | undefined {
    return this.#members.get(workerId)?.address;
  }

  /**
   * Adds an unknown worker to the pending list; if the list is full, the least recent one is dropped.
   * @returns whether it was not pending before, and is now
   */
  turnAway(workerId: string): boolean {
    if (this.#maxPending === 0) return false;
    this.#pendingChanges++;
    const nowMs = this.#clock.wallMs();
    const before = this.#pending.get(workerId);
    this.#pending.delete(workerId);
    this.#pending.set(workerId, {
      workerId,
      firstSeenUnixMs: before?.firstSeenUnixMs ?? nowMs,
      lastSeenUnixMs: nowMs,
      attempts: (before?.attempts ?? 0) + 1,
    });
    if (this.#pending.size > this.#maxPending) {
      const [oldest] = this.#pending.keys();
      if (oldest !== undefined) this.#pending.delete(oldest);
    }
    return before === undefined;
  }

  /** @returns whether the worker was pending */
  approve(workerId: string): boolean {
    const isWaiting = this.#pending.delete(workerId);
    if (isWaiting) this.#pendingChanges++;
    this.#change(workerId, { approved: true });
    return isWaiting;
  }

  setAddress(workerId: string, address: string): void {
    this.#change(workerId, { address });
  }

  /** Stores an operator's decision about its lane. @returns whether it changed */
  setIsolation(workerId: string, isolation: Isolation): boolean {
    return this.#change(workerId, { isolation: isolation === 'auto' ? undefined : isolation });
  }

  /** The worker is in the fleet from now on. */
  join(workerId: string): void {
    this.#ownChange(workerId, { known: true });
  }

  /** Stores the worker's registration. @returns whether it changed */
  describe(workerId: string, info: WorkerInfo): boolean {
    return this.#ownChange(workerId, { info });
  }

  /** Stores the worker's instance ids, newest first; beyond {@link MAX_INSTANCES} the oldest are dropped. */
  setInstances(workerId: string, instanceIds: readonly string[]): void {
    this.#ownChange(workerId, { instanceIds: instanceIds.slice(0, MAX_INSTANCES) });
  }

  /** Stores whether the worker is active. */
  setActivity(workerId: string, activity: Activity): void {
    if (this.#members.has(workerId)) this.#ownChange(workerId, { activity });
  }

  /**
   * Removes the worker from the fleet after its retention. Approval, address and isolation, which an operator set,
   * stay: it may be a rack that is off for a weekend.
   */
  expire(workerId: string): void {
    const before = this.#members.get(workerId);
    if (before === undefined) return;
    if (before.approved || before.address !== undefined || before.isolation !== undefined) {
      this.#ownChange(workerId, { known: false, instanceIds: [], info: undefined, activity: undefined });
    } else {
      this.#members.delete(workerId);
      this.#tellOwn(workerId);
    }
  }

  /** Removes all that is kept of the worker. @returns whether there was anything, such as an approval */
  forget(workerId: string): boolean {
    const wasMember = this.#members.delete(workerId);
    if (wasMember) this.#tell(workerId);
    return wasMember;
  }

  /** A change by an operator. */
  #change(workerId: string, change: Change): boolean {
    const isNews = this.#set(workerId, change);
    if (isNews) this.#tell(workerId);
    return isNews;
  }

  /** A change by the worker. */
  #ownChange(workerId: string, change: Change): boolean {
    const isNews = this.#set(workerId, change);
    if (isNews) this.#tellOwn(workerId);
    return isNews;
  }

  /** @returns whether anything changed */
  #set(workerId: string, change: Change): boolean {
    const before = this.#members.get(workerId) ?? stranger(workerId);
    const after = { ...before, ...change };
    if (areSame(before, after)) return false;
    this.#members.set(workerId, after);
    const mayBeCalled = after.address !== undefined && this.admits(workerId);
    if (mayBeCalled && (after.address !== before.address || !before.approved)) this.#onAddress(workerId);
    return true;
  }

  #tellOwn(workerId: string): void {
    const nowMs = this.#clock.monotonicMs();
    const dueMs = afterArrival(this.#ownDueMs.get(workerId) ?? NEVER_MS, nowMs, OWN_CHANGES);
    if (dueMs === undefined) {
      this.#late.add(workerId);
      return;
    }
    this.#ownDueMs.set(workerId, dueMs);
    this.#tell(workerId);
  }

  #tell(workerId: string): void {
    this.#late.delete(workerId);
    this.#onChange(workerId);
  }
}

function stranger(workerId: string): Member {
  return { workerId, approved: false, address: undefined, known: false, instanceIds: [], info: undefined };
}

function areSame(a: Member, b: Member): boolean {
  return (
    a.approved === b.approved &&
    a.address === b.address &&
    a.isolation === b.isolation &&
    a.known === b.known &&
    a.activity?.isActive === b.activity?.isActive &&
    areSameIds(a.instanceIds, b.instanceIds) &&
    isSameInfo(a.info, b.info)
  );
}

function areSameIds(a: readonly string[], b: readonly string[]): boolean {
  return a === b || (a.length === b.length && a.every((id, index) => id === b[index]));
}

function isSameInfo(a: WorkerInfo | undefined, b: WorkerInfo | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined) return false;
  // Compares encoded bytes: comparing fields, NaN would always differ.
  return Buffer.compare(toBinary(WorkerInfoSchema, a), toBinary(WorkerInfoSchema, b)) === 0;
}
