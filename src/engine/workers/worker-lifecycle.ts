/**
 * How a worker begins and ends: all that main holds of one (row of the board, slot, mailbox, lane, what is judged of it) is
 * taken here, and given back here. Who may be there is decided by admission.ts, who is gone by judge.ts.
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
  /** Heartbeats per worker on their way to its lane. */
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

/** A worker that an earlier master knew. */
export interface EarlierWorker {
  /** Until when it is waited for. */
  readonly graceUntilMs: number;
  /** Undefined if it had sent none, or none that was saved. */
  readonly values: SavedValues | undefined;
  /** Told with each change, as the values are saved now and then: the later of the two is true. */
  readonly activity: Activity | undefined;
}

/** A worker that finds no room is told to come again after this: rows come free when workers are forgotten. */
const NO_ROOM_RETRY_AFTER_MS = 60_000;

export class WorkerLifecycle {
  readonly #options: WorkerLifecycleOptions;

  constructor(options: WorkerLifecycleOptions) {
    this.#options = options;
  }

  /**
   * The worker is known from now on.
   * @param isolation what an operator decided about its lane
   * @param earlier what an earlier master knew of it; undefined: it is new
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

  /** The worker says, or said to an earlier master, what it is. */
  describe(entry: RosterEntry, info: WorkerInfo): void {
    const { roster, lanes, logger } = this.#options;
    const wishedBefore = entry.wishesOwnLane;
    roster.describe(entry, workerFactsOf(info));
    const unknown = unknownWish(info.labels);
    if (unknown !== undefined) {
      const { workerId } = entry;
      logger.info(
        { worker: workerId, value: unknown },
        `the label ${ISOLATION_LABEL} can only be "dedicated"; ignored`,
      );
    }
    if (entry.wishesOwnLane !== wishedBefore) lanes.reconsider(entry);
  }

  /** An operator decided which kind of lane the worker is to have. @returns where that leaves it */
  decide(entry: RosterEntry, isolation: Isolation): LaneStanding {
    const { roster, lanes } = this.#options;
    roster.decide(entry, isolation);
    lanes.reconsider(entry);
    return lanes.standingOf(entry);
  }

  /** The worker is known no more. */
  end(entry: RosterEntry, cause: 'retention' | 'unregistered'): void {
    const { board, roster, liveness, slots, lanes, deliveries, updates } = this.#options;
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
      if (slots.keepsSamples) roster.close(entry);
      if (isUnused) slots.reuse(entry);
    });
  }

  /** Why a worker is not taken, counted. */
  noRoomFor(workerId: string): PulselaneError {
    const { refusals, maxWorkers } = this.#options;
    refusals.count('workers');
    return new PulselaneError(
      'resource_exhausted',
      `the limit of ${maxWorkers} workers (MAX_WORKERS) is reached; ${workerId} is not taken`,
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
      // A journal that could not be written for a while, or that a master of another version did not write, is older.
      isActive: (isJournalLater ? activity : values)?.isActive ?? false,
      lastUpdateS: Math.max(heardS, savedS),
      registeredS: values?.registeredS ?? board.registeredS(row),
    });
  }
}
