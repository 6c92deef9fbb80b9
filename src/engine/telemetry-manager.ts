/**
 * The public face of the engine: takes heartbeats, keeps each worker's newest state in shared memory, judges who is
 * alive. Usable by itself in any program; gRPC, HTTP and the prompt are built around it.
 */
import { availableParallelism } from 'node:os';
import { pathToFileURL } from 'node:url';
import type { WorkerInfo } from '../gen/pulselane/v1/telemetry_pb.ts';
import { type Clock, systemClock, until } from '../lib/clock.ts';
import { PulselaneError } from '../lib/errors.ts';
import { type Logger, silentLogger } from '../lib/logging.ts';
import { threadsLeftBehind } from '../lib/supervised-thread.ts';
import { holdThread } from '../lib/threads.ts';
import type { EventLog, NewEvent } from '../model/events.ts';
import { MAX_RECORD_BYTES } from '../model/heartbeat-limits.ts';
import { type HeartbeatHead, scanHeartbeat } from '../model/heartbeat-scan.ts';
import type { Holds } from '../model/holds.ts';
import type { LaneKind, LaneLimit, LaneState } from '../model/lanes.ts';
import type { PendingWorker } from '../model/pending.ts';
import type { RecordMemoryView } from '../model/record-memory.ts';
import type { HeartbeatInput, WorkerTelemetry } from '../model/telemetry.ts';
import { checkWorkerId } from '../model/worker-id.ts';
import type { Announcement } from '../reading/directory.ts';
import { allocateBoard, type BoardMemory, BoardWriter } from '../store/board.ts';
import { Admission } from './admission.ts';
import { DeliveryWatch } from './delivery-watch.ts';
import { heartbeatBytes } from './heartbeat-bytes.ts';
import type { IdentityViolation } from './identity-violations.ts';
import { Intake } from './intake.ts';
import { laneEffects } from './lane-effects.ts';
import { exceededBy, type LanePlan, laneLimitOf, planLanes } from './lane-plan.ts';
import { LanePool } from './lane-pool.ts';
import { Liveness, type LivenessSettings } from './liveness.ts';
import { readMachineFacts, readMemoryLimits } from './machine-facts.ts';
import { type AdmissionMode, type Member, Members } from './members.ts';
import { MemoryRoom } from './memory-room.ts';
import { Pulse } from './pulse.ts';
import { recordBudgetBytes } from './record-memory.ts';
import { type RefusalCounts, Refusals } from './refusals.ts';
import { restoreWorkers, savedValuesOf } from './restore.ts';
import { Roster, type RosterEntry } from './roster.ts';
import { SlotKeeper } from './slot-keeper.ts';
import { StatusPublisher } from './status-publisher.ts';
import { type UpdateCallback, UpdateWatcher } from './update-watcher.ts';
import type { SavedValues } from './values-file.ts';
import { WorkerLifecycle } from './worker-lifecycle.ts';
import type { Via } from './worker-liveness.ts';

