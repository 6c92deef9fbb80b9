/**
 * Creates and connects the parts of the engine. Each part knows only the lower ones; upward calls are callbacks set
 * here.
 */
import { availableParallelism } from 'node:os';
import { pathToFileURL } from 'node:url';
import { type Clock, systemClock } from '../lib/clock.ts';
import { PulselaneError } from '../lib/errors.ts';
import { type Logger, silentLogger } from '../lib/logging.ts';
import { MAX_RECORD_BYTES } from '../model/heartbeat-limits.ts';
import type { WorkerTelemetry } from '../model/telemetry.ts';
import { allocateBoard, BoardWriter } from '../store/board.ts';
import { isMetricColumns, MOST_METRIC_COLUMNS } from '../store/slot-ring.ts';
import { DeliveryWatch } from './delivery-watch.ts';
import { FigurePublisher } from './figure-publisher.ts';
import { Intake } from './intake.ts';
import { laneEffects } from './lane-effects.ts';
import { type LanePlan, laneSettings, planLanes } from './lanes/lane-plan.ts';
import { LanePool } from './lanes/lane-pool.ts';
import { LoadWatch } from './lanes/load-watch.ts';
import { readMachineFacts, readMemoryLimits } from './lanes/machine-facts.ts';
import { MemoryRoom } from './lanes/memory-room.ts';
import { Liveness } from './liveness/liveness.ts';
import type { SampleOptions, TelemetryManagerOptions } from './manager-options.ts';
import { Members } from './persistence/members.ts';
import { Pulse } from './pulse.ts';
import { Refusals } from './refusals.ts';
import { RunPhase } from './run-phase.ts';
import { StatusPublisher } from './status-publisher.ts';
import { UntoldRejections } from './untold-rejections.ts';
import { UpdateWatcher } from './update-watcher.ts';
import { Admission } from './workers/admission.ts';
import { recordBudgetBytes } from './workers/record-memory.ts';
import { ringBudgetBytes } from './workers/ring-memory.ts';
import { Roster, type RosterEntry } from './workers/roster.ts';
import { SlotKeeper } from './workers/slot-keeper.ts';
import { WorkerLifecycle } from './workers/worker-lifecycle.ts';

export interface EngineParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly phase: RunPhase;
  readonly lanePlan: LanePlan;
  /** MAX_DEDICATED_LANES as text. */
  readonly lanesAsked: string;
  readonly processorUrl: string | undefined;
  readonly board: BoardWriter;
  readonly roster: Roster;
  readonly members: Members;
  readonly liveness: Liveness;
  readonly lanes: LanePool;
  readonly refusals: Refusals;
  readonly slots: SlotKeeper;
  readonly deliveries: DeliveryWatch;
  readonly updates: UpdateWatcher;
  readonly untoldRejections: UntoldRejections;
  readonly intake: Intake;
  readonly lifecycle: WorkerLifecycle;
  readonly admission: Admission;
  readonly pulse: Pulse;
  readonly figures: FigurePublisher;
  /** Returns what readers on this thread see of a worker. */
  readonly telemetryOf: (entry: RosterEntry) => WorkerTelemetry;
}

const MIB = 1024 ** 2;
/** Of the memory, if nothing else is set. */
const RING_SHARE = 1 / 10;
/** A day. Readers that are away for longer need a history on disk. */
const MAX_SAMPLE_SPAN_MS = 24 * 3_600_000;

/**
 * @param onActive called with each worker that becomes active
 * @throws PulselaneError `bad_setting`
 */
