/**
 * The public API of the engine: accepts heartbeats, keeps each worker's latest state in shared memory, and decides
 * which workers are alive. Any program can embed it; gRPC, HTTP and the prompt are built on it. Each method delegates
 * to one part; assemble.ts connects the parts.
 */
import { checkOptionNames } from '../config/option-names.ts';
import type { WorkerInfo } from '../gen/pulselane/v1/telemetry_pb.ts';
import type { ExpectedMetrics } from '../lane/messages.ts';
import { until } from '../lib/clock.ts';
import { PulselaneError } from '../lib/errors.ts';
import { holdThread } from '../lib/threads.ts';
import type { EventLog, NewEvent } from '../model/events.ts';
import { type HeartbeatHead, scanHeartbeat } from '../model/heartbeat-scan.ts';
import type { Holds } from '../model/holds.ts';
import type { Isolation } from '../model/isolation.ts';
import type { PromMetric } from '../model/prom-metric.ts';
import type { HeartbeatInput, WorkerTelemetry } from '../model/telemetry.ts';
import { heartbeatRefusalOf } from '../model/transports.ts';
import { checkWorkerId } from '../model/worker-id.ts';
import type { Announcement } from '../reading/directory.ts';
import type { SlotKey } from '../reading/sample-drain.ts';
import type { BoardMemory } from '../store/board.ts';
import type { AnomalyFigures } from '../store/master-figures.ts';
import { assembleEngine, type EngineParts } from './assemble.ts';
import type { FrontGauges } from './figure-publisher.ts';
import { heartbeatBytes } from './heartbeat-bytes.ts';
import type { Intake } from './intake.ts';
import { type InternalState, internalStateOf } from './internal-state.ts';
import { keepExpected } from './lanes/lane-handle.ts';
import { exceededBy, type LanePlan } from './lanes/lane-plan.ts';
import type { LaneStanding } from './lanes/lane-policy.ts';
import type { Via } from './liveness/worker-liveness.ts';
import { OPTION_NAMES, type TelemetryManagerOptions } from './manager-options.ts';
import type { AdmissionMode, Member, Members } from './persistence/members.ts';
import { restoreWorkers, savedValuesOf } from './persistence/restore.ts';
import type { SavedValues } from './persistence/values-file.ts';
import type { Refusals } from './refusals.ts';
import { RejectedOnArrival } from './rejected-on-arrival.ts';
import type { UntoldRejections } from './untold-rejections.ts';
import type { UpdateCallback } from './update-watcher.ts';
import type { IdentityViolation } from './workers/identity-violations.ts';

export type { TelemetryManagerOptions } from './manager-options.ts';

/** At shutdown, lanes get this long to finish their work before they are terminated. */
const DRAIN_WITHIN_MS = 2000;

export class TelemetryManager {
  readonly #parts: EngineParts;
  #onActive: (workerId: string) => void = () => {};
  #stopping: Promise<void> | undefined;

  /** @throws PulselaneError `bad_setting`; `invalid_argument` for an option that does not exist */
  constructor(options: TelemetryManagerOptions = {}) {
    checkOptionNames(options, OPTION_NAMES);
    this.#parts = assembleEngine(options, (workerId) => this.#onActive(workerId));
  }

  // ── life cycle ───────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Starts the engine. Heartbeats are accepted from now on.
   * @throws PulselaneError `bad_setting` if the processor cannot be loaded; `unavailable` if it was started before
   */
  async start(): Promise<void> {
    if (this.#stopping !== undefined || !this.#parts.phase.isNew) {
      throw new PulselaneError('unavailable', 'a TelemetryManager can be started only once; create another');
    }
    holdThread('lane/thread');
    this.#parts.phase.begin();
    this.#checkPlan();
    this.#parts.pulse.begin();
    if (this.#parts.processorUrl !== undefined) await this.#tryProcessor();
  }

  /** Stops accepting heartbeats, lets lanes finish their work, and ends all threads. May be called repeatedly. */
  shutdown(): Promise<void> {
    this.#stopping ??= this.#shutdown();
    return this.#stopping;
  }

  /**
   * Loads the processor before anything depends on it: a wrong path is an error at the start, not quarantined workers
   * later.
   */
  async #tryProcessor(): Promise<void> {
    const lane = await this.#parts.lanes.startFirst();
    if (this.#stopping !== undefined) throw new PulselaneError('unavailable', 'shutdown was called during start');
    if (lane.state === 'ready') return;
    await this.shutdown();
    const reason = lane.lastError ?? 'the lane did not start';
    throw new PulselaneError(
      'bad_setting',
      reason.startsWith('processor ') ? reason : `processor ${this.#parts.processorUrl}: loading failed: ${reason}`,
    );
  }

  async #shutdown(): Promise<void> {
    const { phase, lanes, pulse, deliveries, slots, updates, clock } = this.#parts;
    phase.end();
    lanes.drain();
    pulse.stop();
    await until(clock, () => deliveries.isAllDone(), { withinMs: DRAIN_WITHIN_MS, everyMs: 5 });
    deliveries.stop();
    slots.stop();
    updates.look();
    updates.stop();
    await lanes.stop();
  }

