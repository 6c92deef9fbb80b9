/**
 * Publishes frequently changing status to readers in other threads: pending workers, memory, refusals (each at
 * most once a second, so that a flood of events does not become a flood of messages), and the limit of lanes.
 */
import type { Logger } from '../lib/logging.ts';
import { type LanePlan, laneLimitOf } from './lanes/lane-plan.ts';
import type { LanePool } from './lanes/lane-pool.ts';
import type { Members } from './persistence/members.ts';
import type { Refusals } from './refusals.ts';
import type { RecordMemory } from './workers/record-memory.ts';
import type { RingMemory } from './workers/ring-memory.ts';
import type { Roster } from './workers/roster.ts';

export interface StatusPublisherOptions {
  readonly lanePlan: LanePlan;
  readonly lanes: LanePool;
  readonly members: Members;
  readonly records: RecordMemory;
  readonly rings: RingMemory;
  readonly refusals: Refusals;
  readonly roster: Roster;
  readonly logger: Logger;
}

/** Minimum interval between publications of pending workers, which retry all the time. */
const PENDING_EVERY_MS = 1000;

export class StatusPublisher {
  readonly #options: StatusPublisherOptions;
  /** Time and change number of the last publication of pending workers. */
  #pendingPublishedMs = 0;
  #pendingPublished = 0;

  constructor(options: StatusPublisherOptions) {
    this.#options = options;
  }

  /** Publishes the initial state. */
  begin(nowMs: number): void {
    const { roster, lanePlan } = this.#options;
    roster.publishLaneLimit(laneLimitOf(lanePlan, false));
    this.#publishMemory(nowMs);
  }

  /** Called at each sweep. */
  look(nowMs: number): void {
    this.#options.roster.forgetClosed(nowMs);
    this.#publishLaneLimit();
    this.#publishPending(nowMs);
    this.#publishMemory(nowMs);
    const refusals = this.#options.refusals.takeChanges(nowMs);
    if (refusals !== undefined) this.#options.roster.publishLimits(refusals);
  }

  #publishLaneLimit(): void {
    const { lanes, lanePlan, roster, logger } = this.#options;
    const limit = laneLimitOf(lanePlan, lanes.isHeldBack);
    const { isMemoryShort } = limit;
    if (roster.directory.laneLimit?.isMemoryShort === isMemoryShort) return;
    roster.publishLaneLimit(limit);
    if (isMemoryShort) logger.warn('the machine is short of memory: no further dedicated lanes are started');
    else logger.info('the machine has free memory again: dedicated lanes are started');
  }

  #publishPending(nowMs: number): void {
    const { members, roster } = this.#options;
    const { pendingChanges } = members;
    if (pendingChanges === this.#pendingPublished || nowMs - this.#pendingPublishedMs < PENDING_EVERY_MS) return;
    this.#pendingPublished = pendingChanges;
    this.#pendingPublishedMs = nowMs;
    roster.publishPending(members.pending());
  }

  #publishMemory(nowMs: number): void {
    const { records, rings, roster } = this.#options;
    const ofRecords = records.takeChanges(nowMs);
    if (ofRecords !== undefined) roster.publishRecordMemory(ofRecords);
    const ofRings = rings.takeChanges(nowMs);
    if (ofRings !== undefined) roster.publishRingMemory(ofRings);
  }
}