export function assembleEngine(options: TelemetryManagerOptions, onActive: (workerId: string) => void): EngineParts {
  const phase = new RunPhase();
  const refusals = new Refusals();
  const clock = options.clock ?? systemClock;
  const logger = options.logger ?? silentLogger;
  const { maxWorkers = 20_000, maxDedicatedLanes, sharedLanes } = options;
  const facts = readMachineFacts();
  const machine = { facts, cores: availableParallelism() };
  const lanePlan = planLanes(machine, laneSettings(maxDedicatedLanes, sharedLanes), maxWorkers);
  const { dedicated } = lanePlan;
  const lanesAsked = maxDedicatedLanes === 'all' ? `all, up to ${dedicated} lanes` : String(dedicated);
  const memory = new MemoryRoom(clock, facts.memory, readMemoryLimits);
  const board = new BoardWriter(allocateBoard(maxWorkers, clock.monotonicMs(), clock.wallMs()));
  board.stampBeat(clock.monotonicMs());
  const roster = new Roster(board);
  const samples = samplesOf(options);
  const memoryBytes = Math.min(...facts.memory.map(({ most }) => most));
  const slots = new SlotKeeper({
    budgetBytes: options.recordMemoryBytes ?? recordBudgetBytes(memoryBytes),
    maxRecordBytes: options.maxRecordBytes ?? MAX_RECORD_BYTES,
    ringBudgetBytes: ringBudgetBytes(samples.memory ?? { share: RING_SHARE }, memoryBytes),
    sampleSpanMs: samples.spanMs,
    metricColumns: samples.metrics ?? 64,
    isScored: options.anomalyScores ?? false,
    intervalMs: options.heartbeatIntervalMs ?? 5000,
    onRingsShort: (areShort, detail) => {
      if (areShort) logger.warn(detail);
      else logger.info(detail);
      liveness.recordEvent({ type: areShort ? 'fault' : 'fault_over', detail });
    },
    intervalOf: ({ liveness: { intervalMs } }) => intervalMs,
    roster,
    clock,
  });
  const members = new Members({ mode: options.admission ?? 'open', maxPending: options.maxPending ?? 1000, clock });
  const liveness = new Liveness({
    settings: options,
    roster,
    board,
    clock,
    logger,
    onGone: (entry) => admission.retire(entry),
    onInstances: ({ workerId, liveness }) => members.setInstances(workerId, liveness.instances),
    onActivity: (entry, isActive) => {
      const { workerId, row } = entry;
      // An active worker's heartbeat may not be on the board yet, or be there with an earlier second.
      const heardS = isActive ? Math.floor(liveness.receivedUnixMs(entry) / 1000) : board.lastUpdateS(row);
      members.setActivity(workerId, { isActive, heardS });
      if (isActive) onActive(workerId);
    },
    onPresence: (entry) => lanes.reconsider(entry),
  });
  const processorUrl = options.processor === undefined ? undefined : urlOf(options.processor);
  const offHeapMib = options.laneOffHeapMib ?? 128;
  const lanes = new LanePool({
    maxDedicatedLanes: lanePlan.dedicated,
    // A number set by an operator applies even when memory is short.
    hasRoom: () => lanePlan.isSet || memory.isRoom,
    sharedLanes: lanePlan.shared,
    limits: {
      heapMib: options.laneHeapMib ?? 128,
      offHeapMib,
      stallMs: options.laneStallMs ?? 2000,
      budgetMs: options.laneBudgetMs ?? 1000,
    },
    resident: {
      limits: readMemoryLimits,
      residentBytes: () => process.memoryUsage.rss(),
      boundBytes: options.maxResidentMib === undefined ? undefined : options.maxResidentMib * 1024 ** 2,
    },
    rows: maxWorkers,
    workerAt: (row, occupant) => {
      const entry = roster.atRow(row);
      return entry?.occupant === occupant ? entry : undefined;
    },
    quarantineMs: options.laneQuarantineMs ?? 5 * 60_000,
    processor: processorUrl === undefined ? undefined : { url: processorUrl, offHeapBytes: offHeapMib * MIB },
    allowance: slots.allowance,
    publications: board.memory.publications,
    applyTimes: board.memory.applyTimes,
    clock,
    logger,
    events: laneEffects({
      board,
      roster,
      slots,
      liveness,
      onThreadsFailing: options.onThreadsFailing ?? (() => {}),
      clock,
    }),
  });
  const deliveries = new DeliveryWatch({ board, liveness, refusals, clock });
  const telemetryOf = (entry: RosterEntry) => {
    // The first record makes the worker active; it may have been published a moment ago.
    liveness.lookForRecord(entry);
    return roster.directory.telemetry(entry);
  };
  const updates = new UpdateWatcher({ clock, logger, telemetryOf, settle: (entry) => deliveries.settle(entry) });
  const lifecycle = new WorkerLifecycle({
    maxWorkers,
    laneDepth: options.laneDepth ?? 16,
    board,
    roster,
    liveness,
    slots,
    lanes,
    deliveries,
    updates,
    refusals,
    clock,
    logger,
  });
  const admission = new Admission({
    maxWorkers,
    maxWorkerRegistersPerS: options.maxWorkerRegistersPerS ?? 0,
    members,
    roster,
    liveness,
    lifecycle,
    refusals,
    clock,
  });
  const intake = new Intake({
    maxWorkerHeartbeatsPerS: options.maxWorkerHeartbeatsPerS ?? 0,
    phase,
    admission,
    board,
    liveness,
    records: slots.records,
    deliveries,
    updates,
    refusals,
    clock,
  });
  const { records, rings } = slots;
  const publisher = new StatusPublisher({ lanePlan, lanes, members, records, rings, refusals, roster, logger });
  const figures = new FigurePublisher({ board, liveness, lanes, deliveries });
  const loads = new LoadWatch({ board, roster, lanes, clock });
  const pulse = new Pulse({
    board,
    deliveries,
    liveness,
    loads,
    lanes,
    members,
    records,
    rings,
    publisher,
    figures,
    clock,
  });
  return {
    clock,
    logger,
    phase,
    lanePlan,
    lanesAsked,
    processorUrl,
    board,
    roster,
    members,
    liveness,
    lanes,
    refusals,
    slots,
    deliveries,
    updates,
    untoldRejections: new UntoldRejections(roster),
    intake,
    lifecycle,
    admission,
    pulse,
    figures,
    telemetryOf,
  };
}

/** @throws PulselaneError `bad_setting` */
function samplesOf({ samples = { spanMs: 0 } }: TelemetryManagerOptions): SampleOptions {
  const { spanMs, memory, metrics = 0 } = samples;
  const fail = (member: string, value: unknown, expected: string) => {
    throw new PulselaneError('bad_setting', `samples.${member} is ${value}, expected ${expected}`);
  };
  if (!(spanMs >= 0 && spanMs <= MAX_SAMPLE_SPAN_MS)) fail('spanMs', spanMs, `0 to ${MAX_SAMPLE_SPAN_MS}`);
  if (!isMetricColumns(metrics)) fail('metrics', metrics, `a whole number from 0 to ${MOST_METRIC_COLUMNS}`);
  if (memory !== undefined) {
    const [member, value] = 'bytes' in memory ? ['bytes', memory.bytes] : ['share', memory.share];
    if (member === 'bytes' ? !(value > 0) : !(value > 0 && value <= 1)) {
      fail(`memory.${member}`, value, member === 'bytes' ? 'a size above 0' : 'a share above 0, at most 1');
    }
  }
  return samples;
}

/** @throws PulselaneError `bad_setting` if it is a URL with a scheme other than file: */
function urlOf(processor: string | URL): string {
  if (typeof processor === 'string' && !/^[a-z]+:\/\//.test(processor)) return pathToFileURL(processor).href;
  const url = String(processor);
  if (url.startsWith('file://')) return url;
  throw new PulselaneError('bad_setting', `processor ${url}: expected the path or file URL of an ES module`);
}
