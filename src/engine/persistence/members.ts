/**
 * Who is or may be in the fleet, beside what their heartbeats say: who was there last, what each said when it registered,
 * approvals by an operator, addresses at which a master has to introduce itself. All of it outlives the master. Unknown
 * workers that wait for approval do not.
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

/** Whether a worker was active when that was last decided, and the Unix second at which it had been heard by then. */
export interface Activity {
  readonly isActive: boolean;
  readonly heardS: number;
}

/** What is kept of a worker across restarts. Never changed: each change makes another one. */
export interface Member {
  readonly workerId: string;
  /** An operator has let it in. */
  readonly approved: boolean;
  /** `ip:port`, or `tls://ip:port`, where the worker waits for MasterRegister. */
  readonly address: string | undefined;
  /** Which kind of lane an operator wants it to have; undefined: it is as the master finds. */
  readonly isolation?: Exclude<Isolation, 'auto'> | undefined;
  /** It is in the fleet; after a restart: it was, when the master ended. */
  readonly known: boolean;
  /** The lives of its process, newest first, at most {@link MAX_INSTANCES}. */
  readonly instanceIds: readonly string[];
  /** What it said of itself when it registered; undefined if it only ever sent heartbeats. */
  readonly info: WorkerInfo | undefined;
  /** Undefined if it was never heard, as far as is known. */
  readonly activity?: Activity | undefined;
}

type Change = Partial<Omit<Member, 'workerId'>>;

export interface MembersOptions {
  readonly mode: AdmissionMode;
  readonly maxPending: number;
  readonly clock: Clock;
}

/**
 * Changes that a worker causes are told at this rate: 30 at once, and then 4 a minute. What is beyond it is told later, and
 * once: a worker that restarts all the time is no journal of a line for each life.
 */
const OWN_CHANGES: RateLimit = { intervalMs: 15_000, toleranceMs: 29 * 15_000 };

/** A fleet that has just come is forgotten in pieces: 10,000 at once would hold up main for milliseconds. */
const MOST_A_LOOK = 2000;

export class Members {
  readonly mode: AdmissionMode;
  readonly #maxPending: number;
  readonly #clock: Clock;
  readonly #members = new Map<string, Member>();
  /** Longest unheard first. */
  readonly #pending = new Map<string, PendingWorker>();
  #pendingChanges = 0;
  #isRestored = false;
  /** When the next change of a worker's own is due at the most that it may cause; of those that caused some of late. */
  readonly #ownDueMs = new Map<string, number>();
  readonly #dueRound = new MapRound(this.#ownDueMs);
  /** Whose own changes are not told yet. */
  readonly #late = new Set<string>();
  #onChange: (workerId: string) => void = () => {};
  #onAddress: (workerId: string) => void = () => {};

  constructor({ mode, maxPending, clock }: MembersOptions) {
    this.mode = mode;
    this.#maxPending = maxPending;
    this.#clock = clock;
  }

  /**
   * Called after each change of what outlives the master, with the worker's id: at once, or in {@link tellLate} if the worker
   * causes too many. Must be cheap, and there is one.
   */
  onChange(listener: (workerId: string) => void): void {
    this.#onChange = listener;
  }

  /** Called where a worker that has an address may be called there, from now on or at another one. There is one. */
  onAddress(listener: (workerId: string) => void): void {
    this.#onAddress = listener;
    for (const { workerId, address } of this.#members.values()) if (address !== undefined) listener(workerId);
  }

  /** At times: tells changes that came too often, as they are by now. @param all the master is about to end */
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

  /** Takes over what an earlier master kept. */
  restore(members: readonly Member[]): void {
    this.#isRestored = true;
    for (const member of members) {
      this.#members.set(member.workerId, member);
      if (member.address !== undefined) this.#onAddress(member.workerId);
    }
  }

  /** Whether what an earlier master kept is in {@link all}. */
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

  /** Moves with each change of {@link pending}. */
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
   * Remembers that an unknown worker asked to be admitted; the one that asked longest ago gives way when the list is full.
   * @returns whether it did not wait yet, and does now
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

  /** @returns whether it waits for that */
  approve(workerId: string): boolean {
    const isWaiting = this.#pending.delete(workerId);
    if (isWaiting) this.#pendingChanges++;
    this.#change(workerId, { approved: true });
    return isWaiting;
  }

  setAddress(workerId: string, address: string): void {
    this.#change(workerId, { address });
  }

  /** Keeps what an operator decided about its lane. @returns whether it is something else than before */
  setIsolation(workerId: string, isolation: Isolation): boolean {
    return this.#change(workerId, { isolation: isolation === 'auto' ? undefined : isolation });
  }

  /** The worker is in the fleet from now on. */
  join(workerId: string): void {
    this.#ownChange(workerId, { known: true });
  }

  /** Keeps what the worker said of itself. @returns whether it is something else than before */
  describe(workerId: string, info: WorkerInfo): boolean {
    return this.#ownChange(workerId, { info });
  }

  /** Keeps the lives of the worker's process, newest first; beyond {@link MAX_INSTANCES} the oldest are dropped. */
  setInstances(workerId: string, instanceIds: readonly string[]): void {
    this.#ownChange(workerId, { instanceIds: instanceIds.slice(0, MAX_INSTANCES) });
  }

  /** Keeps that it is active now, or no more. */
  setActivity(workerId: string, activity: Activity): void {
    if (this.#members.has(workerId)) this.#ownChange(workerId, { activity });
  }

  /**
   * The worker was silent for so long that it is not in the fleet any more. What an operator said of it, approval,
   * address and isolation, stays: it may be a rack that was off for a weekend.
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

  /** Keeps nothing of the worker. @returns whether there was anything, such as an approval */
  forget(workerId: string): boolean {
    const wasMember = this.#members.delete(workerId);
    if (wasMember) this.#tell(workerId);
    return wasMember;
  }

  /** By an operator. */
  #change(workerId: string, change: Change): boolean {
    const isNews = this.#set(workerId, change);
    if (isNews) this.#tell(workerId);
    return isNews;
  }

  /** By the worker. */
  #ownChange(workerId: string, change: Change): boolean {
    const isNews = this.#set(workerId, change);
    if (isNews) this.#tellOwn(workerId);
    return isNews;
  }

  /** @returns whether anything is other than before */
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
  // By their bytes: field by field, NaN would be a change each time.
  return Buffer.compare(toBinary(WorkerInfoSchema, a), toBinary(WorkerInfoSchema, b)) === 0;
}