/** Every member is optional; the defaults are those of the master's settings. */
export interface TelemetryManagerOptions extends Partial<LivenessSettings> {
  /** `open`: a first heartbeat admits a worker; `approved`: `registerWorker` or `approve` does. */
  readonly admission?: AdmissionMode;
  readonly maxWorkers?: number;
  /** Most unknown workers remembered while they wait for approval. */
  readonly maxPending?: number;
  /** Most heartbeats a second of one worker; 0, the default here, is no limit. */
  readonly maxWorkerHeartbeatsPerS?: number;
  /** Most changes a second of one worker, as registrations are; 0, the default here, is no limit. */
  readonly maxWorkerRegistersPerS?: number;
  /**
   * Most workers with a thread of their own; the rest share. Undefined: as many as the cores run well, 64 at least, if the
   * machine carries them; `all`: one each, whatever it costs.
   */
  readonly maxDedicatedLanes?: number | 'all' | undefined;
  /** Threads for those who share; undefined: one for every two cores, 1 to 8. */
  readonly sharedLanes?: number | undefined;
  /** Heartbeats per worker on their way to its lane; beyond it the newest replaces the one that waits. */
  readonly laneDepth?: number;
  /** Heap limit of a dedicated lane; a shared one has four times as much. */
  readonly laneHeapMib?: number;
  /** Limit of a dedicated lane's memory outside the heap, with a processor; a shared one has four times as much. */
  readonly laneOffHeapMib?: number;
  /** Memory of the process at which the lane is ended that made it grow; undefined: nine tenths of what the machine has. */
  readonly maxResidentMib?: number | undefined;
  /** A lane that makes no progress for this long is ended and started again. */
  readonly laneStallMs?: number;
  /** A worker for whom the processor takes so long of a shared lane's 10 s is moved to another lane. */
  readonly laneBudgetMs?: number;
  /** How long a worker that keeps ending its lane gets no other. */
  readonly laneQuarantineMs?: number;
  /** Path or file URL of an ES module whose default export is a `HeartbeatProcessor`; it runs in every lane. */
  readonly processor?: string | URL | undefined;
  /** Largest record, in bytes of JSON. */
  readonly maxRecordBytes?: number;
  /** Memory for records and heartbeats on their way; undefined: what the machine's memory suggests. */
  readonly recordMemoryBytes?: number | undefined;
  /** Newest samples kept per worker. */
  readonly ringSamples?: number;
  /** Told when threads for lanes can no longer be started, and when they can again: no worker's fault. */
  readonly onThreadsFailing?: (fails: boolean) => void;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

/** Counts since the start, for people who look inside. */
export interface InternalState {
  readonly workers: number;
  readonly activeWorkers: number;
  readonly lanes: readonly {
    readonly number: number;
    readonly kind: LaneKind;
    readonly state: LaneState;
    readonly workers: number;
    readonly restarts: number;
    /** Why its thread failed last; undefined if none did. */
    readonly lastError: string | undefined;
  }[];
  readonly lanePlan: LanePlan;
  /** What keeps the number of dedicated lanes where it is. */
  readonly laneLimit: LaneLimit;
  /** Threads that were ended and still run. */
  readonly threadsLeftBehind: number;
  readonly pending: readonly PendingWorker[];
  readonly recordMemory: RecordMemoryView;
  /** What was refused, by reason. */
  readonly refusals: RefusalCounts;
  readonly mergedUpdates: number;
  readonly callbackErrors: number;
}

const MIB = 1024 ** 2;
/** Lanes get this long to finish what they were given before they are ended. */
const DRAIN_WITHIN_MS = 2000;

type Phase = 'new' | 'running' | 'stopped';

export class TelemetryManager {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #lanePlan: LanePlan;
  /** MAX_DEDICATED_LANES, for people. */
  readonly #lanesAsked: string;
  readonly #board: BoardWriter;
  readonly #roster: Roster;
  readonly #members: Members;
  readonly #liveness: Liveness;
  readonly #lanes: LanePool;
  readonly #updates: UpdateWatcher;
  readonly #refusals = new Refusals();
  readonly #slots: SlotKeeper;
  readonly #deliveries: DeliveryWatch;
  readonly #intake: Intake;
  readonly #admission: Admission;
  readonly #processorUrl: string | undefined;
  readonly #pulse: Pulse;
  #onActive: (workerId: string) => void = () => {};
  #phase: Phase = 'new';
  #stopping: Promise<void> | undefined;