  // ── workers ──────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Registers a worker before its first heartbeat, as an operator: it is admitted, inactive, and shown with zeros. No
   * effect if it is known already.
   * @throws PulselaneError `invalid_argument`, `resource_exhausted` at the worker limit, `unavailable`
   */
  registerWorker(workerId: string): void {
    checkWorkerId(workerId);
    this.#parts.phase.mustRun();
    this.#parts.admission.register(workerId);
  }

  /** Removes a worker with its approval, lane and memory. @returns whether there was any of these */
  unregisterWorker(workerId: string): boolean {
    return this.#parts.admission.unregister(workerId);
  }

  /**
   * Removes a worker at its own request; approval and address, which an operator set, stay. An instance can deregister
   * only itself, and only while no other instance reports for the worker.
   * @returns whether the worker was known
   * @throws PulselaneError `failed_precondition` if another instance of it is active; `rate_limited`
   */
  deregisterWorker(workerId: string, instanceId: string): boolean {
    return this.#parts.admission.deregister(workerId, instanceId);
  }

  /**
   * Approves a worker. If it has not reported yet, it is admitted when it does.
   * @returns `known`: it is in the fleet; `waiting`: it was pending; `awaited`: it has never reported
   * @throws PulselaneError `invalid_argument`, `unavailable`, `resource_exhausted` if there is no room for it
   */
  approve(workerId: string): 'known' | 'waiting' | 'awaited' {
    checkWorkerId(workerId);
    this.#parts.phase.mustRun();
    return this.#parts.admission.approve(workerId);
  }

  /**
   * Sets the kind of lane of a worker; the decision survives the worker's absence and restarts of the master.
   * @returns the worker's lane state afterwards
   * @throws PulselaneError `invalid_argument`; `not_found` if the worker is unknown; `unavailable`;
   * `resource_exhausted` if too many decisions are stored
   */
  isolate(workerId: string, isolation: Isolation): LaneStanding {
    this.#parts.phase.mustRun();
    return this.#parts.admission.isolate(workerId, isolation);
  }

  /** The worker info whose encoded bytes have this digest, if a worker's last registration had it; saves decoding. */
  announced(digest: string): WorkerInfo | undefined {
    return this.#parts.admission.announced(digest);
  }

  /**
   * Registers a worker at its own request, if it is admitted.
   * @param digest of the encoded info; undefined: not available
   * @throws as `processHeartbeat`; `rate_limited`
   */
  announceWorker(info: WorkerInfo, digest?: string): void {
    checkWorkerId(info.workerId);
    this.#parts.phase.mustRun();
    this.#parts.admission.announce(info, digest);
  }

  /**
   * A worker tells how often it means to send, without registering; what else is known of it stays.
   * @throws PulselaneError as {@link announceWorker}
   */
  announceInterval(workerId: string, intervalMs: number): void {
    this.#parts.phase.mustRun();
    this.#parts.admission.announceInterval(workerId, intervalMs);
  }

  /**
   * A worker says farewell without a heartbeat: it has left, and stays known with its last values.
   * @param instanceId empty: not said
   * @returns whether the worker is known
   * @throws PulselaneError `failed_precondition` if another instance of it is active; `unavailable`
   */
  sayFarewell(workerId: string, instanceId: string): boolean {
    this.#parts.phase.mustRun();
    const entry = this.#parts.roster.get(workerId);
    if (entry === undefined) return false;
    this.#parts.liveness.sayFarewell(entry, instanceId);
    return true;
  }

