/**
 * Creates and removes workers: all that main holds of one (row of the board, slot, mailbox, lane, liveness) is
 * allocated and released here. admission.ts decides which workers may be in the fleet, judge.ts which are gone.
 */
import type { WorkerInfo } from '../../gen/pulselane/v1/telemetry_pb.ts';
import type { Clock } from '../../lib/clock.ts';
import { PulselaneError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/logging.ts';
import { ISOLATION_LABEL, type Isolation, unknownWish } from '../../model/isolation.ts';
import { workerFactsOf } from '../../model/worker-facts.ts';
import type { BoardWriter } from '../../store/board.ts';
import type { DeliveryWatch } from '../delivery-watch.ts';
import type { LaneStanding } from '../lanes/lane-policy.ts';
import type { LanePool } from '../lanes/lane-pool.ts';
import type { Liveness } from '../liveness/liveness.ts';
import type { Activity } from '../persistence/members.ts';
import type { SavedValues } from '../persistence/values-file.ts';
import type { Refusals } from '../refusals.ts';
import type { UpdateWatcher } from '../update-watcher.ts';
import { Mailbox } from './mailbox.ts';
import { type Roster, RosterEntry } from './roster.ts';
import type { SlotKeeper } from './slot-keeper.ts';

export interface WorkerLifecycleOptions {
  readonly maxWorkers: number;
  /** Maximum number of heartbeats per worker queued in its lane. */
  readonly laneDepth: number;
  readonly board: BoardWriter;
  readonly roster: Roster;
  readonly liveness: Liveness;
  readonly slots: SlotKeeper;
  readonly lanes: LanePool;
  readonly deliveries: DeliveryWatch;
  readonly updates: UpdateWatcher;
  readonly refusals: Refusals;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A worker known to an earlier master. */
export interface EarlierWorker {
  /** End of its restart grace. */
  readonly graceUntilMs: number;
  /** Undefined if there were none, or none were saved. */
  readonly values: SavedValues | undefined;
  /** Stored with each change, while values are saved periodically: the later of the two counts. */
  readonly activity: Activity | undefined;
}

/** Retry delay for a worker without room: rows become free when workers are removed. */
const NO_ROOM_RETRY_AFTER_MS = 60_000;

export class WorkerLifecycle {
  readonly #options: WorkerLifecycleOptions;

  constructor(options: WorkerLifecycleOptions) {
    this.#options = options;
  }

  /**
   * Makes the worker known.
   * @param isolation the operator's decision about its lane
   * @param earlier facts from an earlier master; undefined: it is new
   * @throws PulselaneError `resource_exhausted` if there is no room
   */
  begin(workerId: string, isolation: Isolation, earlier?: EarlierWorker): RosterEntry {
    const { board, roster, liveness, slots, lanes, laneDepth, clock } = this.#options;
    const values = earlier?.values;
    const silentMs = values?.silentMs ?? 0;
    const place = board.occupy({ monotonicMs: clock.monotonicMs() - silentMs, wallMs: clock.wallMs() });
    if (place === undefined) throw this.noRoomFor(workerId);
    const entry = new RosterEntry({
      workerId,
      ...place,
      slot: slots.make(workerId, values),
      mailbox: new Mailbox(laneDepth, slots.records),
      liveness: liveness.newFacts(values, earlier?.graceUntilMs),
    });
    if (earlier !== undefined) this.#restoreRow(entry.row, earlier);
    roster.add(entry);
    if (isolation !== 'auto') roster.decide(entry, isolation);
    liveness.admit(entry);
    lanes.assign(entry);
    return entry;
  }

  /** Sets the worker's description, from its registration with this master or an earlier one. */
  describe(entry: RosterEntry, info: WorkerInfo): void {
    const { roster, lanes, logger } = this.#options;
    const wishedBefore = entry.wishesOwnLane;
    roster.describe(entry, workerFactsOf(info));
    const unknown = unknownWish(info.labels);
    if (unknown !== undefined) {
      const { workerId } = entry;
      logger.info(
        { worker: workerId, value: unknown },
        `the label ${ISOLATION_LABEL} can only be "dedicated"; ignoring it`,
      );
    }
    if (entry.wishesOwnLane !== wishedBefore) lanes.reconsider(entry);
  }

  /** Sets the operator's decision about the worker's lane. @returns the worker's lane state afterwards */
  decide(entry: RosterEntry, isolation: Isolation): LaneStanding {
    const { roster, lanes } = this.#options;
    roster.decide(entry, isolation);
    lanes.reconsider(entry);
    return lanes.standingOf(entry);
  }

  /** Removes the worker. */
  end(entry: RosterEntry, cause: 'retention' | 'unregistered'): void {
    const { board, roster, liveness, slots, lanes, deliveries, updates, clock } = this.#options;
    liveness.forget(entry, cause);
    entry.liveness.via?.forget(entry.workerId);
    roster.remove(entry);
    deliveries.forget(entry);
    updates.forget(entry);
    board.release(entry.row);
    entry.mailbox.clear();
    slots.letGo(entry);
    void lanes.forget(entry).then((isUnused) => {
      deliveries.left(entry);
      roster.left(entry);
      const release = () => {
        if (isUnused) slots.reuse(entry);
      };
      if (slots.keepsSamples) roster.close(entry, clock.monotonicMs(), release);
      else release();
    });
  }

  /** The error for a worker without room; counts it. */
  noRoomFor(workerId: string): PulselaneError {
    const { refusals, maxWorkers } = this.#options;
    refusals.count('workers');
    return new PulselaneError(
      'resource_exhausted',
      `the limit of ${maxWorkers} workers (MAX_WORKERS) is reached; ${workerId} is refused`,
      { retryAfterMs: NO_ROOM_RETRY_AFTER_MS },
    );
  }

  #restoreRow(row: number, { values, activity }: EarlierWorker): void {
    if (values === undefined && activity === undefined) return;
    const { board } = this.#options;
    const heardS = activity?.heardS ?? 0;
    const savedS = values?.lastUpdateS ?? 0;
    const isJournalLater = activity !== undefined && heardS >= savedS;
    board.restore(row, {
      // The journal may be older: it could not be written for a while, or a master of another version did not write it.
      isActive: (isJournalLater ? activity : values)?.isActive ?? false,
      lastUpdateS: Math.max(heardS, savedS),
      registeredS: values?.registeredS ?? board.registeredS(row),
    });
  }
}
