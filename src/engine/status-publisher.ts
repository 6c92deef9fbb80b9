/**
 * Publishes to readers in other threads what changes all the time, when it has changed: who waits for approval, memory for
 * records, refusals (each once a second at most, so that a flood is no flood of messages, too) and the limit of lanes.
 */
import type { Logger } from '../lib/logging.ts';
import { type LanePlan, laneLimitOf } from './lanes/lane-plan.ts';
import type { LanePool } from './lanes/lane-pool.ts';
import type { Members } from './persistence/members.ts';
import type { Refusals } from './refusals.ts';
import type { RecordMemory } from './workers/record-memory.ts';
import type { Roster } from './workers/roster.ts';

export interface StatusPublisherOptions {
  readonly lanePlan: LanePlan;
  readonly lanes: LanePool;
  readonly members: Members;
  readonly records: RecordMemory;
  readonly refusals: Refusals;
  readonly roster: Roster;
  readonly logger: Logger;
}

/** How often it is published at the most who waits for approval: those who wait ask all the time. */
const PENDING_EVERY_MS = 1000;

export class StatusPublisher {
  readonly #options: StatusPublisherOptions;
  /** When it was published last who waits for approval, and at which change. */
  #pendingPublishedMs = 0;
  #pendingPublished = 0;

  constructor(options: StatusPublisherOptions) {
    this.#options = options;
  }

  /** What every reader must know from the start. */
  begin(nowMs: number): void {
    const { roster, lanePlan } = this.#options;
    roster.publishLaneLimit(laneLimitOf(lanePlan, false));
    this.#publishRecordMemory(nowMs);
  }

  /** At each sweep. */
  look(nowMs: number): void {
    this.#publishLaneLimit();
    this.#publishPending(nowMs);
    this.#publishRecordMemory(nowMs);
    const refusals = this.#options.refusals.takeChanges(nowMs);
    if (refusals !== undefined) this.#options.roster.publishLimits(refusals);
  }

  #publishLaneLimit(): void {
    const { lanes, lanePlan, roster, logger } = this.#options;
    const limit = laneLimitOf(lanePlan, lanes.isHeldBack);
    const { isMemoryShort } = limit;
    if (roster.directory.laneLimit?.isMemoryShort === isMemoryShort) return;
    roster.publishLaneLimit(limit);
    if (isMemoryShort) logger.warn('memory is short on this machine: no more dedicated lanes are started');
    else logger.info('memory is free again: dedicated lanes are started');
  }

  #publishPending(nowMs: number): void {
    const { members, roster } = this.#options;
    const { pendingChanges } = members;
    if (pendingChanges === this.#pendingPublished || nowMs - this.#pendingPublishedMs < PENDING_EVERY_MS) return;
    this.#pendingPublished = pendingChanges;
    this.#pendingPublishedMs = nowMs;
    roster.publishPending(members.pending());
  }

  #publishRecordMemory(nowMs: number): void {
    const { records, roster } = this.#options;
    const changes = records.takeChanges(nowMs);
    if (changes !== undefined) roster.publishRecordMemory(changes);
  }
}