  // ── heartbeats ───────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Accepts a heartbeat and returns at once; its lane decodes and publishes it. Under `open`, an unknown worker is
   * admitted.
   * @throws PulselaneError `invalid_argument`, `not_admitted`, `resource_exhausted` at the worker limit, `unavailable`
   */
  processHeartbeat(heartbeat: HeartbeatInput): void {
    this.acceptHeartbeat(heartbeatBytes(heartbeat));
  }

  /**
   * The same for an encoded `cluster.Heartbeat` or `pulselane.v1.Heartbeat`. The bytes are kept until a lane has
   * processed them and must not change. `head` is the result of {@link scanHeartbeat} on them; `via` is the stream that
   * delivered them, see {@link hungUp}.
   * @throws PulselaneError `failed_precondition` if a later instance of the worker has reported, `rate_limited`
   */
  acceptHeartbeat(bytes: Buffer, head: HeartbeatHead = scanHeartbeat(bytes), via?: Via): void {
    try {
      this.#parts.intake.accept(bytes, head, via === undefined ? 'library' : 'grpc_stream', via);
    } catch (error) {
      this.countRefused(error);
      throw error;
    }
  }

  /** Accepts heartbeats, for callers that have parsed the head themselves. */
  get intake(): Pick<Intake, 'accept'> {
    return this.#parts.intake;
  }

  /** What main has measured of its own heap, for reading threads. */
  publishNodeMetrics(metrics: readonly PromMetric[]): void {
    this.#parts.roster.publishNodeMetrics(metrics);
  }

  /** A caller of `intake` has refused a heartbeat, or `intake` has, with this error. One that was accepted is not counted. */
  countRefused(error: unknown): void {
    if (!(error instanceof RejectedOnArrival)) this.#parts.board.countRefused(heartbeatRefusalOf(error));
  }

  /** Rejections by lanes that were not reported to their senders yet. */
  get untoldRejections(): UntoldRejections {
    return this.#parts.untoldRejections;
  }

  /** Called when a client closed the stream that reported for these workers. */
  hungUp(workerIds: Iterable<string>, via: Via): void {
    this.#parts.liveness.hungUp(workerIds, via);
  }

  /** The heartbeat interval to send to one worker; in a large fleet it varies slightly between workers. */
  intervalToTell(random = Math.random()): number {
    return this.#parts.liveness.intervalToTell(random);
  }

  // ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** The latest state of a worker; undefined if the worker is unknown. */
  getWorkerTelemetry(workerId: string): WorkerTelemetry | undefined {
    const entry = this.#parts.roster.get(workerId);
    return entry === undefined ? undefined : this.#parts.telemetryOf(entry);
  }