  constructor(options: TelemetryManagerOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
    const { maxWorkers = 20_000, maxDedicatedLanes, sharedLanes } = options;
    if (sharedLanes !== undefined && !(sharedLanes >= 1))
      throw new PulselaneError('bad_setting', `sharedLanes is ${sharedLanes}, expected at least 1`);
    const facts = readMachineFacts();
    const machine = { facts, cores: availableParallelism() };
    this.#lanePlan = planLanes(machine, { maxDedicatedLanes, sharedLanes }, maxWorkers);
    const { dedicated } = this.#lanePlan;
    this.#lanesAsked = maxDedicatedLanes === 'all' ? `all, up to ${dedicated} lanes` : String(dedicated);
    const memory = new MemoryRoom(this.#clock, facts.memory, readMemoryLimits);
    this.#board = new BoardWriter(allocateBoard(maxWorkers, this.#clock.monotonicMs()));
    this.#board.stampBeat(this.#clock.monotonicMs());
    this.#roster = new Roster(this.#board);
    this.#slots = new SlotKeeper({
      budgetBytes: options.recordMemoryBytes ?? recordBudgetBytes(Math.min(...facts.memory.map(({ most }) => most))),
      maxRecordBytes: options.maxRecordBytes ?? MAX_RECORD_BYTES,
      ringSamples: options.ringSamples ?? 720,
      roster: this.#roster,
      clock: this.#clock,
    });
    this.#members = new Members({
      mode: options.admission ?? 'open',
      maxPending: options.maxPending ?? 1000,
      clock: this.#clock,
    });
    this.#liveness = new Liveness({
      settings: options,
      roster: this.#roster,
      board: this.#board,
      clock: this.#clock,
      logger: this.#logger,
      onGone: (entry) => this.#admission.retire(entry),
      onInstances: ({ workerId, liveness }) => this.#members.setInstances(workerId, liveness.instances),
      onActivity: ({ workerId, row }, isActive) => {
        // What makes it active is a heartbeat that came just now.
        const heardS = isActive ? Math.floor(this.#clock.wallMs() / 1000) : this.#board.lastUpdateS(row);
        this.#members.setActivity(workerId, { isActive, heardS });
        if (isActive) this.#onActive(workerId);
      },
    });
    this.#processorUrl = options.processor === undefined ? undefined : urlOf(options.processor);
    const offHeapMib = options.laneOffHeapMib ?? 128;
    this.#lanes = new LanePool({
      maxDedicatedLanes: this.#lanePlan.dedicated,
      // What an operator has set is heeded.
      hasRoom: () => this.#lanePlan.isSet || memory.isRoom,
      sharedLanes: this.#lanePlan.shared,
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
        const entry = this.#roster.atRow(row);
        return entry?.occupant === occupant ? entry : undefined;
      },
      quarantineMs: options.laneQuarantineMs ?? 5 * 60_000,
      processor:
        this.#processorUrl === undefined ? undefined : { url: this.#processorUrl, offHeapBytes: offHeapMib * MIB },
      allowance: this.#slots.records.memory,
      publications: this.#board.memory.publications,
      clock: this.#clock,
      logger: this.#logger,
      events: laneEffects({
        board: this.#board,
        roster: this.#roster,
        slots: this.#slots,
        liveness: this.#liveness,
        onThreadsFailing: options.onThreadsFailing ?? (() => {}),
        clock: this.#clock,
      }),
    });
    this.#deliveries = new DeliveryWatch({ liveness: this.#liveness, refusals: this.#refusals, clock: this.#clock });
    this.#updates = new UpdateWatcher({
      clock: this.#clock,
      logger: this.#logger,
      telemetryOf: (entry) => this.#telemetryOf(entry),
      settle: (entry) => this.#deliveries.settle(entry),
    });
    this.#intake = new Intake({
      maxWorkerHeartbeatsPerS: options.maxWorkerHeartbeatsPerS ?? 0,
      board: this.#board,
      liveness: this.#liveness,
      records: this.#slots.records,
      deliveries: this.#deliveries,
      updates: this.#updates,
      refusals: this.#refusals,
      clock: this.#clock,
    });
    const lifecycle = new WorkerLifecycle({
      maxWorkers,
      laneDepth: options.laneDepth ?? 16,
      board: this.#board,
      roster: this.#roster,
      liveness: this.#liveness,
      slots: this.#slots,
      lanes: this.#lanes,
      deliveries: this.#deliveries,
      updates: this.#updates,
      refusals: this.#refusals,
      clock: this.#clock,
    });
    this.#admission = new Admission({
      maxWorkers,
      maxWorkerRegistersPerS: options.maxWorkerRegistersPerS ?? 0,
      members: this.#members,
      roster: this.#roster,
      liveness: this.#liveness,
      lifecycle,
      refusals: this.#refusals,
      clock: this.#clock,
    });
    this.#pulse = new Pulse({
      board: this.#board,
      deliveries: this.#deliveries,
      liveness: this.#liveness,
      lanes: this.#lanes,
      members: this.#members,
      records: this.#slots.records,
      publisher: new StatusPublisher({
        lanePlan: this.#lanePlan,
        lanes: this.#lanes,
        members: this.#members,
        records: this.#slots.records,
        refusals: this.#refusals,
        roster: this.#roster,
        logger: this.#logger,
      }),
      clock: this.#clock,
    });
  }

  // ── life ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Begins to judge. Heartbeats are taken from here on.
   * @throws PulselaneError `bad_setting` if the processor cannot be loaded; `unavailable` if it was started before.
   */
  async start(): Promise<void> {
    if (this.#stopping !== undefined || this.#phase !== 'new') {
      throw new PulselaneError('unavailable', 'a TelemetryManager is started once: make another');
    }
    holdThread('lane/thread');
    this.#phase = 'running';
    this.#checkPlan();
    this.#pulse.begin();
    if (this.#processorUrl !== undefined) await this.#tryProcessor();
  }

  /** Takes no more heartbeats, lets lanes finish what they were given, ends all threads. Safe to call again. */
  shutdown(): Promise<void> {
    this.#stopping ??= this.#shutdown();
    return this.#stopping;
  }

  /** Before anything else depends on it, so that a wrong path is an error at the start and not a fleet in quarantine. */
  async #tryProcessor(): Promise<void> {
    const lane = await this.#lanes.startFirst();
    if (this.#stopping !== undefined) throw new PulselaneError('unavailable', 'it was shut down while it started');
    if (lane.state === 'ready') return;
    await this.shutdown();
    const reason = lane.lastError ?? 'it does not start';
    throw new PulselaneError(
      'bad_setting',
      reason.startsWith('processor ') ? reason : `processor ${this.#processorUrl}: when it was loaded, ${reason}`,
    );
  }

  async #shutdown(): Promise<void> {
    this.#phase = 'stopped';
    this.#lanes.drain();
    this.#pulse.stop();
    await until(this.#clock, () => this.#deliveries.isAllDone(), { withinMs: DRAIN_WITHIN_MS, everyMs: 5 });
    this.#deliveries.stop();
    this.#slots.stop();
    this.#updates.look();
    this.#updates.stop();
    await this.#lanes.stop();
  }

  // ── workers ──────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Makes a worker known before its first heartbeat, as an operator would: it is admitted, shown with zeros, and not
   * active. Knows it already: nothing happens.
   * @throws PulselaneError `invalid_argument`, `resource_exhausted` at the worker limit, `unavailable`
   */
  registerWorker(workerId: string): void {
    checkWorkerId(workerId);
    this.#mustRun();
    this.#admission.register(workerId);
  }

  /** Forgets a worker, its approval, its lane and its memory. @returns whether there was any of these. */
  unregisterWorker(workerId: string): boolean {
    return this.#admission.unregister(workerId);
  }

  /**
   * Forgets a worker on its own behalf; what an operator said of it, approval and address, stays. An instance speaks for
   * itself alone: see {@link Liveness.checkFarewell}.
   * @returns whether the worker was known
   * @throws PulselaneError `failed_precondition` if another instance of it is there; `rate_limited`
   */
  deregisterWorker(workerId: string, instanceId: string): boolean {
    return this.#admission.deregister(workerId, instanceId);
  }

  /**
   * Lets in a worker. One that is not there yet is shown once it comes.
   * @returns whether it is known, waits to be let in, or has never come
   * @throws PulselaneError `invalid_argument`, `unavailable`, `resource_exhausted` if there is no room for it;
   * `failed_precondition` if it is not known and admission is open
   */
  approve(workerId: string): 'known' | 'waiting' | 'awaited' {
    checkWorkerId(workerId);
    this.#mustRun();
    return this.#admission.approve(workerId);
  }

  /** What a worker said of itself last, if it did so in bytes of this digest: they need not be decoded again. */
  announced(digest: string): WorkerInfo | undefined {
    return this.#admission.announced(digest);
  }

  /**
   * Announces a worker on its own behalf, so only if it is admitted.
   * @param digest of the bytes in which it says so; undefined: nobody knows it
   * @throws as `processHeartbeat`; `rate_limited`
   */
  announceWorker(info: WorkerInfo, digest?: string): void {
    checkWorkerId(info.workerId);
    this.#mustRun();
    this.#admission.announce(info, digest);
  }

  // ── heartbeats ───────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Takes a heartbeat and returns at once; its lane decodes and publishes it. An unknown worker is admitted under `open`.
   * @throws PulselaneError `invalid_argument`, `not_admitted`, `resource_exhausted` at the worker limit, `unavailable`
   */
  processHeartbeat(heartbeat: HeartbeatInput): void {
    this.acceptHeartbeat(heartbeatBytes(heartbeat));
  }

  /**
   * The same for the bytes of a `cluster.Heartbeat` or `pulselane.v1.Heartbeat`. They are kept until a lane is done with
   * them and must not change. `head` is what {@link scanHeartbeat} read of them; `via` the stream by which they came, see
   * {@link hungUp}.
   * @throws PulselaneError `failed_precondition` if a later instance of the worker has spoken, `rate_limited`
   */
  acceptHeartbeat(bytes: Buffer, head: HeartbeatHead = scanHeartbeat(bytes), via?: Via): void {
    this.#mustRun();
    this.#intake.accept(this.#admission.admitted(head.workerId), bytes, head, via);
  }

  /** A stream is over because its client closed it, who spoke for these workers. */
  hungUp(workerIds: Iterable<string>, via: Via): void {
    this.#liveness.hungUp(workerIds, via);
  }

  /** How often to send, as one worker is told; in a large fleet it differs a little from one to the next. */
  intervalToTell(random = Math.random()): number {
    return this.#liveness.intervalToTell(random);
  }

  // ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** The newest that is known of a worker; undefined if the worker is not known. */
  getWorkerTelemetry(workerId: string): WorkerTelemetry | undefined {
    const entry = this.#roster.get(workerId);
    return entry === undefined ? undefined : this.#telemetryOf(entry);
  }

  /** The newest of every worker, by id. */
  getAllWorkerTelemetry(): Map<string, WorkerTelemetry> {
    const all = new Map<string, WorkerTelemetry>();
    for (const entry of this.#roster.all()) all.set(entry.workerId, this.#telemetryOf(entry));
    return all;
  }

  /**
   * Calls `callback` on this thread whenever a worker's record has changed: in order per worker, with the newest record;
   * one that falls behind gets merged updates. One callback at a time; undefined takes it away.
   */
  setUpdateCallback(callback: UpdateCallback | undefined): void {
    this.#updates.set(callback);
  }

  // ── for what is built around the engine ──────────────────────────────────────────────────────────────────────

  get boardMemory(): BoardMemory {
    return this.#board.memory;
  }

  /** What happened of late. */
  get events(): EventLog {
    return this.#roster.directory.events;
  }

  /** Tells what was seen by what is built around the engine: in the log of events, and to every reader. */
  recordEvent(event: NewEvent): void {
    this.#liveness.recordEvent(event);
  }

  /** What keeps the master from judging, for now. */
  get holds(): Holds {
    return this.#liveness.holds;
  }

  /**
   * Ends the brake on mass failure: those who are silent have failed. @param group of workers; undefined: all.
   * @returns how many brakes were held
   */
  releaseBrakes(group?: string): number {
    return this.#liveness.releaseBrakes(group);
  }

  get admission(): AdmissionMode {
    return this.#members.mode;
  }

  get members(): Members {
    return this.#members;
  }

  /** For readers on the main thread: the prompt. */
  get directory() {
    return this.#roster.directory;
  }

  /** What a new reading thread must be told; `onAnnouncement` tells what comes after. */
  announcements(): readonly Announcement[] {
    return this.#roster.announcements();
  }

  /** @returns how to stop listening. */
  onAnnouncement(listener: (announcement: Announcement) => void): () => void {
    return this.#roster.listen(listener);
  }

  /**
   * Takes over what an earlier master kept: who may be there, and who was, with their last values. Workers with an address
   * are known from the start, too. Called once, before anybody else is heard.
   */
  restore(members: readonly Member[], values: ReadonlyMap<string, SavedValues>): void {
    restoreWorkers(members, values, {
      members: this.#members,
      admission: this.#admission,
      roster: this.#roster,
      liveness: this.#liveness,
      logger: this.#logger,
    });
  }

  /** Called with each worker that becomes active: there are values of it. Must be cheap, and there is one. */
  onActive(listener: (workerId: string) => void): void {
    this.#onActive = listener;
  }

  /** The last values of a worker; undefined if there are none. */
  valuesOf(workerId: string): SavedValues | undefined {
    const entry = this.#roster.get(workerId);
    return entry === undefined ? undefined : savedValuesOf(entry, this.#board, this.#clock.monotonicMs());
  }

  /** The last values of each worker that has sent any, to be asked for one by one and taken at once. */
  *savedValues(): Generator<SavedValues> {
    for (const entry of this.#roster.all()) {
      const values = savedValuesOf(entry, this.#board, this.#clock.monotonicMs());
      if (values !== undefined) yield values;
    }
  }

  /** What was refused, here or by those in front of the engine, who count it here too. */
  get refusals(): Refusals {
    return this.#refusals;
  }

  /** The group of a worker, empty if it has none; undefined if the worker is not known. */
  groupOf(workerId: string): string | undefined {
    return this.#roster.get(workerId)?.liveness.group;
  }

  /** A peer spoke for a worker that it is not, and was refused. */
  identityViolated(violation: IdentityViolation): void {
    this.#admission.identityViolated(violation);
  }

  /** Takes a worker out of quarantine before its time. @returns whether it was in quarantine */
  releaseWorker(workerId: string): boolean {
    const entry = this.#roster.get(workerId);
    return entry !== undefined && this.#lanes.release(entry);
  }

  internalState(): InternalState {
    return {
      workers: this.#board.workers,
      activeWorkers: this.#board.activeWorkers,
      lanes: this.#lanes.lanes.map((lane) => ({
        number: lane.number,
        kind: lane.kind,
        state: lane.state,
        workers: lane.workerCount,
        restarts: lane.restarts,
        lastError: lane.lastError,
      })),
      lanePlan: this.#lanePlan,
      laneLimit: laneLimitOf(this.#lanePlan, this.#lanes.isHeldBack),
      threadsLeftBehind: threadsLeftBehind(),
      pending: this.#members.pending(),
      recordMemory: this.#slots.records.view,
      refusals: this.#refusals.counts(),
      mergedUpdates: this.#updates.merged,
      callbackErrors: this.#updates.callbackErrors,
    };
  }

  /** How many workers get a thread of their own, and why. */
  get lanePlan(): LanePlan {
    return this.#lanePlan;
  }

  // ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────

  #telemetryOf(entry: RosterEntry): WorkerTelemetry {
    // The first record makes the worker active, also when it came a moment ago.
    this.#liveness.lookForRecord(entry);
    return this.#roster.directory.telemetry(entry);
  }

  #mustRun(): void {
    if (this.#phase === 'running') return;
    throw new PulselaneError(
      'unavailable',
      this.#phase === 'new' ? 'the TelemetryManager is not started: await start() first' : 'the master is stopping',
    );
  }

  #checkPlan(): void {
    const exceeded = exceededBy(this.#lanePlan);
    if (exceeded.length === 0) return;
    const limits = exceeded.map(({ resource, setting, lanes }) => `${lanes} by ${resource} (${setting})`).join(', ');
    this.#logger.warn(`MAX_DEDICATED_LANES is ${this.#lanesAsked}, more than this machine seems to carry: ${limits}`);
  }
}

/** @throws PulselaneError `bad_setting` if it is a URL of another kind than file: */
function urlOf(processor: string | URL): string {
  if (typeof processor === 'string' && !/^[a-z]+:\/\//.test(processor)) return pathToFileURL(processor).href;
  const url = String(processor);
  if (url.startsWith('file://')) return url;
  throw new PulselaneError('bad_setting', `processor ${url}: expected the path or file URL of an ES module`);
}
