/** Accepts heartbeats from the latest instance of each worker, and refuses those of older instances. */
import { PulselaneError } from '../../lib/errors.ts';
import { instanceKind, maySayFarewell, withInstance, withRefused } from '../../model/instances.ts';
import { inactiveAfterMs, type LivenessLimits, type WorkerState } from '../../model/liveness.ts';
import type { BoardWriter } from '../../store/board.ts';
import type { RosterEntry } from '../workers/roster.ts';
import type { EventRecorder } from './event-recorder.ts';
import type { WorkerLiveness } from './worker-liveness.ts';

export interface InstanceGuardOptions {
  readonly limits: LivenessLimits;
  readonly board: BoardWriter;
  readonly recorder: EventRecorder;
  /** A worker's instances, which survive restarts of the master, have changed. */
  readonly onInstances: (entry: RosterEntry) => void;
}

/** Delay requested from a refused instance before it retries. */
const RETRY_AFTER_MS = 60_000;
/**
 * One heartbeat of an older instance may have been in transit for this long; a second one shows that the instance is
 * alive.
 */
const ON_ITS_WAY_MS = 2000;
const CONFLICT_AFTER = 2;
/** States in which the later instance said farewell or is silent, so that an older one may have the id back. */
const GONE_STATES: ReadonlySet<WorkerState> = new Set(['inactive', 'leaving', 'left']);
const NEVER = Number.NEGATIVE_INFINITY;
/** The older instance would have retried twice in this time. */
const CONFLICT_OVER_AFTER_MS = 3 * RETRY_AFTER_MS;

export class InstanceGuard {
  readonly #options: InstanceGuardOptions;
  readonly #conflicts = new Set<RosterEntry>();

  constructor(options: InstanceGuardOptions) {
    this.#options = options;
  }

  /** @throws PulselaneError `failed_precondition` if a later instance has reported, and is present */
  check(entry: RosterEntry, instanceId: string, nowMs: number): void {
    switch (instanceKind(entry.liveness.instances, instanceId)) {
      case 'older':
        if (this.#isGone(entry.liveness, nowMs)) {
          this.#takeOver(entry, instanceId, nowMs);
          return;
        }
        entry.liveness.instances = withRefused(entry.liveness.instances, instanceId);
        this.#refuse(entry, nowMs);
        throw new PulselaneError(
          'failed_precondition',
          `a later instance of ${entry.workerId} reports to this master; heartbeats of this one are refused`,
          { retryAfterMs: RETRY_AFTER_MS },
        );
      case 'newer':
        this.#takeOver(entry, instanceId, nowMs);
        return;
      default:
    }
  }

  /**
   * Checks a deregistration. A present worker is deregistered only by the instance that reports for it: an instance
   * with an id by that id, one without an id by an empty id. An absent worker may be deregistered by any peer that may
   * use its id.
   * @throws PulselaneError `failed_precondition` if it is another instance
   */
  checkFarewell({ workerId, liveness }: RosterEntry, instanceId: string, nowMs: number): void {
    const { instances, lastReceivedMs } = liveness;
    const isThere = (lastReceivedMs !== undefined || instances.length > 0) && !this.#isGone(liveness, nowMs);
    if (!isThere || maySayFarewell(instances, instanceId)) return;
    const which = instanceKind(instances, instanceId) === 'older' ? 'a later' : 'another';
    throw new PulselaneError(
      'failed_precondition',
      `${which} instance of ${workerId} reports to this master; this one cannot deregister it`,
      { retryAfterMs: RETRY_AFTER_MS },
    );
  }

  /** The worker has restarted. @param sign how that was detected */
  restarted({ liveness, workerId, row }: RosterEntry, sign: string): void {
    liveness.hasBegunAnew = true;
    liveness.restarts++;
    this.#options.board.setRestarts(row, liveness.restarts);
    this.#options.recorder.record({ type: 'restarted', workerId, detail: sign });
  }

  /** Called periodically: records that a conflict is over. */
  look(nowMs: number): void {
    for (const entry of this.#conflicts) {
      if (nowMs - entry.liveness.refusedOlderMs < CONFLICT_OVER_AFTER_MS) continue;
      this.#setConflict(entry, false);
      this.#options.recorder.record({ type: 'id_conflict_over', workerId: entry.workerId });
    }
  }

  forget(entry: RosterEntry): void {
    this.#conflicts.delete(entry);
  }

  /**
   * Whether the latest instance is gone. Its state tells, with two exceptions: an instance that has only registered
   * still has the state of the previous one; and a worker without values never becomes inactive, however long it is
   * silent.
   */
  #isGone({ state, lastReceivedMs = NEVER, takenOverMs, intervalMs }: WorkerLiveness, nowMs: number): boolean {
    if (state !== 'registered' && takenOverMs <= lastReceivedMs) return GONE_STATES.has(state);
    return nowMs - Math.max(lastReceivedMs, takenOverMs) > inactiveAfterMs(intervalMs, this.#options.limits);
  }

  #takeOver(entry: RosterEntry, instanceId: string, nowMs: number): void {
    const { liveness } = entry;
    liveness.takenOverMs = nowMs;
    liveness.hasBegunAnew = true;
    const isRestart = liveness.instances.length > 0;
    liveness.instances = withInstance(liveness.instances, instanceId);
    liveness.refusedOlder = 0;
    this.#options.onInstances(entry);
    if (!isRestart) return;
    liveness.sequence.reset();
    this.restarted(entry, `instance ${instanceId}`);
  }

  #refuse(entry: RosterEntry, nowMs: number): void {
    const { liveness, workerId } = entry;
    const isLongAgo = nowMs - liveness.refusedOlderMs > CONFLICT_OVER_AFTER_MS;
    liveness.refusedOlder = isLongAgo ? 1 : liveness.refusedOlder + 1;
    liveness.refusedOlderMs = nowMs;
    const mayBeLate = nowMs - liveness.takenOverMs <= ON_ITS_WAY_MS && liveness.refusedOlder < CONFLICT_AFTER;
    if (liveness.hasConflict || mayBeLate) return;
    this.#setConflict(entry, true);
    const detail = 'the later one is accepted, the older one is refused and keeps trying';
    this.#options.recorder.record({ type: 'id_conflict', workerId, detail });
  }

  #setConflict(entry: RosterEntry, hasConflict: boolean): void {
    entry.liveness.hasConflict = hasConflict;
    entry.liveness.refusedOlder = 0;
    this.#options.board.setFlag(entry.row, 'conflict', hasConflict);
    if (hasConflict) this.#conflicts.add(entry);
    else this.#conflicts.delete(entry);
  }
}
