/**
 * Who may be in the fleet, beside what their heartbeats say: approvals by an operator, addresses at which a master has
 * to introduce itself, and unknown workers that wait for approval. Approvals and addresses outlive the master.
 */
import type { Clock } from '../lib/clock.ts';

export type AdmissionMode = 'open' | 'approved';

/** What is kept of a worker across restarts. */
export interface Member {
  readonly workerId: string;
  readonly approved: boolean;
  /** `ip:port` where the worker waits for MasterRegister. */
  readonly address: string | undefined;
}

/** A worker that was turned away under `approved` admission. */
export interface PendingWorker {
  readonly workerId: string;
  readonly firstSeenUnixMs: number;
  readonly lastSeenUnixMs: number;
  readonly attempts: number;
}

export interface MembersOptions {
  readonly mode: AdmissionMode;
  readonly maxPending: number;
  readonly clock: Clock;
}

export class Members {
  readonly mode: AdmissionMode;
  readonly #maxPending: number;
  readonly #clock: Clock;
  readonly #members = new Map<string, Member>();
  /** Longest unheard first. */
  readonly #pending = new Map<string, PendingWorker>();
  #onChange: () => void = () => {};

  constructor({ mode, maxPending, clock }: MembersOptions) {
    this.mode = mode;
    this.#maxPending = maxPending;
    this.#clock = clock;
  }

  /** Called after each change of what outlives the master. */
  onChange(listener: () => void): void {
    this.#onChange = listener;
  }

  /** Takes over what an earlier master kept. */
  restore(members: readonly Member[]): void {
    for (const member of members) this.#members.set(member.workerId, member);
  }

  all(): readonly Member[] {
    return [...this.#members.values()];
  }

  pending(): readonly PendingWorker[] {
    return [...this.#pending.values()];
  }

  admits(workerId: string): boolean {
    return this.mode === 'open' || this.#members.get(workerId)?.approved === true;
  }

  addressOf(workerId: string): string | undefined {
    return this.#members.get(workerId)?.address;
  }

  /** Remembers that an unknown worker knocked; the one unheard for longest gives way when the list is full. */
  turnAway(workerId: string): void {
    if (this.#maxPending === 0) return;
    const nowMs = this.#clock.wallMs();
    const before = this.#pending.get(workerId);
    this.#pending.delete(workerId);
    this.#pending.set(workerId, {
      workerId,
      firstSeenUnixMs: before?.firstSeenUnixMs ?? nowMs,
      lastSeenUnixMs: nowMs,
      attempts: (before?.attempts ?? 0) + 1,
    });
    if (this.#pending.size <= this.#maxPending) return;
    const [oldest] = this.#pending.keys();
    if (oldest !== undefined) this.#pending.delete(oldest);
  }

  approve(workerId: string): void {
    this.#pending.delete(workerId);
    this.#change(workerId, { approved: true });
  }

  setAddress(workerId: string, address: string): void {
    this.#change(workerId, { address });
  }

  forget(workerId: string): void {
    if (this.#members.delete(workerId)) this.#onChange();
  }

  #change(workerId: string, change: Partial<Omit<Member, 'workerId'>>): void {
    const before = this.#members.get(workerId) ?? { workerId, approved: false, address: undefined };
    const after = { ...before, ...change };
    if (after.approved === before.approved && after.address === before.address) return;
    this.#members.set(workerId, after);
    this.#onChange();
  }
}