  /** The latest state of every worker, by id. */
  getAllWorkerTelemetry(): Map<string, WorkerTelemetry> {
    const all = new Map<string, WorkerTelemetry>();
    for (const entry of this.#parts.roster.all()) all.set(entry.workerId, this.#parts.telemetryOf(entry));
    return all;
  }

  /**
   * Calls `callback` on this thread when a worker's record has changed: in order per worker, with the latest record. If
   * the callback is slow, updates are merged. There is one callback; undefined removes it.
   */
  setUpdateCallback(callback: UpdateCallback | undefined): void {
    this.#parts.updates.set(callback);
  }

  // ── for the code built on the engine ─────────────────────────────────────────────────────────────────────────

  get boardMemory(): BoardMemory {
    return this.#parts.board.memory;
  }

  /** Recent events. */
  get events(): EventLog {
    return this.#parts.roster.directory.events;
  }

  /** Records an event observed outside the engine, in the event log and for every reader. */
  recordEvent(event: NewEvent): void {
    this.#parts.liveness.recordEvent(event);
  }

  /** How many workers are unusual, for the board. */
  set anomalies(figures: AnomalyFigures) {
    this.#parts.figures.anomalies = figures;
  }

  /**
   * Tells the worker's lane what is expected of its metrics from now on, by key; NaN: nothing new is known. A lane that has no thread
   * at present is told when it has one.
   */
  expect(workerId: string, values: ExpectedMetrics): void {
    const entry = this.#parts.roster.get(workerId);
    if (entry === undefined) return;
    if (entry.lane === undefined) keepExpected(entry, values);
    else entry.lane.expect(entry, values);
  }

  /** What currently prevents the master from marking workers inactive. */
  get holds(): Holds {
    return this.#parts.liveness.holds;
  }

  /**
   * Releases the brake on mass failure: silent workers are treated as failed. @param group undefined: all groups
   * @returns how many brakes were engaged
   */
  releaseBrakes(group?: string): number {
    return this.#parts.liveness.releaseBrakes(group);
  }

  get admission(): AdmissionMode {
    return this.#parts.members.mode;
  }

  get members(): Members {
    return this.#parts.members;
  }

  /** For readers on the main thread: the prompt. */
  get directory() {
    return this.#parts.roster.directory;
  }

  /** From now on, the last samples of removed workers are kept until {@link settled} says that nobody needs them; bounded. */
  keepClosedUntilSettled(): void {
    this.#parts.roster.keepsClosed = true;
  }

  settled(slots: readonly SlotKey[]): void {
    this.#parts.roster.settled(slots);
  }

  /** Removed workers whose last samples were given up before that, because too many waited. */
  get closedGivenUp(): number {
    return this.#parts.roster.closedGivenUp;
  }

  /** The announcements that a new reading thread needs first; `onAnnouncement` reports later ones. */
  announcements(): readonly Announcement[] {
    return this.#parts.roster.announcements();
  }

  /** @returns a function that removes the listener */
  onAnnouncement(listener: (announcement: Announcement) => void): () => void {
    return this.#parts.roster.listen(listener);
  }

  /**
   * Restores the state saved by an earlier master: members, and the last values of those that were in the fleet.
   * Workers with an address are known from the start, too. Called once, before the first heartbeat.
   */
  restore(members: readonly Member[], values: ReadonlyMap<string, SavedValues>): void {
    restoreWorkers(members, values, this.#parts);
  }

  /** Sets the listener called with each worker that becomes active, so that values of it exist. Must be cheap. */
  onActive(listener: (workerId: string) => void): void {
    this.#onActive = listener;
  }

  /** The last values of a worker; undefined if there are none. */
  valuesOf(workerId: string): SavedValues | undefined {
    const entry = this.#parts.roster.get(workerId);
    return entry === undefined ? undefined : savedValuesOf(entry, this.#parts.board, this.#parts.clock.monotonicMs());
  }

  /** The last values of each worker that has sent any. Consume each item before requesting the next. */
  *savedValues(): Generator<SavedValues> {
    for (const entry of this.#parts.roster.all()) {
      const values = savedValuesOf(entry, this.#parts.board, this.#parts.clock.monotonicMs());
      if (values !== undefined) yield values;
    }
  }

  /** Sets the function that returns the gauges of the code in front of the engine; called four times a second. */
  set front(gauges: () => FrontGauges) {
    this.#parts.figures.front = gauges;
  }

  /** Counts of refusals, by the engine and by the code in front of it. */
  get refusals(): Refusals {
    return this.#parts.refusals;
  }

  /** The group of a worker, empty if it has none; undefined if the worker is unknown. */
  groupOf(workerId: string): string | undefined {
    return this.#parts.roster.get(workerId)?.liveness.group;
  }

  /** Records that a peer was refused because it reported for a worker that it may not speak for. */
  identityViolated(violation: IdentityViolation): void {
    this.#parts.admission.identityViolated(violation);
  }

  /** Ends a worker's quarantine early. @returns whether it was in quarantine */
  releaseWorker(workerId: string): boolean {
    const entry = this.#parts.roster.get(workerId);
    return entry !== undefined && this.#parts.lanes.release(entry);
  }

  internalState(): InternalState {
    return internalStateOf(this.#parts);
  }

  /** The number of dedicated lanes, and its reason. */
  get lanePlan(): LanePlan {
    return this.#parts.lanePlan;
  }

  // ── internals ────────────────────────────────────────────────────────────────────────────────────────────────

  #checkPlan(): void {
    const { lanePlan, lanesAsked, logger } = this.#parts;
    const exceeded = exceededBy(lanePlan);
    if (exceeded.length === 0) return;
    const limits = exceeded.map(({ resource, setting, lanes }) => `${lanes} by ${resource} (${setting})`).join(', ');
    logger.warn(`MAX_DEDICATED_LANES is ${lanesAsked}, more than this machine’s limits seem to allow: ${limits}`);
  }
}
